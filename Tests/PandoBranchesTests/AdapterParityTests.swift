import PandoBackbones
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBranches

/// Every adapter's vectors and the gradients of all its parameters against PyTorch in `float64`.
@Suite struct AdapterParityTests {
    private static let calls: [String: GoldenCall] = [
        "uniptTokens": { x, a in
            var generator = SeededGenerator(seed: 1)
            let isExpanded = a.string("form") == "expanded"
            let side = UniPTTokens(
                channels: [6, 6, 5], width: 4, projectingThrough: isExpanded ? 7 : nil, weighsStates: a.bool("weighs"),
                interacts: a.bool("interacts"), using: &generator)
            let adapter = UniPT(
                reading: taps(3), side: side, up: Linear(4, 7, using: &generator), rectifies: !isExpanded,
                pooling: a.string("form") == "gpo"
                    ? GeneralizedPooling(positionFeatures: 8, hidden: 8, using: &generator) : nil)
            return adapter.with(x[4...])(features(x[..<3], mask: x[3]))
        },
        "uniptMaps": { x, _ in
            var generator = SeededGenerator(seed: 1)
            let side = UniPTMaps(channels: [3, 5, 6], rates: [4, 2, 1], width: 4, using: &generator)
            let adapter = UniPT(reading: taps(3), side: side, up: Linear(4, 7, using: &generator))
            return adapter.with(x[3...])(features(x[..<3]), during: TrainingPass(using: generator))
        },
        "uniptVector": { x, a in
            var generator = SeededGenerator(seed: 1)
            let adapter = UniPTVector(
                reading: taps(2), channels: [6, 5], vectorLength: 7, width: 4,
                place: a.string("place") == "last" ? .last : .first, using: &generator)
            return adapter.with(x[4...])(features(x[..<2], pooled: x[3], mask: x[2]))
        },
        "uniptEncoderDecoder": { x, _ in
            var generator = SeededGenerator(seed: 1)
            let network = UniPTEncoderDecoder(stateCount: 3, channels: 6, width: 4, using: &generator)
            return network.with(x[7...])(encoder: Array(x[..<3]), decoder: Array(x[3..<6]), mask: x[6])
        },
        "mlp": { x, _ in
            var generator = SeededGenerator(seed: 1)
            let adapter = MLP(vectorLength: 6, hidden: 5, activation: .gelu, using: &generator)
            return adapter.with(x[1...])(Features(pooled: x[0]))
        },
        "attentionProbe": { x, _ in
            var generator = SeededGenerator(seed: 1)
            let adapter = AttentionProbe(reading: "0", channels: 6, width: 8, heads: 2, using: &generator)
            return adapter.with(x[2...])(features(x[..<1], mask: x[1]))
        },
        "layerMix": { x, _ in
            var generator = SeededGenerator(seed: 1)
            let adapter = LayerMix(reading: taps(3), channels: [3, 5, 6], using: &generator)
            return adapter.with(x[3...])(features(x[..<3]))
        },
        "momentProbingTokens": { x, a in
            var generator = SeededGenerator(seed: 1)
            let second = CrossCovariance(
                channels: 6, width: 33, heads: 3, interleaves: false,
                centering: a.string("centering") == "scalar" ? .scalar : .channel, using: &generator)
            let tap = Tap(name: "0", depth: 1, channels: 6, kind: .tokens)
            let adapter = MomentProbing(reading: tap, vectorLength: 4, skipping: 1, second: second)
            return adapter.with(x[3...])(features(x[..<1], pooled: x[2], mask: x[1]))
        },
        "momentProbingMaps": { x, _ in
            var generator = SeededGenerator(seed: 1)
            let second = CrossCovariance(channels: 6, width: 33, heads: 3, interleaves: true, using: &generator)
            let tap = Tap(name: "0", depth: 1, channels: 6, kind: .map(stride: 32))
            let adapter = MomentProbing(reading: tap, vectorLength: 4, skipping: 0, second: second)
            return adapter.with(x[2...])(features(x[..<1], pooled: x[1]))
        },
        "sherlTokens": { x, a in
            var generator = SeededGenerator(seed: 1)
            let form = a.string("form")
            func route<Down: TokenNarrowing>(_ down: (inout SeededGenerator) -> Down) -> SHERLTokens<Down> {
                let fusion = SHERLFusion(
                    width: 4, dividesByRedundancy: a.bool("redundancy"), using: &generator)
                return SHERLTokens(
                    down: (0..<4).map { _ in down(&generator) }, fusion: fusion,
                    perceptron: form == "perceptron" ? UniPTProjection(width: 4, through: 6, using: &generator) : nil,
                    up: Linear(4, 6, using: &generator), norm: form == "gated" ? nil : LayerNorm(6))
            }
            let states = Array(x[..<4])
            return form == "gated"
                ? route { GatedLinear(6, 4, using: &$0) }.with(x[4...])(states, during: nil)
                : route { NormalizedLinear(6, 4, using: &$0) }.with(x[4...])(states, during: nil)
        },
        "sherlMaps": { x, _ in
            var generator = SeededGenerator(seed: 1)
            let route = SHERLMaps(channels: [3, 5, 6], rates: [4, 2, 1], width: 4, using: &generator)
            return route.with(x[3...])(Array(x[..<3]), during: TrainingPass(using: generator))
        },
        "sherlVector": { x, _ in
            var generator = SeededGenerator(seed: 1)
            let adapter = SHERLVector(reading: taps(2), channels: [6, 5], vectorLength: 7, width: 4, using: &generator)
            return adapter.with(x[4...])(features(x[..<2], pooled: x[3], mask: x[2]))
        },
        "lstTokens": { x, _ in
            var generator = SeededGenerator(seed: 1)
            let adapter = LST(
                reading: taps(3), channels: [6, 6, 6], widths: [8, 8, 8], steps: [1, 1], normalizes: true,
                using: &generator
            ) { LadderTransformerBlock(width: $0, heads: 2, using: &$1) }
            return adapter.with(x[4...])(features(x[..<3], mask: x[3]))
        },
        "lstMaps": { x, _ in
            var generator = SeededGenerator(seed: 1)
            let adapter = LST(
                reading: taps(2), channels: [3, 6], widths: [4, 5], steps: [2], normalizes: false, using: &generator
            ) { LadderConvolutionBlock(width: $0, using: &$1) }
            return adapter.with(x[2...])(features(x[..<2]), during: TrainingPass(using: generator))
        },
    ]

    /// The taps `0`, `1`, …
    private static func taps(_ count: Int) -> [Tap.Name] { (0..<count).map(String.init) }

    private static func features(_ states: ArraySlice<Tensor>, pooled: Tensor? = nil, mask: Tensor? = nil) -> Features {
        Features(
            taps: Dictionary(uniqueKeysWithValues: zip(taps(states.count), states)),
            pooled: pooled ?? .zeros([states[states.startIndex].shape[0], 0]), mask: mask)
    }

    private static let cases = GoldenCase.cases(in: "adapters")

    @Test func `every stored adapter is held`() { #expect(Set(Self.cases.map(\.operation)) == Set(Self.calls.keys)) }

    @Test(arguments: cases)
    func `vectors and gradients equal PyTorch's`(golden: GoldenCase) throws {
        expectParity(golden, relative: 1e-4, try #require(Self.calls[golden.operation]))
    }
}

extension Module {
    /// The same module with these parameters, in the order of the visit.
    func with(_ parameters: ArraySlice<Tensor>) -> Self {
        var (copy, rest) = (self, parameters)
        copy.updateParameters { name, tensor in
            require(tensor.shape == rest.first?.shape, "\(name) is \(tensor.shape), given \(rest.first?.shape ?? [])")
            return rest.removeFirst()
        }
        require(rest.isEmpty, "\(rest.count) parameters are left over")
        return copy
    }
}
