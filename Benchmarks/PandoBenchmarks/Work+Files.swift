import Foundation
import PandoBackbones
import PandoData
import PandoTensor

extension Work {
    /// Files to pooled vectors: decoding, preprocessing and the backbone on the same threads.
    static func extraction(_ images: [URL], workers: Int) -> Work {
        let batch = 32
        let key = Key(work: "extraction mobilenet_v2", precision: "f32", batch: batch, unit: "images/s")
        return Work(keys: [key]) { meeting in
            let backbone = FrozenBackbone(try Catalog.architecture(named: "mobilenet_v2").loadPretrained())
            let pipeline = ImagePipeline(
                preprocessing: .clipart(), batchSize: batch, workers: workers, isStrict: true)
            let examples = images.map { Example(id: $0.path, split: .test, image: .file($0), labels: [:]) }
            let ours = OwnRuns(unitsPerRun: images.count) {
                _ = try pipeline.run(examples) { batch, _ in
                    backbone.features(of: batch.pixels).pooled
                } deliver: { _, _ in
                }
            }
            let (figure, peers) = try meeting.rates(key, ours, against: ["pytorch-extraction"])
            try meeting.dismiss(["pytorch-extraction"])
            return [Comparison(key: key, ours: figure, peers: peers)]
        }
    }

    /// From the start of a process to its answer for one picture, with everything it reads in the file cache:
    /// `pando predict` with a bundle of one task, and a script of PyTorch's.
    static func firstPrediction(_ images: [URL]) -> Work {
        let key = Key(work: "first prediction mobilenet_v2", precision: "f32", batch: 1, unit: "s")
        return Work(keys: [key]) { meeting in
            let folder = FileManager.default.temporaryDirectory.appendingPathComponent("pando-first-\(getpid())")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            defer { unlinkAll(folder) }
            let picture = try images.first ?? drawnPicture(in: folder)
            tell("\(key.description): training a bundle")
            let tasks = "  shape: {kind: classification}"
            let pando = try Self.pando(in: folder, training: tasks, .f32)
            var contestants = [ProcessRuns("Pando", pando, ["predict", folder.path + "/bundle", picture.path])]
            if let options = meeting.options {
                let script = URL(fileURLWithPath: options.peers).deletingLastPathComponent()
                    .appendingPathComponent("peer_pytorch_prediction.py").path
                contestants.append(ProcessRuns("PyTorch", URL(fileURLWithPath: options.python), [script, picture.path]))
            }
            let rates = try meeting.rounds(key.description, contestants)
            let seconds = rates.map { rates in rates.map { Figure(medianOf: $0.map { 1 / $0 }) } }
            guard let ours = seconds[0] else { return [] }
            var line = Comparison(key: key, ours: ours, goal: .figureAtMost(0.3))
            if seconds.count > 1, let theirs = seconds[1] { line.peers = [PeerFigure(peer: "PyTorch", figure: theirs)] }
            return [line]
        }
    }

    /// The program beside this one, after it trained a bundle on a few generated pictures.
    ///
    /// - Parameter tasks: lines of a plan.
    static func pando(in folder: URL, training tasks: String, _ precision: Precision) throws -> URL {
        let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
            .deletingLastPathComponent().appendingPathComponent("pando")
        let plan = folder.appendingPathComponent("plan.yaml")
        try """
        name: benchmark
        backbone: mobilenet_v2
        data: {kind: scenes, limit: 60}
        tasks:
        \(tasks)
        train: {epochs: 1, precision: \(precision == .f32 ? "float32" : "bfloat16")}

        """.write(to: plan, atomically: true, encoding: .utf8)
        let training = ProcessRuns(
            "Pando", program,
            ["train", plan.path, "-o", folder.path + "/bundle", "--features", folder.path + "/features", "--quiet"],
            environment: ["XDG_DATA_HOME": folder.path])
        _ = try training.round(seconds: 0)
        return program
    }

    static func drawnPicture(in folder: URL) throws -> URL {
        let file = folder.appendingPathComponent("picture.png")
        try Image(width: 400, height: 300, filledWith: .white).encodedPNG().write(to: file)
        return file
    }

    static func unlinkAll(_ folder: URL) {
        do {
            try FileManager.default.removeItem(at: folder)
        } catch {
            tell("left behind: \(folder.path): \(error.localizedDescription)")
        }
    }
}

/// A program that is started, answers, and ends.
private final class ProcessRuns: Contestant {
    let name: String
    private let program: URL
    private let arguments: [String]
    private let environment: [String: String]
    /// Whether what it reads is in the file cache.
    private var isWarm = false

    init(_ name: String, _ program: URL, _ arguments: [String], environment: [String: String] = [:]) {
        (self.name, self.program, self.arguments, self.environment) = (name, program, arguments, environment)
    }

    /// Starts a second, at least two.
    func round(seconds: Double) throws -> [Double] {
        if seconds == 0 { return [1 / (try secondsToAnswer())] }
        if !isWarm { _ = try secondsToAnswer() }
        isWarm = true
        return try (0..<2).map { _ in 1 / (try secondsToAnswer()) }
    }

    /// From the start to the end of the first line that it prints, or to its end if it prints nothing.
    private func secondsToAnswer() throws -> Double {
        let process = Process()
        let (output, trouble) = (Pipe(), Pipe())
        process.executableURL = program
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = trouble
        let begin = Stopwatch.now
        do {
            try process.run()
        } catch {
            throw PeerError(peer: name, reason: "\(program.path) does not start: \(error.localizedDescription)")
        }
        let answer = output.fileHandleForReading.readDataToEndOfFile()
        let elapsed = Stopwatch.now - begin
        let complaints = trouble.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            let last = String(decoding: complaints + answer, as: UTF8.self).split(separator: "\n").last ?? ""
            throw PeerError(
                peer: name, reason: "\(program.lastPathComponent) ended with \(process.terminationStatus): \(last)")
        }
        return elapsed
    }
}
