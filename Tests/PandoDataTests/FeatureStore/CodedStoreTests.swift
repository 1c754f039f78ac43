import Foundation
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoData

/// An identity whose pooled features and tokens are coded.
private func codedIdentity(_ pooled: FeatureCodec, _ tokens: FeatureCodec) -> FeatureIdentity {
    FeatureIdentity(
        backbone: "b", preprocessing: "p", precision: "float32",
        features: ["pooled": [40], "tokens": [6, 40], "plain": [2]], varying: ["tokens"],
        codecs: ["pooled": pooled, "tokens": tokens])
}

/// Rows without outliers: what is not in the range of the first thousand would be cut.
private func samples(_ count: Int, _ phase: Int) -> Tensor { codecSamples(count, phase: Float(phase), outliers: 1) }

/// Rows under the keys `phase:0`, `phase:1`, …, the tokens of each 0 to 6 long.
private func appendCoded(_ count: Int, phase: Int, to collection: FeatureCollection) throws {
    let appender = try collection.appender()
    let (rows, tokens) = (samples(count, phase), samples(count * 6, phase))
    for start in stride(from: 0, to: count, by: 100) {
        let part = start..<min(start + 100, count)
        try appender.append(
            part.map { "\(phase):\($0)" },
            [
                "pooled": rows.slice(part), "plain": rows.slice(part).reshaped([part.count, 40]).slice(0..<2, along: 1),
                "tokens": tokens.slice(part.lowerBound * 6..<part.upperBound * 6).reshaped([part.count, 6, 40]),
            ], lengths: ["tokens": part.map { $0 % 7 }])
    }
    try appender.finish()
}

/// Expects rows that `appendCoded` stored, up to what their codecs lose.
private func expectCoded(
    _ count: Int, phase: Int, in collection: FeatureCollection, loss: (pooled: Double, tokens: Double)
) throws {
    let rows = try collection.resolve((0..<count).map { "\(phase):\($0)" })
    func relativeError(_ read: Tensor, _ expected: Tensor) -> Double {
        let error = read - expected
        return Double(((error * error).sum().scalar() / (expected * expected).sum().scalar()).squareRoot())
    }
    let pooled = relativeError(rows.tensor(of: "pooled"), samples(count, phase))
    #expect(pooled <= loss.pooled, "\(pooled)")
    let (values, mask) = rows.padded("tokens", at: 0..<count)
    let longest = min(count - 1, 6)
    #expect(mask.shape == [count, longest] && rows.lengths(of: "tokens", at: 0..<count) == (0..<count).map { $0 % 7 })
    let own = mask.cast(to: .float32).reshaped([count, longest, 1])
    let given = samples(count * 6, phase).reshaped([count, 6, 40])
    let tokens = relativeError(values, given.slice(0..<longest, along: 1) * own)
    #expect(tokens <= loss.tokens, "\(tokens)")
    #expect(rows.tensor(of: "plain").shape == [count, 2])
}

@Suite struct CodedStoreTests {
    @Test(arguments: [
        (FeatureCodec.int8(percentile: 100), FeatureCodec.bfloat16, 0.03, 0.005),
        (.productQuantization(subvectorLength: 4), .int8(percentile: 100), 0.4, 0.03),
        (.uniform(bits: 6, percentile: 100), .uniform(bits: 8, percentile: 100), 0.06, 0.03),
    ])
    func `coded rows come back, in a new process's eyes too`(
        pooled: FeatureCodec, tokens: FeatureCodec, pooledLoss: Double, tokensLoss: Double
    ) throws {
        let directory = try TemporaryDirectory()
        let identity = codedIdentity(pooled, tokens)
        try appendCoded(3000, phase: 1, to: FeatureStore(directory: directory.url).collection(for: identity))
        let store = try FeatureStore(directory: directory.url)
        let collection = try store.collection(for: identity)
        try expectCoded(3000, phase: 1, in: collection, loss: (pooledLoss, tokensLoss))
        // What was learnt stays, also for rows of other kinds that come later.
        let file = store.shards(of: identity.digest).appendingPathComponent(CollectionCodecs.fileName)
        let before = try Data(contentsOf: file)
        try appendCoded(10, phase: 2, to: collection)
        #expect(try Data(contentsOf: file) == before && collection.count == 3010)
        let report = try store.verify()
        #expect(report.damages.isEmpty && report.orphans.isEmpty && report.rowCount == 3010)
        #expect(try store.removeOrphans().fileCount == 0)
        #expect(try store.info().first?.identity == identity)
        #expect(try store.remove(identity: identity.digest).fileCount == report.shardCount + 1)
    }

    @Test func `a few rows are enough to learn from, and none are no harm`() throws {
        let directory = try TemporaryDirectory()
        let store = try FeatureStore(directory: directory.url)
        let collection = try store.collection(for: codedIdentity(.int8(percentile: 100), .uniform(bits: 8, percentile: 100)))
        #expect(try collection.appender().finish() == 0)
        #expect(try collection.resolve([]).tensor(of: "pooled").shape == [0, 40])
        try appendCoded(5, phase: 1, to: collection)
        try expectCoded(5, phase: 1, in: collection, loss: (0.01, 0.01))
    }

    @Test(arguments: ["gone", "flipped", "of other rows"])
    func `rows without their codecs are refused, and computed again`(fault: String) throws {
        let directory = try TemporaryDirectory()
        let store = try FeatureStore(directory: directory.url)
        let identity = codedIdentity(.int8(percentile: 100), .uniform(bits: 8, percentile: 100))
        let collection = try store.collection(for: identity)
        try appendCoded(1200, phase: 1, to: collection)
        let file = store.shards(of: identity.digest).appendingPathComponent(CollectionCodecs.fileName)
        switch fault {
        case "gone": try FileManager.default.removeItem(at: file)
        case "flipped":
            // The first number of the frequencies, which then are no shares.
            var bytes = try Data(contentsOf: file)
            let header = bytes.prefix(8).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
            let noted = try SafetensorsFile(file).tensors.names.first == "pooled.low"
            #expect(noted)
            bytes[8 + header + 3] = 0x7F
            bytes[8 + header + 2] = 0xC0
            try bytes.write(to: file)
        default:
            let other = try TemporaryDirectory()
            let second = try FeatureStore(directory: other.url)
            try appendCoded(1200, phase: 9, to: second.collection(for: identity))
            let codecs = second.shards(of: identity.digest).appendingPathComponent(CollectionCodecs.fileName)
            try Data(contentsOf: codecs).write(to: file)
        }
        let error = #expect(throws: FeatureStoreError.self) { try collection.resolve(["1:3"]) }
        let text = "\(try #require(error))"
        #expect(text.contains("codecs") && text.contains("clean --damaged"))
        #expect(try store.verify().damages.count == 1)
        #expect(try store.removeDamaged().rowCount == 1200)
        #expect(try store.verify().damages.isEmpty && collection.missing(["1:3"]) == ["1:3"])
        _ = try store.removeOrphans()
        try appendCoded(1200, phase: 1, to: collection)
        try expectCoded(1200, phase: 1, in: collection, loss: (0.03, 0.03))
    }

    @Test(arguments: ["tokens.lengths", "tokens.offsets", "pooled"])
    func `coded shards that contradict themselves are refused`(part: String) throws {
        let directory = try TemporaryDirectory()
        let store = try FeatureStore(directory: directory.url)
        let collection = try store.collection(for: codedIdentity(.int8(), .uniform(bits: 4)))
        try appendCoded(7, phase: 1, to: collection)
        let folder = store.shards(of: collection.digest)
        let name = try #require(
            try FileManager.default.contentsOfDirectory(atPath: folder.path).first { $0 != CollectionCodecs.fileName })
        let file = try SafetensorsFile(folder.appendingPathComponent(name))
        var tensors = file.tensors.dictionary
        switch part {
        case "tokens.lengths": tensors[part] = Tensor([0, 1, 2, 3, 4, 5, 7] as [Int32])
        case "tokens.offsets": tensors[part] = Tensor([0, 1, 2, 3, 4, 5, 6, 1 << 40] as [Int64])
        default: tensors[part] = .zeros([7, 41], .uint8)
        }
        try SafetensorsFile.write(tensors, metadata: file.metadata, to: folder.appendingPathComponent(name))
        #expect(throws: FeatureStoreError.self) { try collection.resolve(["1:3"]) }
        #expect(try store.removeDamaged().rowCount == 7)
    }

    @Test func `two processes that begin at once agree on one codec`() async throws {
        let directory = try TemporaryDirectory()
        let identity = codedIdentity(.int8(percentile: 100), .uniform(bits: 8, percentile: 100))
        async let other = #expect(processExitsWith: .success) { [path = directory.url.path as String] in
            let identity = codedIdentity(.int8(percentile: 100), .uniform(bits: 8, percentile: 100))
            let store = try FeatureStore(directory: URL(fileURLWithPath: path))
            try appendCoded(2500, phase: 2, to: store.collection(for: identity))
        }
        let store = try FeatureStore(directory: directory.url)
        let collection = try store.collection(for: identity)
        // Both wait for rows to learn from while the other learns, whoever is first.
        let waiting = try collection.appender()
        try appendCoded(2500, phase: 1, to: collection)
        try waiting.append(
            ["late"],
            [
                "pooled": codecSamples(1), "tokens": codecSamples(6).reshaped([1, 6, 40]),
                "plain": Tensor([1, 2] as [Float], shape: [1, 2]),
            ])
        #expect(try waiting.finish() == 1)
        _ = await other
        #expect(try collection.count == 5001)
        for phase in [1, 2] { try expectCoded(2500, phase: phase, in: collection, loss: (0.03, 0.03)) }
        #expect(try store.verify().damages.isEmpty)
    }

    @Test func `a run killed while codecs wait for rows leaves nothing`() async throws {
        let directory = try TemporaryDirectory()
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = directory.url.path as String] in
            let store = try FeatureStore(directory: URL(fileURLWithPath: path))
            let appender = try store.collection(for: codedIdentity(.int8(), .int8())).appender()
            for key in 0..<1000 {
                try appender.append(
                    "\(key)",
                    [
                        "pooled": codecSamples(1).reshaped([40]), "tokens": codecSamples(3),
                        "plain": Tensor([1, 2] as [Float]),
                    ])
            }
            kill(getpid(), SIGKILL)
        }
        let store = try FeatureStore(directory: directory.url)
        let collection = try store.collection(for: codedIdentity(.int8(), .int8()))
        #expect(try collection.count == 0 && store.verify().orphans.isEmpty)
        try appendCoded(1100, phase: 1, to: collection)
        #expect(try collection.count == 1100)
    }
}
