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
                pooling: a.string("form") == "gpo" ? GeneralizedPooling(using: &generator) : nil)
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
        expectParity(golden, relative: 2e-5, try #require(Self.calls[golden.operation]))
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
