import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

/// Recurrent layers by hand, against central differences and in reduced precision.
@Suite struct RecurrentTests {
    private static func lstm(_ width: Int, _ hidden: Int, layers: Int = 1, both: Bool = false) -> LSTM {
        var generator = SeededGenerator(seed: 2)
        return LSTM(width, hidden, layers: layers, isBidirectional: both, dropout: 0.5, using: &generator)
    }

    private static func gru(_ width: Int, _ hidden: Int, layers: Int = 1, both: Bool = false) -> GRU {
        var generator = SeededGenerator(seed: 3)
        return GRU(width, hidden, layers: layers, isBidirectional: both, dropout: 0.5, using: &generator)
    }

    @Test func everyTensorIsVisited() {
        expectVisitsEveryTensor(Self.lstm(2, 3, layers: 2, both: true))
        expectVisitsEveryTensor(Self.gru(2, 3, layers: 2))
        expectVisitsEveryTensor(EmbeddingBag(rows: 3, features: 2))
        expectVisitsEveryTensor(StochasticDepth(0.5))
    }

    @Test func gradientsMatchCentralDifferences() {
        let lengths = [3, 1]
        let shapes = [[2, 3, 2], [1, 2, 3], [1, 2, 3]]
        let states = shapes.enumerated().map { irregular($1, phase: Float($0)) }
        let (lstm, gru) = (Self.lstm(2, 3), Self.gru(2, 3))
        expectGradients(of: states, "LSTM") { x in
            let (output, end) = lstm(x[0], from: LSTM.State(hidden: x[1], cell: x[2]), lengths: lengths)
            return .concatenated([output, end.hidden, end.cell].map { $0.reshaped(-1) })
        }
        expectGradients(of: Array(states[..<2]), "GRU") { x in
            let (output, end) = gru(x[0], from: x[1], lengths: lengths)
            return .concatenated([output.reshaped(-1), end.reshaped(-1)])
        }
    }

    @Test func inputsMayBeViewsAndBatchesEmpty() {
        let x = irregular([4, 3, 2]).permuted(1, 0, 2)
        expectClose(Self.lstm(2, 5)(x).output, Self.lstm(2, 5)(x.contiguous()).output)
        expectClose(Self.gru(2, 5)(x).output, Self.gru(2, 5)(x.contiguous()).output)
        #expect(Self.lstm(2, 5, both: true)(.zeros([0, 4, 2])).output.shape == [0, 4, 10])
        let leaf = Tensor.zeros([0, 4, 2]).differentiable
        #expect(Self.gru(2, 5)(leaf).output.sum().gradients(for: [leaf])[0].shape == [0, 4, 2])
    }

    @Test func bfloat16StaysNearFloat32() {
        let x = irregular([2, 6, 8])
        let (lstm, gru) = (Self.lstm(8, 16), Self.gru(8, 16))
        // Inputs, weights and states are rounded to 8 bits; the recurrence itself is float32.
        expectClose(lstm.cast(to: .bfloat16)(x.cast(to: .bfloat16)).output, lstm(x).output, relative: 0.01)
        expectClose(gru.cast(to: .bfloat16)(x.cast(to: .bfloat16)).output, gru(x).output, relative: 0.01)
        let leaf = x.cast(to: .bfloat16).differentiable
        let gradient = gru.cast(to: .bfloat16)(leaf).output.sum().gradients(for: [leaf])[0]
        #expect(gradient.elementType == .bfloat16)
    }

    @Test func dropoutActsBetweenLayersInTraining() {
        let (x, layers) = (irregular([2, 3, 4]), Self.lstm(4, 5, layers: 2))
        var (none, some): (SeededGenerator?, SeededGenerator?) = (nil, SeededGenerator(seed: 1))
        #expect(layers(x, using: &none).output.scalars() == layers(x).output.scalars())
        #expect(layers(x, using: &some).output.scalars() != layers(x).output.scalars())
        #expect(Self.lstm(4, 5)(x, using: &some).output.scalars() == Self.lstm(4, 5)(x).output.scalars())
    }

    @Test func notANumberIsNotHidden() {
        var x = irregular([1, 2, 3]).scalars()
        x[4] = .nan
        #expect(!Self.lstm(3, 9)(Tensor(x, shape: [1, 2, 3])).output.isFinite)
        #expect(!Self.gru(3, 9)(Tensor(x, shape: [1, 2, 3])).output.isFinite)
    }

    @Test func aStateOfAnotherShapeIsRefused() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Self.gru(2, 3)(.zeros([2, 4, 2]), from: .zeros([1, 1, 3]))
        }
        let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(said.contains("recurrent layers: the state has shape [1, 1, 3], expected [1, 2, 3]"))
    }
}
