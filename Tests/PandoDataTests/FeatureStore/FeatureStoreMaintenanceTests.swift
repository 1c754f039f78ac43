import Foundation
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoData

@Suite struct FeatureStoreMaintenanceTests {
    private let directory: TemporaryDirectory
    private let store: FeatureStore
    private let collection: FeatureCollection
    private let keys = sampleKeys(0..<4000)

    /// A store of two shards.
    init() throws {
        directory = try TemporaryDirectory()
        store = try FeatureStore(directory: directory.url)
        collection = try store.collection(for: sampleIdentity())
        try appendSamples(keys, to: collection)
    }

    private func shards() throws -> [URL] {
        let folder = store.shards(of: sampleIdentity().digest)
        return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map(
            folder.appendingPathComponent)
    }

    @Test func `info tells what each identity takes`() throws {
        let info = try #require(try store.info().first)
        #expect(info.identity == sampleIdentity() && info.rowCount == 4000 && info.shardCount == 2)
        let sizes = try shards().map { try Data(contentsOf: $0).count }
        #expect(info.byteCount == sizes.reduce(0, +))
    }

    @Test func `a sound store verifies`() throws {
        let report = try store.verify()
        #expect(report.damages.isEmpty && report.orphans.isEmpty)
        #expect(report.rowCount == 4000 && report.shardCount == 2)
    }

    @Test func `a flipped bit is found, and its rows can be computed again`() throws {
        let shard = try shards()[0]
        var bytes = try Data(contentsOf: shard)
        bytes[bytes.count - 100] ^= 1
        try bytes.write(to: shard)
        let report = try store.verify()
        #expect(report.damages.count == 1 && report.damages[0].path == shard.path)
        #expect(report.damages[0].text.contains("checksum"))
        let removal = try store.removeDamaged()
        #expect(removal.rowCount == report.damages[0].rowCount && removal.fileCount == 1)
        let missing = try collection.missing(keys)
        #expect(missing.count == removal.rowCount)
        try appendSamples(missing, to: collection)
        try expectSamples(keys, in: collection)
        #expect(try store.verify().damages.isEmpty)
    }

    @Test(arguments: ["cut", "gone", "exchanged"])
    func `a reader refuses a shard that is not the one that was written`(fault: String) throws {
        let files = try shards()
        switch fault {
        case "cut": try Data(contentsOf: files[0]).dropLast(8).write(to: files[0])
        case "gone": try FileManager.default.removeItem(at: files[0])
        default:
            let other = try Data(contentsOf: files[1])
            try Data(contentsOf: files[0]).write(to: files[1])
            try other.write(to: files[0])
        }
        #expect(throws: FeatureStoreError.self) { try collection.rows(keys, of: "pooled") }
        #expect(try store.verify().damages.count == (fault == "exchanged" ? 2 : 1))
        _ = try store.removeDamaged()
        try appendSamples(collection.missing(keys), to: collection)
        try expectSamples(keys, in: collection)
    }

    @Test func `leftovers are found and removed, and nothing else`() throws {
        let folder = try shards()[0].deletingLastPathComponent()
        try Data([1, 2]).write(to: folder.appendingPathComponent(".x.safetensors.1-1.tmp"))
        try Data([1, 2, 3]).write(to: folder.appendingPathComponent("stray.safetensors"))
        #expect(try store.verify().orphans.count == 2)
        let removal = try store.removeOrphans()
        #expect(removal.fileCount == 2 && removal.byteCount == 5)
        try expectSamples(keys, in: collection)
    }

    @Test func `an identity is removed with its files, by a beginning of its digest`() throws {
        try appendSamples(["a"], to: store.collection(for: sampleIdentity(backbone: "other")))
        #expect(throws: FeatureStoreError.self) { try store.remove(identity: "") }
        #expect(throws: FeatureStoreError.self) { try store.remove(identity: "zz") }
        let removal = try store.remove(identity: String(sampleIdentity().digest.prefix(12)))
        #expect(removal.rowCount == 4000 && removal.fileCount == 2)
        #expect(try store.info().map(\.rowCount) == [1])
        #expect(try store.verify().orphans.isEmpty)
    }

    @Test func `nothing is removed while somebody appends`() throws {
        let appender = try collection.appender()
        let error = #expect(throws: FeatureStoreError.self) { try store.removeOrphans() }
        #expect("\(try #require(error))".contains("another process"))
        try withExtendedLifetime(appender) { _ = try appender.finish() }
    }
}
