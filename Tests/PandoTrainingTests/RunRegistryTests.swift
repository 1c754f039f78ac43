import Foundation
import GRDB
import Testing

@testable import PandoTraining

@Suite struct RunRegistryTests {
    private func start(_ registry: RunRegistry, _ name: String, at date: Date = Date()) throws -> Run {
        try registry.start(planName: name, planText: "name: \(name)\n", seed: .max, bundlePath: "/out/\(name)", at: date)
    }

    @Test func `a run is found again in a registry opened anew, with its history`() throws {
        let folder = try TemporaryFolder()
        let file = folder.url.appendingPathComponent("deep/runs.sqlite")
        let metrics = [
            RunMetric(step: 10, epoch: 1, task: "tags", phase: .validation, name: "map", value: 0.5),
            RunMetric(step: 10, epoch: 1, task: "", phase: .train, name: "loss", value: .nan),
        ]
        let run: Run
        do {
            let registry = try RunRegistry(at: file)
            run = try start(registry, "clipart")
            try registry.report(metrics, of: run.id)
            try registry.end(run.id, as: .finished)
        }
        let registry = try RunRegistry(at: file)
        let found = try registry.run(run.id)
        #expect(found.status == .finished)
        #expect(found.seed == .max)
        #expect(found.planText == "name: clipart\n")
        #expect(found.finished != nil)
        let history = try registry.metrics(of: run.id)
        #expect(history.count == 2)
        #expect(history[0] == metrics[0])
        #expect(history[1].value.isNaN)
    }

    @Test func `runs are listed with the latest first, and found by the beginning of their id`() throws {
        let folder = try TemporaryFolder()
        let registry = try RunRegistry(at: folder.url.appendingPathComponent("runs.sqlite"))
        let old = try start(registry, "old", at: Date(timeIntervalSince1970: 1_000_000_000))
        let new = try start(registry, "new", at: Date(timeIntervalSince1970: 1_100_000_000))
        #expect(try registry.runs().map(\.id) == [new.id, old.id])
        #expect(old.id.hasPrefix("20010909-014640-"))
        #expect(try registry.run("200109").id == old.id)
        #expect { try registry.run("20") } throws: { "\($0)" == "2 runs begin with '20'" }
        #expect { try registry.run("zebra") } throws: { "\($0)".hasPrefix("there is no run 'zebra'") }
    }

    @Test func `a run whose process is gone counts as killed, one that lives as running`() throws {
        let folder = try TemporaryFolder()
        let file = folder.url.appendingPathComponent("runs.sqlite")
        let registry = try RunRegistry(at: file)
        let run = try start(registry, "clipart")
        #expect(try registry.run(run.id).status == .running)
        let gone = Process()
        gone.executableURL = URL(fileURLWithPath: "/bin/true")
        try gone.run()
        gone.waitUntilExit()
        let queue = try DatabaseQueue(path: file.path)
        try queue.write { try $0.execute(sql: "UPDATE run SET process = ?", arguments: [gone.processIdentifier]) }
        #expect(try registry.run(run.id).status == .killed)
        try registry.resume(run.id)
        #expect(try registry.run(run.id).status == .running)
    }

    @Test func `two registries on one file both write`() async throws {
        let folder = try TemporaryFolder()
        let file = folder.url.appendingPathComponent("runs.sqlite")
        let registries = try [RunRegistry(at: file), RunRegistry(at: file)]
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, registry) in registries.enumerated() {
                group.addTask {
                    for number in 0..<20 {
                        let run = try registry.start(
                            planName: "\(index)-\(number)", planText: "", seed: 0, bundlePath: "")
                        try registry.end(run.id, as: .finished)
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try registries[0].runs().count == 40)
    }

    @Test func `a file that is not a registry is refused by name`() throws {
        let folder = try TemporaryFolder()
        let file = folder.url.appendingPathComponent("runs.sqlite")
        try Data(repeating: 0x41, count: 4_096).write(to: file)
        #expect { try RunRegistry(at: file) } throws: { "\($0)".contains(file.path) }
    }
}
