import PandoBackbones
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBranches

/// Adapters that change the inside of a network, each kind on each network that can carry it.
@Suite struct InlineAdapterTests {
    /// A small network, filled with irregular numbers, and something for it to see.
    enum Example: String, CaseIterable {
        case bert, vit, resnet, convNeXt

        var network: any BlockwiseBackbone {
            switch self {
            case .bert: Self.filled(BERT(.tiny))
            case .vit: Self.filled(VisionTransformer(.mini))
            case .resnet:
                Self.filled(ResNet(ResNetConfiguration(widths: [8, 8, 16, 16], blocks: [1, 1, 1, 1], isBottleneck: true)))
            case .convNeXt: Self.filled(ConvNeXt(ConvNeXtConfiguration(widths: [8, 8, 16, 16], depths: [1, 1, 1, 1])))
            }
        }

        var input: BackboneInput {
            if self != .bert { return .pictures(irregular([2, 32, 32, 3], phase: 1)) }
            let ids = Tensor((0..<12).map { Int64($0 * 7 % 50) }, shape: [2, 6])
            return .texts(
                TokenTensors(ids: ids, attentionMask: Tensor([Int64](repeating: 1, count: 10) + [0, 0], shape: [2, 6])))
        }

        private static func filled<Network: Module>(_ network: Network) -> Network {
            var (filled, generator) = (network, SeededGenerator(seed: 11))
            filled.initialize(.transformer, seed: 1)
            filled.updateParameters { $1 + .uniform(-0.2..<0.2, $1.shape, using: &generator) }
            return filled
        }

        /// What an adapter reads of this network's pass.
        func features(for adapter: some Adapter) -> Features { network.features(adapter.request, of: input) }
    }

    /// A kind of adapter, its options set, and the network that carries it.
    struct Case: CustomTestStringConvertible {
        let configuration: any AdapterConfiguration
        let example: Example
        /// Whether a fresh one leaves the network's numbers as they are, and so gives its vectors bit for bit; else to 1e-6.
        /// ConvNeXt folds a block's scale into its last layer, but not into an adapted one.
        var leavesNumbers = true
        /// Whether even a fresh one changes the vectors.
        var changes = false
        var isExact: Bool { leavesNumbers && example != .convNeXt }
        var testDescription: String { "\(configuration) on \(example)" }

        var isSerial: Bool { (configuration as? BottleneckConfiguration)?.form == "serial" }

        func adapter() throws -> any NetworkAdapter {
            var generator = SeededGenerator(seed: 3)
            let adapter = try configuration.makeAdapter(on: example.network, vectorLength: 0, using: &generator)
            return try #require(adapter as? any NetworkAdapter)
        }

        /// The adapter as it might be after some training.
        func trained() throws -> any NetworkAdapter {
            var (adapter, generator) = (try adapter(), SeededGenerator(seed: 4))
            adapter.updateParameters { $1 + .uniform(-0.2..<0.2, $1.shape, using: &generator) }
            return adapter
        }
    }

    private static func configured<C: AdapterConfiguration>(_ change: (inout C) -> Void) -> C {
        var configuration = C()
        change(&configuration)
        return configuration
    }

    static let cases: [Case] = Example.allCases.flatMap { example -> [Case] in
        let everywhere: [Case] = [
            Case(configuration: FullConfiguration(), example: example),
            Case(configuration: configured { (c: inout LastBlocksConfiguration) in c.blocks = 1 }, example: example),
            Case(configuration: BitFitConfiguration(), example: example),
            Case(configuration: NormConfiguration(), example: example),
            Case(configuration: configured { (c: inout LoRAAdapterConfiguration) in c.rank = 2 }, example: example),
            Case(
                configuration: configured { (c: inout LoRAAdapterConfiguration) in (c.rank, c.tracksMagnitude) = (2, true) },
                example: example, leavesNumbers: false),
            Case(configuration: SSFConfiguration(), example: example),
            Case(configuration: configured { (c: inout BottleneckConfiguration) in c.reduction = 4 }, example: example),
        ]
        if example == .resnet { return everywhere }
        let parallel = configured { (c: inout BottleneckConfiguration) in (c.form, c.reduction) = ("parallel", 4) }
        let withPerceptrons = everywhere + [Case(configuration: parallel, example: example, leavesNumbers: false)]
        if example == .convNeXt { return withPerceptrons }
        return withPerceptrons + [
            Case(configuration: IA3Configuration(), example: example),
            Case(
                configuration: configured { (c: inout PrefixConfiguration) in c.count = 3 }, example: example,
                changes: true),
        ]
    }

    @Test(arguments: cases)
    func `a fresh adapter changes nothing, but for prefixes`(_ one: Case) throws {
        let adapter = try one.adapter()
        let vectors = adapter(one.example.features(for: adapter))
        let frozen = one.example.network.features(of: one.example.input).pooled
        #expect(vectors.shape == [2, adapter.featureCount])
        if one.changes {
            #expect(worstDifference(vectors, frozen).relative > 1e-3)
        } else if one.isExact {
            #expect(vectors.scalars() == frozen.scalars())
        } else {
            expectClose(vectors, frozen, relative: 1e-6)
        }
    }

    @Test(arguments: cases)
    func `gradients are those of central differences`(_ one: Case) throws {
        // DoRA takes the length as a constant, so its gradients are not the function's own; a residual network's
        // rectifiers bend within any step.
        if (one.configuration as? LoRAAdapterConfiguration)?.tracksMagnitude == true || one.example == .resnet { return }
        func check(_ adapter: some Adapter) {
            let features = one.example.features(for: adapter)
            let weights = irregular([2, adapter.featureCount], phase: 5)
            func loss(_ adapter: some Adapter) -> Tensor { (adapter(features) * weights).sum() }
            let (_, gradients) = valueAndGradients(of: adapter, loss)
            #expect(gradients.isFinite && gradients.norm > 0)
            for round in 0..<3 {
                var generator = SeededGenerator(seed: UInt64(20 + round))
                let directions = gradients.tensors.map { Tensor.uniform(-1..<1, $0.shape, using: &generator) }
                func moved(by step: Float) -> Double {
                    var (moved, index) = (adapter, 0)
                    moved.updateParameters { _, tensor in
                        defer { index += 1 }
                        return tensor + directions[index] * step
                    }
                    return (moved(features) * weights).scalars().reduce(0) { $0 + Double($1) }
                }
                let numeric = Float((moved(by: 1e-3) - moved(by: -1e-3)) / 2e-3)
                let exact = zip(gradients.tensors, directions).reduce(Float(0)) { $0 + ($1.0 * $1.1).sum().scalar() }
                #expect(abs(numeric - exact) <= 1e-2 * max(abs(exact), 1), "\(numeric) and \(exact)")
            }
        }
        check(try one.trained())
    }

    @Test(arguments: cases)
    func `a training step leaves the frozen weights as they are`(_ one: Case) throws {
        func step<A: NetworkAdapter>(_ fresh: A) {
            var adapter = fresh
            let (before, features) = (one.example.network.namedTensors, one.example.features(for: adapter))
            let (_, gradients) = valueAndGradients(of: adapter) { adapter in
                adapter(features, during: TrainingPass(using: SeededGenerator(seed: 1))).squared().sum()
            }
            var optimizer = AdamW(learningRate: 0.01)
            optimizer.update(&adapter, along: gradients)
            #expect(zip(adapter.parameters, fresh.parameters).contains { $0.scalars() != $1.scalars() })
            let (frozen, own) = (fresh.adaptedBackbone, Set(fresh.namedTensors.map(\.name)))
            #expect(frozen.namedTensors.count == before.count)
            for ((name, now, _), then) in zip(adapter.adaptedBackbone.namedTensors, before)
            where !own.contains(name) && !(fresh is InlineAdapter<SSFChange>) {
                #expect(now.scalars() == then.tensor.scalars(), "\(name)")
            }
        }
        try step(one.adapter())
    }

    @Test(arguments: cases)
    func `each example's vector is its own`(_ one: Case) throws {
        let adapter = try one.trained()
        let features = one.example.features(for: adapter)
        let together = adapter(features)
        for index in 0..<2 {
            let alone = adapter(features.slice(index..<index + 1))
            expectClose(together.slice(index..<index + 1), alone, relative: 1e-5)
        }
    }

    @Test(arguments: cases)
    func `merged, or compiled, it computes the same`(_ one: Case) throws {
        let adapter = try one.trained()
        let vectors = adapter(one.example.features(for: adapter))
        expectClose(adapter.adaptedBackbone.features(of: one.example.input).pooled, vectors, relative: 1e-5)
        #expect((adapter.mergedBackbone == nil) == one.isSerial)
        if let merged = adapter.mergedBackbone {
            expectClose(merged.features(of: one.example.input).pooled, vectors, relative: 1e-4)
        }
        guard case .pictures(let pictures) = one.example.input else { return }
        for network in [adapter.adaptedBackbone, adapter.mergedBackbone].compactMap(\.self) {
            let frozen = FrozenBackbone(try #require(network as? any ImageBackbone))
            expectClose(frozen.features(of: pictures).pooled, vectors, relative: 1e-4)
        }
    }

    /// Weights are brought to bfloat16 once or in each lane: the numbers are the same, but for ConvNeXt, which scales some
    /// of them first.
    @Test(arguments: Example.allCases)
    func `all parameters are trained in bfloat16, and step in float32`(_ example: Example) throws {
        let fresh = try Case(configuration: FullConfiguration(), example: example).trained()
        func check<A: NetworkAdapter>(_ exact: A) {
            var features = example.features(for: exact)
            let adapter = exact.keepingFrozenWeights(as: .bfloat16)
            if case .pictures(let pictures) = features.input { features.input = .pictures(pictures.cast(to: .bfloat16)) }
            let weights = irregular([2, exact.featureCount], phase: 5)
            let read = features
            func gradients(_ adapter: A, _ prepare: @escaping (A) -> A = { $0 }) -> (vectors: Tensor, gradients: Gradients) {
                var vectors = Tensor(Float(0))
                let (_, gradients) = valueAndGradients(of: adapter) { adapter in
                    vectors = prepare(adapter)(read)
                    return (vectors * weights).sum()
                }
                return (vectors.detached, gradients)
            }
            let plain = gradients(adapter)
            let once = gradients(adapter) { $0.ready(toComputeIn: .bfloat16) }
            #expect(once.vectors.scalars() != exact(example.features(for: exact)).scalars())
            #expect(once.gradients.tensors.allSatisfy { $0.elementType == .float32 })
            if example == .convNeXt {
                let difference = (once.vectors - plain.vectors).squared().sum().scalar().squareRoot()
                #expect(difference <= 0.02 * plain.vectors.squared().sum().scalar().squareRoot(), "\(difference)")
                #expect(abs(once.gradients.norm / plain.gradients.norm - 1) <= 0.05)
            } else {
                #expect(once.vectors.scalars() == plain.vectors.scalars())
                #expect(zip(once.gradients.tensors, plain.gradients.tensors).allSatisfy { $0.scalars() == $1.scalars() })
            }
        }
        check(fresh)
    }

    @Test(arguments: cases)
    func `it computes in bfloat16 when the state is`(_ one: Case) throws {
        let adapter = try one.trained()
        var features = one.example.features(for: adapter)
        let exact = adapter(features)
        features.taps = features.taps.mapValues { $0.cast(to: .bfloat16) }
        if case .pictures(let pictures) = features.input { features.input = .pictures(pictures.cast(to: .bfloat16)) }
        let half = adapter.keepingFrozenWeights(as: .bfloat16)
        func vectors(_ adapter: some Adapter) -> Tensor {
            var adapter = adapter
            adapter.updateParameters { $1.cast(to: .bfloat16) }
            return adapter(features)
        }
        let rounded = vectors(half)
        #expect(rounded.elementType == .float32)
        #expect(rounded.isFinite)
        let error = (rounded - exact).squared().sum().scalar().squareRoot()
        #expect(error <= 0.1 * exact.squared().sum().scalar().squareRoot(), "\(error)")
        #expect(rounded.scalars() != exact.scalars())
    }
}

extension BlockwiseBackbone {
    /// What a request is answered with by the frozen pass.
    func features(_ request: FeatureRequest, of input: BackboneInput) -> Features {
        var features = features(of: input, reading: Set(request.taps))
        if request.input { features.input = input }
        return features
    }
}

extension VisionTransformerConfiguration {
    static let mini = {
        var configuration = VisionTransformerConfiguration(hiddenSize: 16, headCount: 2)
        (configuration.layerCount, configuration.intermediateSize, configuration.classCount) = (2, 32, 3)
        (configuration.pictureSize, configuration.patchSize) = (32, 16)
        return configuration
    }()
}
