import Foundation
import Glibc
import PandoData
import PandoTestSupport

/// A folder with plans, pictures and a program that keeps its features and runs there.
final class Workshop: Sendable {
    let folder: TemporaryDirectory
    let program: Program

    init() throws {
        folder = try TemporaryDirectory()
        program = Program(home: folder.file("home"))
    }

    func path(_ name: String) -> String { folder.file(name).path }

    /// Writes a file and returns its path.
    @discardableResult
    func write(_ text: String, to name: String) throws -> String {
        let file = folder.file(name)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        return try folder.file(name, holding: Array(text.utf8)).path
    }

    func write(_ bytes: [UInt8], to name: String) throws { _ = try folder.file(name, holding: bytes) }

    func bytes(_ name: String) throws -> Data { try Data(contentsOf: folder.file(name)) }

    /// Draws scenes as PNG files in `photos/` and lists them, with their largest object's place, in `photos.csv`.
    ///
    /// - Parameter more: further lines of the list.
    func drawPhotos(count: Int, more: [String] = []) throws {
        try FileManager.default.createDirectory(at: folder.file("photos"), withIntermediateDirectories: true)
        var lines = ["image,side,size,split,sentence"]
        for (index, example) in Scenes(seed: 3, count: count, side: 64).dataset().examples.enumerated() {
            guard case .rendered(_, let draw)? = example.image, case .text(let sentence)? = example.labels["caption"]
            else { continue }
            try draw().write(png: folder.file("photos/\(index).png"))
            let split = index % 5 == 3 ? "validation" : index % 5 == 4 ? "test" : "train"
            lines.append("photos/\(index).png,\(index % 2 == 0 ? "even" : "odd"),\(index),\(split),\(sentence)")
        }
        try write((lines + more).joined(separator: "\n") + "\n", to: "photos.csv")
    }

    /// A plan for `photos.csv`; each argument replaces a part of it.
    func photoPlan(
        _ name: String = "photos.yaml", backbone: String = "mobilenet_v2",
        columns: String = "{side: category, size: number}",
        tasks: String = "{side: {kind: classification}, size: {kind: regression}}", more: String = ""
    ) throws -> String {
        try write(
            """
            name: photos
            backbone: \(backbone)
            data: {kind: csv, path: photos.csv, split: split, columns: \(columns)}
            tasks: \(tasks)
            train: {epochs: 2, batch_size: 8}
            \(more)
            """, to: name)
    }
}

/// A bundle of four tasks on 150 scenes, trained once for all tests that only read it.
final class TrainedScenes: Sendable {
    let workshop: Workshop
    let plan: String
    let bundle: String
    let outcome: Outcome

    static let taskNames = ["shape", "objects", "count", "caption"]

    private static let made = Result { try TrainedScenes() }

    static var shared: TrainedScenes {
        get throws { try made.get() }
    }

    private init() throws {
        workshop = try Workshop()
        plan = try workshop.write(
            """
            name: little scenes
            data: {kind: scenes, limit: 150}
            tasks:
              shape: {kind: classification}
              objects: {kind: multilabel, head: {kind: mlp, hidden: 32}}
              count: {kind: regression}
              caption: {kind: retrieval, head: {kind: linear, projection: 32}}
            train: {epochs: 3, batch_size: 16}
            """, to: "scenes.yaml")
        bundle = workshop.path("bundle")
        outcome = try workshop.program.run("train", plan, "-o", bundle, "--json")
        // Nobody else removes what lives as long as the process.
        atexit {
            if let shared = try? TrainedScenes.shared { try? FileManager.default.removeItem(at: shared.workshop.folder.url) }
        }
    }
}
