import ArgumentParser
import Foundation
import Pando

/// Options of every command that reads pictures.
struct PictureOptions: ParsableArguments {
    @Option(help: "Threads that decode and compute (default: the cores this process may use).")
    var workers: Int?

    @Option(help: "Pictures of more pixels than this, in millions, are refused unread.")
    var maxMegapixels: Int = 1000

    @Flag(help: "Stop at the first picture that cannot be read, instead of leaving it out.")
    var strict = false

    func validate() throws {
        if let workers, !(1...1024).contains(workers) { throw ValidationError("--workers is 1 to 1024, not \(workers)") }
        guard (1...100_000).contains(maxMegapixels) else {
            throw ValidationError("--max-megapixels is 1 to 100000, not \(maxMegapixels)")
        }
    }

    var decoder: ImageDecoder { ImageDecoder(pixelLimit: maxMegapixels * 1_000_000) }

    var workerCount: Int { workers ?? MachineResources.allowedCores }

    /// Draws the pictures of these files on one PNG, each with its file's name and its caption.
    func draw(_ files: [String], captions: [[String]], on sheet: String) throws {
        let tiles = try zip(files, captions).map { path, lines in
            let file = URL(fileURLWithPath: path)
            let image = try decoder.image(.file(file), fittedTo: .clipart(side: 160))
            return ContactSheet.Tile(image: image, caption: [file.lastPathComponent] + lines)
        }
        try ContactSheet(tiles: tiles).rendered().write(png: URL(fileURLWithPath: sheet))
    }
}

/// Options of every command that computes features and keeps them.
struct FeatureOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Folder of stored features (default: \(Locations.features.path)).", valueName: "folder"))
    var features: String?

    @OptionGroup var pictures: PictureOptions

    func store() throws -> FeatureStore {
        try FeatureStore(directory: features.map { URL(fileURLWithPath: $0, isDirectory: true) } ?? Locations.features)
    }

    func session(_ plan: Plan) throws -> TrainingSession {
        var session = TrainingSession(
            plan, store: try store(), workers: pictures.workerCount, isStrict: pictures.strict)
        session.decoder = pictures.decoder
        return session
    }
}

/// Options of every command that prints.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print JSON, for programs, instead of tables.")
    var json = false

    @Flag(name: .shortAndLong, help: "No progress on standard error.")
    var quiet = false
}
