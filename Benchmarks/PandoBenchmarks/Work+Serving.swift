import Foundation
import PandoLoad

/// What one server does with the same pictures.
private struct ServerFigures {
    var saturation = 0.0
    /// Medians and the 99th percentile, in milliseconds.
    var unloaded = 0.0
    var halfLoaded = 0.0
    var idleMegabytes = 0.0
    var loadedMegabytes = 0.0
    var secondsUntilReady = 0.0
}

/// What the same server does when it is asked for three times what it can do.
private struct OverloadFigures {
    var goodput = 0.0
    var refusals: LoadReport.Latency?
    var unanswered = 0
    /// Resident after a quarter of the time, and at its end.
    var early = 0.0
    var late = 0.0
}

/// A bundle that is served, and what it is asked.
struct ServedWork {
    let pando: URL
    let bundle: String
    let bodies: [LoadBody]
    /// Whether every picture is another one.
    let areDistinct: Bool

    /// A server of the bundle's that remembers no answers.
    func start(_ arguments: String...) throws -> Server {
        try Server(
            "Pando", pando, { ["serve", bundle, "--port", "\($0)", "--reuse", "0"] + arguments }, bodies: bodies,
            areDistinct: areDistinct)
    }
}

/// A server of others, and the ways in which it is tried: the one that answers most counts.
private struct ServingPeer {
    let name: String
    let script: String
    let ways: [(how: String, arguments: [String])]

    static let fastAPI = "FastAPI + PyTorch"
    static let litServe = "LitServe + OpenVINO"

    static func all(cores: Int) -> [ServingPeer] {
        [
            ServingPeer(name: fastAPI, script: "serve_fastapi.py", ways: [("a process a core", [])]),
            ServingPeer(
                name: litServe, script: "serve_litserve.py",
                ways: [
                    ("batches of 8", []), ("a process a core, no batches", ["--batch", "1", "--workers", "\(cores)"]),
                ]),
        ]
    }
}

extension Work {
    /// A bundle of three tasks behind `pando serve`, behind FastAPI with PyTorch and behind LitServe with OpenVINO, one
    /// after the other: encoded pictures in, JSON out. Pando would answer the same picture from memory, or once for all
    /// who wait for it; here every picture is another one.
    static func serving(_ precision: Precision, images: [URL]) -> Work {
        func key(_ work: String, _ unit: String) -> Key { Key(work: work, precision: precision.rawValue, batch: 1, unit: unit) }
        let keys = [
            key("serve saturation, to FastAPI", "answers/s"), key("serve saturation, to LitServe", "answers/s"),
            key("serve unloaded median", "ms"), key("serve half loaded p99", "ms"),
            key("serve half loaded p99 to unloaded median", "share"), key("serve one task to three", "share"),
            key("serve idle memory", "MB"), key("serve loaded memory", "MB"), key("serve ready", "s"),
            key("serve overload goodput to saturation", "share"), key("serve overload memory, end to quarter", "share"),
            key("serve overload refusals p99", "ms"),
        ]
        return Work(keys: keys) { meeting in
            let isQuick = meeting.stopwatch.rounds == 1
            return try served(servedTasks, precision, images, meeting.options) { work in
                let own = try work.start()
                let bodies = work.bodies
                let (ours, oneTask, overload): (ServerFigures, Double, OverloadFigures)
                do {
                    defer { own.stop() }
                    ours = try figures(own, bodies, isQuick)
                    oneTask = try saturation(own, bodies, isQuick, tasks: "shape")
                    overload = try overloaded(own, bodies, at: 3 * ours.saturation, seconds: isQuick ? 10 : 60)
                }
                var peers: [String: (figures: ServerFigures, how: String)] = [:]
                for peer in ServingPeer.all(cores: Machine().cores) {
                    guard let options = meeting.options else { break }
                    let script = URL(fileURLWithPath: options.peers).deletingLastPathComponent()
                        .appendingPathComponent(peer.script).path
                    for (how, arguments) in peer.ways {
                        do {
                            let server = try Server(
                                peer.name, URL(fileURLWithPath: options.python),
                                { [script, work.bundle, "--port", "\($0)", "--precision", precision.rawValue] + arguments },
                                bodies: bodies, areDistinct: work.areDistinct)
                            defer { server.stop() }
                            let found = try figures(server, bodies, isQuick)
                            if found.saturation > peers[peer.name]?.figures.saturation ?? 0 { peers[peer.name] = (found, how) }
                        } catch {
                            meeting.note("\(peer.name), \(how): \(error)")
                        }
                    }
                }

                func line(
                    _ index: Int, _ figure: Double, _ field: KeyPath<ServerFigures, Double>? = nil, only name: String? = nil,
                    _ goal: Goal? = nil, _ note: String? = nil
                ) -> Comparison {
                    var line = Comparison(key: keys[index], ours: Figure(figure), goal: goal, note: note)
                    if let field {
                        line.peers = peers.sorted { $0.key < $1.key }.filter { name == nil || $0.key == name }
                            .map { PeerFigure(peer: $0.key, figure: Figure($0.value.figures[keyPath: field]), how: $0.value.how) }
                    }
                    return line
                }
                let refused = overload.refusals.map { "\($0.count) refused, median \($0.p50.formatted(digits: 1)) ms" } ?? "none refused"
                return [
                    line(0, ours.saturation, \.saturation, only: ServingPeer.fastAPI, .ratioAtLeast(3)),
                    line(1, ours.saturation, \.saturation, only: ServingPeer.litServe, .ratioAtLeast(1.5)),
                    line(2, ours.unloaded, \.unloaded),
                    line(3, ours.halfLoaded, \.halfLoaded),
                    line(4, ours.halfLoaded / ours.unloaded, .none, .figureAtMost(3)),
                    line(5, oneTask / ours.saturation, .none, .figureAtMost(1.1), "time for all three over that for one"),
                    line(6, ours.idleMegabytes, \.idleMegabytes, .figureAtMost(200)),
                    line(7, ours.loadedMegabytes, \.loadedMegabytes),
                    line(8, ours.secondsUntilReady, \.secondsUntilReady, .figureAtMost(1), "start to first prediction"),
                    line(9, overload.goodput / ours.saturation, .none, .figureAtLeast(0.9), "at three times the saturation"),
                    line(
                        10, overload.late / overload.early, .none, .figureAtMost(1.1),
                        "\(overload.early.formatted(digits: 0)) to \(overload.late.formatted(digits: 0)) MB"),
                    line(
                        11, overload.refusals?.p99 ?? 0, .none, nil,
                        refused + (overload.unanswered > 0 ? ", \(overload.unanswered) without an answer" : "")),
                ]
            }
        }
    }

    /// Trains a bundle of these tasks, for as long as `body` serves it.
    static func served<Result>(
        _ tasks: String, _ precision: Precision, _ images: [URL], _ options: Peer.Options?,
        _ body: (ServedWork) throws -> Result
    ) throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("pando-serving-\(getpid())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { unlinkAll(folder) }
        tell("serve \(precision.rawValue): training a bundle")
        let pando = try Self.pando(in: folder, training: tasks, precision)
        let pictures = try encoded(images, in: folder, options)
        return try body(
            ServedWork(
                pando: pando, bundle: folder.appendingPathComponent("bundle").path, bodies: try LoadBody.pictures(pictures),
                areDistinct: pictures.allSatisfy { $0.hasSuffix(".jpg") }))
    }

    /// Heads as large as those of the drawings' example.
    private static let servedTasks = """
          shape: {kind: classification, head: {kind: mlp, hidden: 1024}}
          objects: {kind: multilabel, head: {kind: mlp, hidden: 512}}
          count: {kind: regression}
        """

    /// Memory, speed and patience of a server that has nothing else to do.
    private static func figures(_ server: Server, _ bodies: [LoadBody], _ isQuick: Bool) throws -> ServerFigures {
        var figures = ServerFigures(secondsUntilReady: server.secondsUntilReady)
        Thread.sleep(forTimeInterval: 1)
        figures.idleMegabytes = server.residentMegabytes
        let warmUp = try server.load(.closed(clients: 4), seconds: isQuick ? 1 : 3, bodies)
        _ = try Load.waiting { try await warmUp.run() }
        figures.saturation = try saturation(server, bodies, isQuick)
        let alone = try server.load(.closed(clients: 1), seconds: isQuick ? 2 : 5, bodies)
        figures.unloaded = try latency(of: alone, server).p50
        let half = try server.load(.open(rate: figures.saturation / 2), seconds: isQuick ? 4 : 15, bodies)
        figures.halfLoaded = try latency(of: half, server).p99
        figures.loadedMegabytes = server.residentMegabytes
        return figures
    }

    /// Answers a second at 16 clients: the better of two runs.
    static func saturation(
        _ server: Server, _ bodies: [LoadBody], _ isQuick: Bool, tasks: String? = nil
    ) throws -> Double {
        tell("\(server.name): saturation\(tasks.map { " of \($0)" } ?? "")")
        let load = try server.load(.closed(clients: 16), seconds: isQuick ? 3 : 8, bodies, tasks: tasks)
        return try Load.waiting { try await load.saturation(clients: 16, runs: 2) }.goodput
    }

    private static func latency(of load: Load, _ server: Server) throws -> LoadReport.Latency {
        tell("\(server.name): latency, \(load.pace)")
        guard let latency = try Load.waiting(for: { try await load.run() }).latency else {
            throw PeerError(peer: server.name, reason: "no request was answered with 200")
        }
        return latency
    }

    private static func overloaded(
        _ server: Server, _ bodies: [LoadBody], at rate: Double, seconds: Double
    ) throws -> OverloadFigures {
        tell("\(server.name): overload, \(rate.formatted(digits: 0)) requests a second for \(Int(seconds)) s")
        let quarter = try server.load(.open(rate: rate), seconds: seconds / 4, bodies)
        let rest = try server.load(.open(rate: rate), seconds: seconds * 3 / 4, bodies)
        var figures = OverloadFigures()
        _ = try Load.waiting { try await quarter.run() }
        figures.early = server.residentMegabytes
        let report = try Load.waiting { try await rest.run() }
        figures.late = server.residentMegabytes
        figures.goodput = report.goodput
        figures.refusals = report.refusals
        figures.unanswered = report.timeouts + report.connectionErrors + report.notSentInTime
        return figures
    }

    /// JPEGs of some pictures; without a peer's Python the pictures as they are.
    static func encoded(_ images: [URL], in folder: URL, _ options: Peer.Options?) throws -> [String] {
        let count = min(24, images.count)
        let some = (0..<count).map { images[$0 * images.count / count].path }
        if some.isEmpty { return [try drawnPicture(in: folder).path] }
        guard let options else { return some }
        let pictures = folder.appendingPathComponent("pictures")
        try FileManager.default.createDirectory(at: pictures, withIntermediateDirectories: true)
        let script = URL(fileURLWithPath: options.peers).deletingLastPathComponent().appendingPathComponent("serve_pictures.py")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: options.python)
        process.arguments = [script.path, pictures.path] + some
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw PeerError(peer: "serve_pictures.py", reason: "it ended with status \(process.terminationStatus)")
        }
        return try FileManager.default.contentsOfDirectory(atPath: pictures.path).sorted().map { pictures.path + "/" + $0 }
    }
}
