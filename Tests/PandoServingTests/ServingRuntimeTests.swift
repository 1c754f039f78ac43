import Foundation
import PandoBranches
import PandoTestSupport
import PandoTraining
import Testing

@testable import PandoServing

@Suite struct ServingRuntimeTests {
    private func picture(_ number: Int) throws -> RequestedExample {
        .picture(try SmallBundle.picture(number), name: "picture \(number)")
    }

    @Test func `answers under mixed load are those of one request at a time, to the bit, and each comes once`() async throws {
        let fixture = try await ServedFixture { $0.batchSize = 5 }
        // Waits for others, so that batches are made however slowly pictures are decoded.
        let patient = try await ServedFixture { ($0.batchSize, $0.batchDelay) = (5, .milliseconds(200)) }
        let names = ["kind", "marks", "size"]
        let wishes = (0..<60).map { number in
            (picture: number % 12, tasks: names.indices.filter { number >> $0 & 1 == 1 || number % 3 == $0 }.map { names[$0] })
        }
        var alone: [[[Int: [Float]]]] = []
        for wish in wishes {
            let answer = try await fixture.runtime.answer([picture(wish.picture)], .init(tasks: wish.tasks))
            #expect(answer.answers[0].batchSize == 1)
            alone.append(answer.answers.map(\.outputs))
        }
        let crowd = try await withThrowingTaskGroup(of: (Int, [[Int: [Float]]], Int).self) { group in
            for (number, wish) in wishes.enumerated() {
                let example = try picture(wish.picture)
                group.addTask {
                    let answer = try await patient.runtime.answer([example], .init(tasks: wish.tasks))
                    let places = Set(answer.tasks)
                    return (
                        number, answer.answers.map { $0.outputs.filter { places.contains($0.key) } },
                        answer.answers[0].batchSize
                    )
                }
            }
            return try await group.reduce(into: [(Int, [[Int: [Float]]], Int)]()) { $0.append($1) }
        }
        #expect(crowd.map(\.0).sorted() == Array(wishes.indices))
        #expect(crowd.contains { $0.2 > 1 }, "nothing was batched")
        for (number, outputs, _) in crowd { #expect(outputs == alone[number], "request \(number)") }
    }

    @Test func `one pass answers several examples of one request`() async throws {
        let fixture = try await ServedFixture()
        let together = try await fixture.runtime.answer([picture(1), picture(2)], .init())
        #expect(together.tasks == [0, 1, 2])
        for (number, answer) in together.answers.enumerated() {
            let alone = try await fixture.runtime.answer([picture(number + 1)], .init())
            #expect(answer.outputs == alone.answers[0].outputs)
        }
        #expect(together.answers[0].outputs[0]?.count == SmallBundle.labels.count)
        #expect(abs((together.answers[0].outputs[0]?.reduce(0, +) ?? 0) - 1) < 1e-5)
    }

    @Test func `the same picture again needs no pass, within the window and for the same tasks`() async throws {
        let fixture = try await ServedFixture { $0.reuseWindow = .seconds(60) }
        let first = try await fixture.runtime.answer([picture(1)], .init(tasks: ["kind"]))
        let again = try await fixture.runtime.answer([picture(1)], .init(tasks: ["kind"]))
        #expect(first.answers[0].batchSize == 1 && again.answers[0].batchSize == 0)
        #expect(first.answers[0].outputs == again.answers[0].outputs)
        #expect(try await fixture.runtime.answer([picture(1)], .init(tasks: ["kind", "size"])).answers[0].batchSize == 1)
        #expect(try await fixture.runtime.answer([picture(1)], .init(tasks: ["size"])).answers[0].batchSize == 0)
        #expect(try await fixture.runtime.answer([picture(2)], .init(tasks: ["size"])).answers[0].batchSize == 1)
    }

    @Test func `a full queue refuses with a time to come again, and lets in later`() async throws {
        let fixture = try await ServedFixture { $0.limits.queueLength = 3 }
        let runtime = fixture.runtime
        let pictures = try (0..<4).map { try picture($0) }
        let error = try #require(await error { try await runtime.answer(pictures, .init()) })
        #expect(error.status == 429 && (error.retryAfter ?? 0) >= 1)
        #expect(try await runtime.answer(Array(pictures.prefix(3)), .init()).answers.count == 3)
    }

    @Test func `a deadline that has passed is told, and disturbs nobody`() async throws {
        let fixture = try await ServedFixture()
        let runtime = fixture.runtime
        let late = try picture(1)
        let error = try #require(await error { try await runtime.answer([late], .init(timeout: .nanoseconds(1))) })
        #expect(error.status == 504)
        #expect(try await runtime.answer([picture(1)], .init()).answers.count == 1)
    }

    @Test func `what cannot be answered is refused with the reason`() async throws {
        let fixture = try await ServedFixture { $0.limits.examplesPerRequest = 4 }
        let runtime = fixture.runtime
        func refusal(_ examples: [RequestedExample], _ request: ServingRuntime.Request = .init()) async -> ServingError? {
            await error { try await runtime.answer(examples, request) }
        }
        let good = try picture(1)
        let unknown = await refusal([good], .init(tasks: ["kinds"]))
        #expect(unknown?.status == 404 && unknown?.description.contains("kind") == true)
        #expect(await refusal([])?.status == 400)
        #expect(await refusal(Array(repeating: good, count: 5))?.status == 413)
        let text = await refusal([.text("a text")])
        #expect(text?.status == 400 && text?.description.contains("pictures") == true)
        let broken = await refusal([.picture(try SmallBundle.picture(1).prefix(60), name: "half.png")])
        #expect(broken?.status == 400 && broken?.description.contains("half.png") == true)
        #expect(await refusal([.picture(Data("no picture".utf8), name: "a")])?.status == 400)
        let count = SmallBundle.side * SmallBundle.side * 3
        #expect(await refusal([.pixels(Array(repeating: 0, count: count - 1))])?.status == 400)
        #expect(await refusal([.pixels(Array(repeating: .nan, count: count))])?.description.contains("finite") == true)
        // A neighbour that is refused takes nobody along.
        #expect(try await runtime.answer([.pixels(Array(repeating: 0, count: count))], .init()).answers.count == 1)
    }

    @Test func `another bundle takes the place of the old one without dropping a request`() async throws {
        let fixture = try await ServedFixture()
        let runtime = fixture.runtime
        let before = try #require(runtime.served)
        let pictures = try (0..<6).map { try picture($0) }
        let answered = try await withThrowingTaskGroup(of: (String, [Float]).self) { group in
            for round in 0..<40 {
                let example = pictures[round % pictures.count]
                group.addTask {
                    try await Task.sleep(for: .milliseconds(round * 5))
                    let answer = try await runtime.answer([example], .init(tasks: ["size"]))
                    return (answer.served.version, answer.answers[0].outputs[2] ?? [])
                }
            }
            group.addTask {
                try SmallBundle.write(to: fixture.bundle, phase: 20)
                try await runtime.load()
                return ("", [])
            }
            return try await group.reduce(into: [(String, [Float])]()) { $0.append($1) }
        }
        let after = try #require(runtime.served)
        #expect(before.version != after.version)
        #expect(answered.count == 41)
        #expect(Set(answered.map(\.0)).subtracting([""]).isSubset(of: [before.version, after.version]))
        #expect(answered.allSatisfy { $0.0.isEmpty || $0.1.count == 1 })
        #expect(try await runtime.answer([pictures[0]], .init()).served.version == after.version)
    }

    @Test func `a bundle that cannot be read leaves the old one serving, and says why`() async throws {
        let fixture = try await ServedFixture()
        let version = fixture.runtime.served?.version
        let file = fixture.bundle.appendingPathComponent("tasks/kind/head.safetensors")
        let whole = try Data(contentsOf: file)
        try whole.dropLast(5).write(to: file)
        await #expect(throws: (any Error).self) { try await fixture.runtime.load() }
        #expect(fixture.runtime.problem?.contains("head.safetensors") == true)
        #expect(fixture.runtime.served?.version == version)
        #expect(try await fixture.runtime.answer([picture(1)], .init()).answers.count == 1)
        try whole.write(to: file)
        try await fixture.runtime.load()
        #expect(fixture.runtime.problem == nil)
    }

    @Test func `a task can be put out of service and back, and all can be unloaded`() async throws {
        let fixture = try await ServedFixture()
        let runtime = fixture.runtime
        runtime.setServed("kind", false)
        let example = try picture(1)
        #expect(await error { try await runtime.answer([example], .init(tasks: ["kind"])) }?.status == 503)
        #expect(try await runtime.answer([example], .init()).tasks == [1, 2])
        runtime.setServed("kind", true)
        #expect(try await runtime.answer([example], .init()).tasks == [0, 1, 2])
        runtime.unload()
        #expect(await error { try await runtime.answer([example], .init()) }?.status == 503)
        #expect(!runtime.isReady)
        try await runtime.load()
        #expect(runtime.isReady)
        runtime.drain()
        #expect(await error { try await runtime.answer([example], .init()) }?.status == 503)
    }

    @Test func `a compute level is met from below, told, and changes what is computed`() async throws {
        let fixture = try await ServedFixture(elastic: true)
        let runtime = fixture.runtime
        let whole = try await runtime.answer([picture(1)], .init())
        let half = try await runtime.answer([picture(1)], .init(level: try ComputeLevel(0.5)))
        #expect(whole.level == .whole && whole.notices.isEmpty)
        #expect(half.level.share <= 0.5)
        #expect(whole.answers[0].outputs != half.answers[0].outputs)
        let least = try await runtime.answer([picture(1)], .init(level: try ComputeLevel(0.001)))
        #expect(least.notices.count == 1)
        let inflexible = try await ServedFixture()
        let told = try await inflexible.runtime.answer([picture(1)], .init(level: try ComputeLevel(0.5)))
        #expect(told.level == .whole && told.notices.count == 1)
    }

    @Test(arguments: [(0.01, 0.5), (0.3, 0.31), (0.9, 1.0)])
    func `requests that name no level stay below the operator's bound`(low: Double, high: Double) async throws {
        let bounds = try ComputeLevel(low)...ComputeLevel(high)
        let fixture = try await ServedFixture(elastic: true) { $0.levels = bounds }
        let answer = try await fixture.runtime.answer([picture(1)], .init())
        #expect(fixture.runtime.level <= bounds.upperBound)
        #expect(answer.level <= bounds.upperBound)
    }

    /// What `body` is refused with.
    private func error(_ body: () async throws -> some Any) async -> ServingError? {
        do {
            _ = try await body()
            return nil
        } catch { return error as? ServingError }
    }
}

@Suite struct ComputeControllerTests {
    @Test func `the level falls while the wait is long and rises after a second of calm`() throws {
        let levels = try [0.25, 0.5, 1].map { try ComputeLevel($0) }
        var controller = ComputeController(levels: levels, patience: .milliseconds(100))
        let start = ContinuousClock.now
        func observe(_ waiting: Int, after seconds: Double) {
            controller.observe(waiting: waiting, timePerExample: .milliseconds(10), at: start + .seconds(seconds))
        }
        #expect(controller.level == .whole)
        observe(5, after: 0)
        #expect(controller.level == .whole)
        observe(20, after: 0.1)
        #expect(controller.level.share == 0.5)
        observe(20, after: 0.2)
        observe(20, after: 0.3)
        #expect(controller.level.share == 0.25)
        observe(0, after: 0.4)
        observe(0, after: 1.3)
        #expect(controller.level.share == 0.25)
        observe(0, after: 1.5)
        #expect(controller.level.share == 0.5)
        observe(0, after: 2)
        #expect(controller.level.share == 0.5)
        observe(5, after: 2.2)
        observe(0, after: 2.6)
        observe(0, after: 3.7)
        #expect(controller.level == .whole)
    }
}
