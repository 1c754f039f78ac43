import Foundation
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoData

@Suite struct FeatureStoreCrashTests {
    @Test func `a killed run loses only its unfinished shard`() async throws {
        let directory = try TemporaryDirectory()
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = directory.url.path as String] in
            let store = try FeatureStore(directory: URL(fileURLWithPath: path))
            let appender = try store.collection(for: sampleIdentity()).appender()
            let keys = sampleKeys(0..<5000)  // two whole shards and a part
            try appender.append(keys, sampleFeatures(keys))
            kill(getpid(), SIGKILL)
        }
        let store = try FeatureStore(directory: directory.url)
        let collection = try store.collection(for: sampleIdentity())
        let missing = try collection.missing(sampleKeys(0..<5000))
        #expect(missing == sampleKeys(4096..<5000))
        try expectSamples(sampleKeys(0..<4096), in: collection)
        try appendSamples(missing, to: collection)
        try expectSamples(sampleKeys(0..<5000), in: collection)
        #expect(try store.verify().damages.isEmpty)
    }

    @Test func `a run killed between a shard and its rows leaves an orphan that no reader sees`() async throws {
        let directory = try TemporaryDirectory()
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = directory.url.path as String] in
            let store = try FeatureStore(directory: URL(fileURLWithPath: path))
            let appender = try store.collection(for: sampleIdentity()).appender()
            try appender.append(["a", "b"], sampleFeatures(["a", "b"]))
            _ = try appender.writeShard()
            kill(getpid(), SIGKILL)
        }
        let store = try FeatureStore(directory: directory.url)
        let collection = try store.collection(for: sampleIdentity())
        #expect(try collection.missing(["a", "b"]) == ["a", "b"])
        #expect(try store.verify().orphans.count == 1)
        try appendSamples(["a", "b"], to: collection)
        #expect(try store.removeOrphans().fileCount == 1)
        #expect(try store.verify().orphans.isEmpty)
        try expectSamples(["a", "b"], in: collection)
    }

    @Test func `runs killed at any moment never leave a wrong feature`() async throws {
        let directory = try TemporaryDirectory()
        let keys = sampleKeys(0..<20_000)
        for milliseconds in [5, 15, 30, 60] {
            await #expect(processExitsWith: .signal(SIGKILL)) {
                [path = directory.url.path as String, milliseconds = milliseconds as Int] in
                Thread.detachNewThread {
                    usleep(UInt32(milliseconds) * 1000)
                    kill(getpid(), SIGKILL)
                }
                let collection = try FeatureStore(directory: URL(fileURLWithPath: path))
                    .collection(for: sampleIdentity())
                try appendSamples(collection.missing(sampleKeys(0..<20_000)), to: collection)
                sleep(60)
            }
            let store = try FeatureStore(directory: directory.url)
            let collection = try store.collection(for: sampleIdentity())
            let missing = Set(try collection.missing(keys))
            try expectSamples(keys.filter { !missing.contains($0) }, in: collection)
            #expect(try store.verify().damages.isEmpty)
        }
    }

    @Test func `two processes fill one store, and every row is right`() async throws {
        let directory = try TemporaryDirectory()
        let (mine, theirs) = (sampleKeys(0..<6000), 3000..<9000)
        async let other = #expect(processExitsWith: .success) {
            [path = directory.url.path as String, theirs = theirs as Range<Int>] in
            let store = try FeatureStore(directory: URL(fileURLWithPath: path))
            try appendSamples(sampleKeys(theirs), to: store.collection(for: sampleIdentity()))
        }
        let store = try FeatureStore(directory: directory.url)
        let collection = try store.collection(for: sampleIdentity())
        try appendSamples(mine, to: collection)
        _ = await other
        #expect(try collection.count == 9000)
        try expectSamples(sampleKeys(0..<9000), in: collection)
        #expect(try store.verify().damages.isEmpty)
    }

    @Test(.enabled(if: SmallDisk.isAvailable, "needs the right to mount a file system"))
    func `a full disk is told, and what was stored stays right`() throws {
        let disk = try #require(SmallDisk(kilobytes: 2048))
        let store = try FeatureStore(directory: disk.url)
        let collection = try store.collection(for: sampleIdentity())
        let error = #expect(throws: (any Error).self) {
            try appendSamples(sampleKeys(0..<200_000), to: collection)
        }
        #expect("\(try #require(error))".lowercased().contains("free some space"))
        let stored = try collection.count
        #expect(stored > 0 && stored % 2048 == 0)
        try expectSamples(sampleKeys(0..<stored), in: collection)
        let report = try FeatureStore(directory: disk.url).verify()
        #expect(report.damages.isEmpty && report.orphans.isEmpty)
    }
}
