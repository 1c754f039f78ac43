import Foundation
import PandoTensor
import PandoTestSupport
import Synchronization
import Testing

@testable import PandoData

private struct Stop: Error, Equatable { var index: Int }

@Suite struct ConcurrencyTests {
    @Test(arguments: [1, 2, 5])
    func everyIndexIsVisitedOnce(_ workers: Int) throws {
        let visits = Mutex([Int](repeating: 0, count: 100))
        try forEachConcurrently(count: 100, workers: workers) { index, worker in
            #expect((0..<workers).contains(worker))
            visits.withLock { $0[index] += 1 }
        }
        #expect(visits.withLock { $0.allSatisfy { $0 == 1 } })
        #expect(try mapConcurrently(count: 30, workers: workers) { $0 * $0 } == (0..<30).map { $0 * $0 })
        try forEachConcurrently(count: 0, workers: workers) { _, _ in Issue.record("nothing to visit") }
    }

    @Test(arguments: [1, 3])
    func theLowestErrorIsThrownAndTheRestLeft(_ workers: Int) {
        let visited = Atomic<Int>(0)
        #expect(throws: Stop(index: 10)) {
            try forEachConcurrently(count: 100_000, workers: workers) { index, _ in
                visited.add(1, ordering: .relaxed)
                if index >= 10 { throw Stop(index: index) }
            }
        }
        #expect(visited.load(ordering: .relaxed) < 1000)
    }

    @Test func cancellationStops() {
        let flag = CancellationFlag()
        #expect(throws: CancellationError.self) {
            try forEachConcurrently(count: 100_000, workers: 2, cancellation: flag) { index, _ in
                if index == 20 { flag.cancel() }
                #expect(index < 1000)
            }
        }
    }

    @Test func quotasOfControlGroupsAreFound() throws {
        let folder = try TemporaryDirectory()
        func write(_ path: String, _ text: String) throws {
            let url = folder.file(path)
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: url)
        }
        try write("two/user/app/cpu.max", "max 100000\n")
        try write("two/user/cpu.max", "150000 100000\n")
        try write("membership2", "0::/user/app\n")
        try write("one/cpu,cpuacct/box/cpu.cfs_quota_us", "50000\n")
        try write("one/cpu,cpuacct/box/cpu.cfs_period_us", "100000\n")
        try write("one/cpu,cpuacct/cpu.cfs_quota_us", "-1\n")
        try write("membership1", "5:memory:/box\n4:cpu,cpuacct:/box\n")
        func quota(_ root: String, _ membership: String) -> Double? {
            MachineResources.controlGroupQuota(root: folder.file(root).path, membership: folder.file(membership).path)
        }
        #expect(quota("two", "membership2") == 1.5)
        #expect(quota("one", "membership1") == 0.5)
        #expect(quota("two", "membership1") == nil && quota("two", "nothing") == nil)
        #expect(MachineResources.allowedCores >= 1)
        #expect(MachineResources.allowedCores <= ProcessInfo.processInfo.processorCount)
    }
}

@Suite struct ImagePipelineTests {
    private func examples(_ count: Int) -> [Example] { Scenes(count: count, side: 32).dataset().examples }

    private func pipeline(batchSize: Int = 4, workers: Int = 3, isStrict: Bool = false) -> ImagePipeline {
        ImagePipeline(
            preprocessing: Preprocessing(resize: .squash(PixelSize(16))), batchSize: batchSize, workers: workers,
            isStrict: isStrict)
    }

    /// What the pipeline must give for an example, made without it.
    private func expected(_ example: Example) throws -> [Float] {
        let preprocessing = pipeline().preprocessing
        return try preprocessing(ImageDecoder().image(example.image!, fittedTo: preprocessing))
    }

    @Test(arguments: [1, 3])
    func batchesComeInOrderWithTheRightPixels(_ workers: Int) throws {
        let examples = examples(10)
        var positions: [Int] = []
        let left = try pipeline(workers: workers).forEachBatch(examples) { batch in
            #expect(batch.number == positions.count / 4)
            #expect(batch.pixels.shape == [batch.positions.count, 16, 16, 3])
            let found = batch.pixels.scalars(as: Float.self)
            let wanted = try batch.positions.flatMap { try expected(examples[$0]) }
            #expect(found == wanted)
            positions += batch.positions
        }
        #expect(positions == Array(0..<10) && left.isEmpty)
    }

    @Test func unreadablePicturesAreNamedAndLeftOut() throws {
        let folder = try TemporaryDirectory()
        let bad = try folder.file("bad.png", holding: Array("words".utf8))
        var examples = examples(13)
        for position in [1, 8, 9, 10, 11] { examples[position].image = .file(bad) }
        examples[12].image = nil
        var delivered: [[Int]] = []
        let left = try pipeline().run(examples) { batch, _ in
            batch.pixels.scalars(as: Float.self)
        } deliver: { positions, values in
            let wanted = try positions.flatMap { try expected(examples[$0]) }
            #expect(values == wanted)
            delivered.append(positions)
        }
        // The third batch holds nothing readable, nor does the fourth.
        #expect(delivered == [[0, 2, 3], [4, 5, 6, 7]])
        #expect(left.map(\.position) == [1, 8, 9, 10, 11, 12])
        #expect(left[0].error == ImageError(source: bad.path, reason: .unsupported) && left[5].error.reason == .missing)
        #expect(left[0].id == examples[1].id)
    }

    @Test func aStrictRunStopsAtTheFirstUnreadablePicture() throws {
        var examples = examples(40)
        examples[7].image = .file(URL(fileURLWithPath: "/nowhere/7.png"))
        examples[30].image = .file(URL(fileURLWithPath: "/nowhere/30.png"))
        #expect(throws: ImageError(source: "/nowhere/7.png", reason: .missing)) {
            try pipeline(isStrict: true).forEachBatch(examples) { #expect($0.positions.max()! < 7) }
        }
    }

    @Test func errorsOfEitherSideEndTheRun() throws {
        let examples = examples(40)
        #expect(throws: Stop(index: 2)) {
            try pipeline().run(examples) { batch, _ in
                if batch.number == 2 { throw Stop(index: 2) }
                return batch.number
            } deliver: { _, number in
                #expect(number < 2)
            }
        }
        #expect(throws: Stop(index: 1)) {
            try pipeline().forEachBatch(examples) { if $0.number == 1 { throw Stop(index: 1) } }
        }
    }

    @Test func aCancelledRunEnds() throws {
        let flag = CancellationFlag()
        #expect(throws: CancellationError.self) {
            try pipeline().forEachBatch(examples(200), cancellation: flag) { _ in flag.cancel() }
        }
    }

    @Test func resultsWaitingForAnEarlierOneAreBounded() throws {
        let examples = examples(64)
        let made = Atomic<Int>(0)
        let delivered = Atomic<Int>(0)
        let widest = Atomic<Int>(0)
        _ = try pipeline(batchSize: 1, workers: 4).run(examples, window: 5) { batch, _ in
            let ahead = made.wrappingAdd(1, ordering: .relaxed).newValue - delivered.load(ordering: .relaxed)
            widest.max(ahead, ordering: .relaxed)
            // The first one is slow, so that the others run up against the window.
            if batch.number == 0 { Thread.sleep(forTimeInterval: 0.05) }
            return batch.number
        } deliver: { positions, number in
            #expect(positions == [number])
            delivered.add(1, ordering: .relaxed)
        }
        #expect(delivered.load(ordering: .relaxed) == 64)
        #expect((2...6).contains(widest.load(ordering: .relaxed)))
    }

    @Test func heavyFilesComeFirst() throws {
        let folder = try TemporaryDirectory()
        var examples = examples(3)
        examples[1].image = .file(try folder.file("small", holding: [1]))
        examples[2].image = .file(try folder.file("large", holding: [1, 2, 3]))
        #expect(ImagePipeline.heaviestFirst(examples).map(\.id) == [2, 1, 0].map { examples[$0].id })
    }

    @Test func digestsFollowContentNotNames() throws {
        let folder = try TemporaryDirectory()
        let first = ImageSource.file(try folder.file("a", holding: Array("abc".utf8)))
        let second = ImageSource.file(try folder.file("b", holding: Array("abc".utf8)))
        // From FIPS 180-2, appendix B.1.
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        #expect(try first.contentDigest() == known)
        #expect(try second.contentDigest() == known)
        let drawn = ImageSource.rendered(key: "abc") { Image(width: 1, height: 1, filledWith: .black) }
        #expect(try drawn.contentDigest() != known)
        #expect(throws: ImageError.self) { try ImageSource.file(folder.file("c")).contentDigest() }
    }
}
