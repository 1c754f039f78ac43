import Foundation
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoData

/// An identity whose rows are five numbers and a two-by-two map.
func sampleIdentity(backbone: String = "b", elementType: ElementType = .float32) -> FeatureIdentity {
    FeatureIdentity(
        backbone: backbone, preprocessing: "p", precision: "float32", elementType: elementType,
        features: ["pooled": [5], "map": [2, 2]])
}

/// Features that depend on the key, so that a row under a wrong key is seen.
func sampleFeatures(_ keys: [String]) -> [String: Tensor] {
    let values = keys.map { key in
        key.utf8.reduce(Float(1)) { $0 * 31 + Float($1) }.truncatingRemainder(dividingBy: 997)
    }
    return [
        "pooled": Tensor(values.flatMap { value in (0..<5).map { value + Float($0) } }, shape: [keys.count, 5]),
        "map": Tensor(values.flatMap { value in (0..<4).map { value * Float($0) } }, shape: [keys.count, 2, 2]),
    ]
}

func sampleKeys(_ range: Range<Int>) -> [String] { range.map { "key-\($0)" } }

/// Appends rows for `keys`, a hundred at a time.
func appendSamples(_ keys: [String], to collection: FeatureCollection) throws {
    let appender = try collection.appender()
    for start in stride(from: 0, to: keys.count, by: 100) {
        let part = Array(keys[start..<min(start + 100, keys.count)])
        try appender.append(part, sampleFeatures(part))
    }
    try appender.finish()
}

/// Expects the stored rows of `keys` to be what was computed for them.
func expectSamples(_ keys: [String], in collection: FeatureCollection) throws {
    let rows = try collection.resolve(keys)
    for (name, expected) in sampleFeatures(keys) {
        let found = rows.tensor(of: name)
        #expect(found.shape == expected.shape && found.scalars() == expected.scalars(), "\(name)")
    }
}

@Suite struct FeatureStoreTests {
    @Test func `rows come back under their keys, in any order, in a new process's eyes too`() throws {
        let directory = try TemporaryDirectory()
        let keys = sampleKeys(0..<5000)
        do {
            let collection = try FeatureStore(directory: directory.url).collection(for: sampleIdentity())
            #expect(try collection.missing(keys + ["key-1"]) == keys)
            try appendSamples(keys, to: collection)
        }
        let collection = try FeatureStore(directory: directory.url).collection(for: sampleIdentity())
        #expect(try collection.count == 5000)
        #expect(try collection.missing(["x", "key-7", "y", "x"]) == ["x", "y"])
        var generator = SeededGenerator(seed: 3)
        let shuffled = keys.shuffled(using: &generator)
        try expectSamples(shuffled, in: collection)
        let picked = try collection.resolve(shuffled).tensor(of: "map", at: [4999, 0, 17])
        #expect(picked.scalars() == sampleFeatures([shuffled[4999], shuffled[0], shuffled[17]])["map"]?.scalars())
    }

    @Test func `batches cover all rows in order, the last one smaller`() throws {
        let directory = try TemporaryDirectory()
        let collection = try FeatureStore(directory: directory.url).collection(for: sampleIdentity())
        let keys = sampleKeys(0..<2500)
        try appendSamples(keys, to: collection)
        let batches = Array(try collection.resolve(keys).batches(of: "pooled", size: 1000))
        #expect(batches.map(\.shape) == [[1000, 5], [1000, 5], [500, 5]])
        #expect(batches.flatMap { $0.scalars() } == sampleFeatures(keys)["pooled"]?.scalars())
    }

    @Test func `one content at a time is the same as many`() throws {
        let directory = try TemporaryDirectory()
        let collection = try FeatureStore(directory: directory.url).collection(for: sampleIdentity())
        let appender = try collection.appender()
        for key in ["a", "b"] {
            try appender.append(key, sampleFeatures([key]).mapValues { $0.reshaped(Array($0.shape.dropFirst())) })
        }
        #expect(try appender.finish() == 2)
        try expectSamples(["b", "a"], in: collection)
    }

    @Test func `half-width features take half the room and are rounded once`() throws {
        let directory = try TemporaryDirectory()
        let store = try FeatureStore(directory: directory.url)
        let collection = try store.collection(for: sampleIdentity(elementType: .bfloat16))
        let keys = sampleKeys(0..<300)
        try appendSamples(keys, to: collection)
        let found = try collection.rows(keys, of: "pooled")
        let expected = try #require(sampleFeatures(keys)["pooled"]).scalars().map { Float(BFloat16($0)) }
        #expect(found.elementType == .float32 && found.scalars() == expected)
    }

    @Test func `identities never share rows`() throws {
        let directory = try TemporaryDirectory()
        let store = try FeatureStore(directory: directory.url)
        try appendSamples(["a"], to: store.collection(for: sampleIdentity()))
        let changes: [(inout FeatureIdentity) -> Void] = [
            { $0.backbone = "other" }, { $0.preprocessing = "other" }, { $0.precision = "bfloat16" },
            { $0.elementType = .bfloat16 }, { $0.features["map"] = [4] },
        ]
        for change in changes {
            var identity = sampleIdentity()
            change(&identity)
            #expect(try store.collection(for: identity).missing(["a"]) == ["a"])
        }
        #expect(try store.info().map(\.rowCount) == [1, 0, 0, 0, 0, 0])
    }

    @Test func `a key keeps its first row`() throws {
        let directory = try TemporaryDirectory()
        let store = try FeatureStore(directory: directory.url)
        let collection = try store.collection(for: sampleIdentity())
        try appendSamples(["a", "b"], to: collection)
        let appender = try collection.appender()
        try appender.append(["b", "c"], sampleFeatures(["x", "c"]))
        #expect(try appender.finish() == 1)
        try expectSamples(["a", "b", "c"], in: collection)
        // A shard that brings nothing new leaves no file.
        let before = try store.info()[0].shardCount
        try appendSamples(["a", "c"], to: collection)
        #expect(try store.info()[0].shardCount == before)
        #expect(try store.verify().orphans.isEmpty)
    }

    @Test func `keys without features are named`() throws {
        let directory = try TemporaryDirectory()
        let collection = try FeatureStore(directory: directory.url).collection(for: sampleIdentity())
        try appendSamples(["a"], to: collection)
        let error = #expect(throws: FeatureStoreError.self) { try collection.rows(["a", "nowhere"], of: "pooled") }
        #expect("\(try #require(error))".contains("1 of 2 keys have no features: nowhere"))
    }

    @Test func `features that are not finite are refused by key`() throws {
        let directory = try TemporaryDirectory()
        let collection = try FeatureStore(directory: directory.url).collection(for: sampleIdentity())
        var features = sampleFeatures(["good", "bad"])
        features["map"] = Tensor([0, 0, 0, 0, 0, 0, .nan, 0] as [Float], shape: [2, 2, 2])
        let appender = try collection.appender()
        let error = #expect(throws: FeatureStoreError.self) { try appender.append(["good", "bad"], features) }
        #expect("\(try #require(error))".contains("feature map of bad is NaN"))
    }

    @Test func `an index that is none is refused`() throws {
        let directory = try TemporaryDirectory()
        _ = try directory.file("index.sqlite", holding: Array(repeating: 65, count: 5000))
        let error = #expect(throws: FeatureStoreError.self) { try FeatureStore(directory: directory.url) }
        #expect("\(try #require(error))".contains("damaged"))
    }

    @Test func `contents are digested once, and again when they change`() throws {
        let directory = try TemporaryDirectory()
        let store = try FeatureStore(directory: directory.url.appendingPathComponent("store"))
        let file = try directory.file("a", holding: Array("abc".utf8))
        let old = [FileAttributeKey.modificationDate: Date(timeIntervalSince1970: 1_000_000)]
        try FileManager.default.setAttributes(old, ofItemAtPath: file.path)
        func digests() throws -> [String?] {
            try store.contentDigests(of: [.file(file), .file(directory.file("missing"))]).map { result in
                if case .success(let digest) = result { digest } else { nil }
            }
        }
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        #expect(try digests() == [abc, nil])
        // The same size and time: what was remembered is used, the file is not read.
        let handle = try FileHandle(forWritingTo: file)
        try handle.write(contentsOf: Data("xyz".utf8))
        try handle.close()
        try FileManager.default.setAttributes(old, ofItemAtPath: file.path)
        #expect(try digests() == [abc, nil])
        try Data("xyz".utf8).write(to: file)
        #expect(try digests() == [FileDigest.of(Data("xyz".utf8)), nil])
        let drawn = ImageSource.rendered(key: "k") { Image(width: 1, height: 1, pixels: [0, 0, 0]) }
        #expect(try store.contentDigests(of: [drawn]) == [.success(drawn.contentDigest())])
    }
}
