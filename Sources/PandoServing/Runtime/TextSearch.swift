import Foundation
import PandoBackbones
import PandoData
import PandoTraining
import Synchronization

/// Pictures that a server looks through for words.
public struct Gallery: Sendable {
    let folder: URL
    let images: [URL]
    let store: FeatureStore

    /// - Throws: `DatasetError` if the folder cannot be read, or a `ServingError` if it holds no pictures.
    public init(in folder: URL, store: FeatureStore) throws {
        (self.folder, self.store) = (folder, store)
        images = try ImageFolder.images(in: folder)
        if images.isEmpty { throw ServingError(500, "there are no pictures in \(folder.path)") }
    }
}

/// Finds pictures of a gallery for words.
final class TextSearch: Sendable {
    private let index: PictureIndex
    /// Pictures by their paths in the gallery's folder.
    let names: [String]
    private let bundle: PandoTraining.Bundle
    /// Opened at the first search: it takes more memory than all the rest of a small bundle.
    private let encoder = Mutex<SentenceEncoder?>(nil)

    /// - Returns: `nil` if no task of the bundle connects texts and pictures.
    init?(in gallery: Gallery, by bundle: PandoTraining.Bundle, workers: Int) throws {
        guard bundle.tasks.contains(where: { $0.plan.kind == .retrieval }) else { return nil }
        self.bundle = bundle
        index = try bundle.index(of: gallery.images, store: gallery.store, workers: workers)
        let root = gallery.folder.standardizedFileURL.path + "/"
        names = index.images.map { path in
            let path = URL(fileURLWithPath: path).standardizedFileURL.path
            return path.hasPrefix(root) ? String(path.dropFirst(root.count)) : path
        }
    }

    struct Match: Sendable {
        /// The picture's place in the gallery.
        let number: Int
        let score: Float
    }

    /// The pictures that fit `query` best.
    func matches(_ query: String, limit: Int) throws -> [Match] {
        let encoder = try self.encoder.withLock { kept in
            if let kept { return kept }
            let opened = try bundle.textEncoder()
            kept = opened
            return opened
        }
        return index.matches(for: encoder.embeddings(of: [query]), limit: limit).map { Match(number: $0, score: $1) }
    }

    /// A picture's file.
    func file(_ number: Int) -> URL? {
        index.images.indices.contains(number) ? URL(fileURLWithPath: index.images[number]) : nil
    }
}
