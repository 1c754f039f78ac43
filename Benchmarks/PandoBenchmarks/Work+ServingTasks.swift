import Foundation
import PandoLoad

extension Work {
    /// What more tasks cost over HTTP, tasks with adapters of their own inside of the backbone among them, and what lowering
    /// the compute level saves when twice as much is asked as the server can do at its full cost.
    static func servingTasks(_ precision: Precision, images: [URL]) -> Work {
        func key(_ work: String, _ unit: String) -> Key { Key(work: work, precision: precision.rawValue, batch: 1, unit: unit) }
        let keys = [
            key("serve ten tasks to one", "share"), key("serve three LoRA tasks to one", "share"),
            key("serve controller, answered of asked", "of asked"), key("serve controller p99", "ms"),
        ]
        return Work(keys: keys) { meeting in
            let isQuick = meeting.stopwatch.rounds == 1
            let ten = (0..<10).map { "  task\($0): {kind: classification, column: shape}" }.joined(separator: "\n")
            let tenToOne = try shareOfOneTask("task0", of: ten, precision, images, meeting)
            let adapted = (0..<3).map {
                "  task\($0): {kind: classification, column: shape, adapter: {kind: lora, rank: 8}}"
            }.joined(separator: "\n")
            let adaptedToOne = try shareOfOneTask("task0", of: adapted, precision, images, meeting)

            let elastic = """
                  shape: {kind: classification}
                  count: {kind: regression}
                sharing: {kind: tnn}
                """
            let (whole, lowered) = try served(elastic, precision, images, meeting.options) { work in
                let (fixed, bodies) = (try work.start("--minimum-compute", "1"), work.bodies)
                defer { fixed.stop() }
                let rate = 2 * (try saturation(fixed, bodies, isQuick))
                let whole = try answered(by: fixed, bodies, at: rate, isQuick)
                let free = try work.start()
                defer { free.stop() }
                return (whole, try answered(by: free, bodies, at: rate, isQuick))
            }
            return [
                Comparison(key: keys[0], ours: Figure(tenToOne), goal: .figureAtMost(1.2), note: "time for all ten over that for one"),
                Comparison(
                    key: keys[1], ours: Figure(adaptedToOne), note: "three passes with adapters, over one; common weights are read once"),
                Comparison(
                    key: keys[2], ours: Figure(lowered.share),
                    peers: [PeerFigure(peer: "at its full cost", figure: Figure(whole.share))], note: "at twice the saturation"),
                Comparison(
                    key: keys[3], ours: Figure(lowered.p99), peers: [PeerFigure(peer: "at its full cost", figure: Figure(whole.p99))]),
            ]
        }
    }

    /// The time for all tasks over that for one of them, at saturation.
    private static func shareOfOneTask(
        _ task: String, of tasks: String, _ precision: Precision, _ images: [URL], _ meeting: Meeting
    ) throws -> Double {
        let isQuick = meeting.stopwatch.rounds == 1
        return try served(tasks, precision, images, meeting.options) { work in
            let (server, bodies) = (try work.start(), work.bodies)
            defer { server.stop() }
            // Whoever is asked first finds shapes that are not compiled yet.
            _ = try saturation(server, bodies, isQuick)
            _ = try saturation(server, bodies, isQuick, tasks: task)
            let all = try saturation(server, bodies, isQuick)
            return try saturation(server, bodies, isQuick, tasks: task) / all
        }
    }

    /// The share of requests that are answered, and the 99th percentile of what that takes, in milliseconds.
    private static func answered(
        by server: Server, _ bodies: [LoadBody], at rate: Double, _ isQuick: Bool
    ) throws -> (share: Double, p99: Double) {
        tell("\(server.name): \(rate.formatted(digits: 0)) requests a second")
        let load = try server.load(.open(rate: rate), seconds: isQuick ? 6 : 30, bodies)
        let report = try Load.waiting { try await load.run() }
        return (report.goodput / rate, report.latency?.p99 ?? .infinity)
    }
}
