import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

/// Recurrent layers, embedding bags, straight-through gradients, quantization and CTC against PyTorch in `float64`.
@Suite struct SequenceParityTests {
    private static let calls: [String: GoldenCall] = [
        "lstm": { x, a in
            let states = a.bool("initial") ? LSTM.State(hidden: x[1], cell: x[2]) : nil
            let layer = LSTM(weights: weights(x.dropFirst(states == nil ? 1 : 3), a), isBidirectional: a.bool("bidirectional"))
            let (output, end) = layer(x[0], from: states, lengths: lengths(a))
            return .concatenated([output, end.hidden, end.cell].map { $0.reshaped(-1) })
        },
        "gru": { x, a in
            let state = a.bool("initial") ? x[1] : nil
            let layer = GRU(weights: weights(x.dropFirst(state == nil ? 1 : 2), a), isBidirectional: a.bool("bidirectional"))
            let (output, end) = layer(x[0], from: state, lengths: lengths(a))
            return .concatenated([output, end].map { $0.reshaped(-1) })
        },
        "embeddingBag": { x, a in
            let bag = EmbeddingBag(weight: x[0], reducing: BagReduction(rawValue: a.string("mode")) ?? .sum)
            return bag(x[1], offsets: a.bool("offsets") ? x[2] : nil, weights: a.bool("weighted") ? x[x.count - 1] : nil)
        },
        "gumbelSoftmax": { x, a in
            x[0].gumbelSoftmax(
                noise: x[1], temperature: a.float("temperature"), isHard: a.bool("hard"), along: a.integer("axis"))
        },
        "sigmoidStep": { x, _ in x[0].sigmoidStep() },
        "fakeQuantize": { x, a in
            x[0].fakeQuantized(
                on: QuantizationGrid(
                    scale: a.float("scale"), zeroPoint: a.integer("zero"), range: a.integer("low")...a.integer("high")))
        },
        "fakeQuantizeChannels": { x, a in
            x[0].fakeQuantized(
                on: QuantizationGrid(
                    scales: x[1].scalars(), zeroPoints: x[2].scalars(as: Int32.self).map { Int($0) },
                    axis: a.integer("axis"), range: a.integer("low")...a.integer("high")))
        },
        "ctc": { x, a in
            var labels = x[1].scalars(as: Int64.self).map { Int($0) }[...]
            let targets = a.integers("sizes").map { size in
                defer { labels = labels.dropFirst(size) }
                return Array(labels.prefix(size))
            }
            let (lengths, blank, ignores) = (a.integers("lengths"), a.integer("blank"), a.bool("ignoresInfinity"))
            let logarithms = x[0].logSoftmax()
            return a.string("reduction") == "mean"
                ? ctcLoss(logarithms, targets, lengths: lengths, blank: blank, ignoringInfinity: ignores)
                : logarithms.alignmentLosses(
                    targets: targets, lengths: lengths, blank: blank, ignoringInfinity: ignores)
        },
    ]

    /// Parameters in PyTorch's order, as many for each direction of each layer as there are with or without biases.
    private static func weights(_ tensors: ArraySlice<Tensor>, _ attributes: GoldenCase.Attributes) -> [RecurrentWeights] {
        let count = attributes.bool("bias") ? 4 : 2
        return stride(from: tensors.startIndex, to: tensors.endIndex, by: count).map { start in
            RecurrentWeights(
                input: tensors[start], hidden: tensors[start + 1], inputBias: count == 4 ? tensors[start + 2] : nil,
                hiddenBias: count == 4 ? tensors[start + 3] : nil)
        }
    }

    private static func lengths(_ attributes: GoldenCase.Attributes) -> [Int]? {
        let lengths = attributes.integers("lengths")
        return lengths.isEmpty ? nil : lengths
    }

    private static let cases = GoldenCase.cases(in: "sequence")

    @Test func everyStoredOperationIsHeld() {
        #expect(Set(Self.cases.map(\.operation)) == Set(Self.calls.keys))
        #expect(Self.cases.count > 50)
    }

    @Test(arguments: cases)
    func valueAndGradientsEqualPyTorch(golden: GoldenCase) throws {
        expectParity(golden, try #require(Self.calls[golden.operation], "\(golden.operation) has no call of ours"))
    }

    @Test(arguments: cases.filter { $0.operation == "lstm" || $0.operation == "gru" })
    func recurrentWeightsHavePyTorchsNames(golden: GoldenCase) {
        let a = golden.attributes
        var generator = SeededGenerator(seed: 1)
        let (width, hidden) = (golden.inputs[0].shape[2], a.integer("hidden"))
        let found =
            golden.operation == "lstm"
            ? LSTM(
                width, hidden, layers: a.integer("layers"), isBidirectional: a.bool("bidirectional"),
                bias: a.bool("bias"), using: &generator
            ).namedTensors
            : GRU(
                width, hidden, layers: a.integer("layers"), isBidirectional: a.bool("bidirectional"),
                bias: a.bool("bias"), using: &generator
            ).namedTensors
        #expect(found.map(\.name) == a.strings("names"))
        #expect(found.map(\.tensor.shape) == golden.inputs.suffix(found.count).map(\.shape))
    }
}
