import Foundation
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoData

@Suite struct VaryingFeatureTests {
    private static func identity(
        _ elementType: ElementType = .bfloat16, codecs: [String: FeatureCodec] = [:]
    ) -> FeatureIdentity {
        FeatureIdentity(
            backbone: "b", preprocessing: "p", precision: "float32", elementType: elementType,
            features: ["tokens": [12, 6], "pooled": [6]], varying: ["tokens"], codecs: codecs)
    }

    /// Numbers that bfloat16 holds exactly, so that what is read can be compared bit for bit.
    private static func tokens(_ key: Int, _ length: Int) -> [Float] {
        (0..<length * 6).map { Float((key * 7 + $0) % 201 - 100) }
    }

    /// Batches of 50 rows of 0 to 12 tokens, padded with what must never be stored.
    private static func append(_ keys: Range<Int>, to collection: FeatureCollection) throws {
        let appender = try collection.appender()
        for start in stride(from: keys.lowerBound, to: keys.upperBound, by: 50) {
            let part = start..<min(start + 50, keys.upperBound)
            let longest = part.map { $0 % 13 }.max() ?? 0
            let values = part.flatMap { key in
                tokens(key, key % 13) + Array(repeating: .nan, count: (longest - key % 13) * 6)
            }
            try appender.append(
                part.map { "key-\($0)" },
                [
                    "tokens": Tensor(values, shape: [part.count, longest, 6]),
                    "pooled": Tensor(part.flatMap { tokens($0, 1) }, shape: [part.count, 6]),
                ], lengths: ["tokens": part.map { $0 % 13 }])
        }
        #expect(try appender.finish() == keys.count)
    }

    @Test(arguments: [ElementType.bfloat16, .float32])
    func `rows take the room of their own tokens and come back padded`(elementType: ElementType) throws {
        let directory = try TemporaryDirectory()
        let store = try FeatureStore(directory: directory.url)
        let collection = try store.collection(for: Self.identity(elementType))
        try Self.append(0..<3000, to: collection)
        let order = [7, 2999, 0, 13, 25]  // of 7, 9, 0, 0 and 12 tokens
        let rows = try collection.resolve(order.map { "key-\($0)" })
        let (values, mask) = rows.padded("tokens", at: 0..<5)
        #expect(values.shape == [5, 12, 6] && mask.shape == [5, 12] && rows.shape(of: "tokens") == [12, 6])
        let expected = order.flatMap { key in
            Self.tokens(key, key % 13) + Array(repeating: 0, count: (12 - key % 13) * 6)
        }
        #expect(values.scalars() == expected)
        #expect(mask.scalars(as: Bool.self) == order.flatMap { key in (0..<12).map { $0 < key % 13 } })
        #expect(rows.padded("tokens", at: [1, 0]).values.shape == [2, 9, 6])
        #expect(rows.padded("tokens", at: [2, 3]).values.shape == [2, 0, 6])
        #expect(rows.tensor(of: "pooled").scalars() == order.flatMap { Self.tokens($0, 1) })
        let tokenCount = (0..<3000).reduce(0) { $0 + $1 % 13 }
        let info = try #require(try store.info().first)
        let least = (tokenCount + 3000) * 6 * elementType.byteCount
        #expect(info.byteCount > least && info.byteCount < least + 3000 * 24 && info.identity == collection.identity)
        #expect(try store.verify().damages.isEmpty)
    }

    @Test func `a single content has its own length`() throws {
        let directory = try TemporaryDirectory()
        let collection = try FeatureStore(directory: directory.url).collection(for: Self.identity())
        let appender = try collection.appender()
        for (key, length) in [("a", 3), ("b", 12)] {
            try appender.append(
                key,
                [
                    "tokens": Tensor(Self.tokens(length, length), shape: [length, 6]),
                    "pooled": Tensor(Self.tokens(1, 1), shape: [6]),
                ])
        }
        try appender.finish()
        let rows = try collection.resolve(["b", "a"])
        #expect(rows.lengths(of: "tokens", at: 0..<2) == [12, 3])
        #expect(rows.tensor(of: "tokens", at: [1]).scalars() == Self.tokens(3, 3))
    }

    @Test func `the own tokens of a row must be finite`() throws {
        let directory = try TemporaryDirectory()
        let collection = try FeatureStore(directory: directory.url).collection(for: Self.identity())
        var values = Self.tokens(1, 4)
        values[11] = .infinity
        let features = ["tokens": Tensor(values, shape: [2, 2, 6]), "pooled": Tensor(Self.tokens(1, 2), shape: [2, 6])]
        let appender = try collection.appender()
        let error = #expect(throws: FeatureStoreError.self) { try appender.append(["a", "b"], features) }
        #expect("\(try #require(error))".contains("feature tokens of a is NaN"))
        try appender.append(["a", "b"], features, lengths: ["tokens": [1, 2]])
        #expect(try appender.finish() == 2)
    }

    @Test func `means of neighbours are stored instead, each of a row's own tokens alone`() throws {
        let directory = try TemporaryDirectory()
        let store = try FeatureStore(directory: directory.url)
        let collection = try store.collection(for: Self.identity(codecs: ["tokens": .float32.pooled(by: 5)]))
        try Self.append(0..<100, to: collection)
        let rows = try collection.resolve(["key-12", "key-5", "key-0"])
        #expect(rows.shape(of: "tokens") == [3, 6] && rows.lengths(of: "tokens", at: 0..<3) == [3, 1, 0])
        let own = Self.tokens(12, 12)
        let groups = [0..<5, 5..<10, 10..<12]
        let means = groups.flatMap { group in
            (0..<6).map { channel in
                group.reduce(0) { $0 + own[$1 * 6 + channel] } / Float(group.count)
            }
        }
        expectClose(rows.tensor(of: "tokens", at: [0]), Tensor(means, shape: [1, 3, 6]), relative: 1e-6)
    }

    @Test func `places of a map are averaged in squares`() {
        let map = irregular([3, 5, 2]).scalars()
        let means = map.withUnsafeBufferPointer { Pooling.means(of: $0, shape: [3, 5, 2], size: 2) }
        var expected: [Float] = []
        for row in 0..<2 {
            for column in 0..<3 {
                for channel in 0..<2 {
                    var group: [Float] = []
                    for y in row * 2..<min(row * 2 + 2, 3) {
                        for x in column * 2..<min(column * 2 + 2, 5) { group.append(map[(y * 5 + x) * 2 + channel]) }
                    }
                    expected.append(group.reduce(0, +) / Float(group.count))
                }
            }
        }
        expectClose(Tensor(means), Tensor(expected), relative: 1e-6)
    }

    @Test func `identities of before have the digests they had`() throws {
        // Of the JSON that was written before features could vary, by Python's hashlib.
        let old = "a083e091d06a8ae64ec02d7f65bf94dd4c07c51fe7e10912633e6133a1261e3b"
        #expect(sampleIdentity().digest == old)
        let varying = Self.identity(codecs: ["tokens": .bfloat16.pooled(by: 2)])
        #expect(Set([varying.digest, Self.identity().digest, old]).count == 3)
        let copy = try JSONDecoder().decode(FeatureIdentity.self, from: Data(varying.json.utf8))
        #expect(copy == varying && varying.bytesPerRow == 6 * 6 * 2 + 6 * 2)
        let wrong = varying.json.replacing("\"varying\":[\"tokens\"]", with: "\"varying\":[\"pooled\"]")
        #expect(wrong != varying.json)
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode(FeatureIdentity.self, from: Data(wrong.utf8))
        }
    }

    @Test(arguments: ["offsets that fall", "offsets beyond", "too long", "no offsets"])
    func `shards whose rows lead nowhere are refused`(fault: String) throws {
        let directory = try TemporaryDirectory()
        let store = try FeatureStore(directory: directory.url)
        let collection = try store.collection(for: Self.identity())
        try Self.append(10..<14, to: collection)  // 10, 11, 12, 0 tokens
        let folder = store.shards(of: collection.digest)
        let name = try #require(try FileManager.default.contentsOfDirectory(atPath: folder.path).first)
        let file = try SafetensorsFile(folder.appendingPathComponent(name))
        var tensors = file.tensors.dictionary
        switch fault {
        case "offsets that fall": tensors["tokens.offsets"] = Tensor([0, 21, 10, 33, 33] as [Int64])
        case "offsets beyond": tensors["tokens.offsets"] = Tensor([0, 10, 21, 33, 34] as [Int64])
        case "too long": tensors["tokens.offsets"] = Tensor([0, 10, 20, 33, 33] as [Int64])
        default: tensors["tokens.offsets"] = nil
        }
        try SafetensorsFile.write(tensors, metadata: file.metadata, to: folder.appendingPathComponent(name))
        let error = #expect(throws: FeatureStoreError.self) { try collection.resolve(["key-12"]) }
        #expect("\(try #require(error))".contains("pando features clean"))
        #expect(try store.verify().damages.count == 1)
    }
}
