import Foundation
import PandoData
import PandoTensor

extension DataPlan {
    /// The examples that the plan names.
    ///
    /// With `limit`, a choice that `seed` alone decides, spread over all of the data; the splits stay as they were.
    /// - Throws: `DatasetError`, or what reading the collection throws.
    public func dataset() throws -> Dataset {
        var dataset = try whole()
        if let limit, limit < dataset.examples.count {
            var generator = SeededGenerator(seed: seed).split("limit")
            let chosen = dataset.examples.indices.shuffled(using: &generator).prefix(limit).sorted()
            dataset.examples = chosen.map { dataset.examples[$0] }
        }
        return dataset
    }

    private func whole() throws -> Dataset {
        switch kind {
        case .clipart: return try path.map { try Clipart.dataset(at: $0) } ?? Clipart.dataset()
        case .scenes: return Scenes(seed: seed, count: max(limit ?? 0, Scenes().count)).dataset()
        case .debian: return try Debian.dataset(at: path)
        case .imageFolder: return try ImageFolder.dataset(at: required(path))
        case .csv, .jsonl:
            return try Manifest(
                file: required(path), imageColumn: textColumn == nil ? imageColumn : nil, splitColumn: splitColumn,
                columns: columns, textColumn: textColumn
            ).dataset()
        }
    }

    /// Reading a plan refuses one without the path that its kind needs.
    private func required(_ path: URL?) -> URL {
        guard let path else { stop("DataPlan: data of kind \(kind.rawValue) needs a path") }
        return path
    }
}
