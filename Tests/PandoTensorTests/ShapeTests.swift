import PandoTensor
import PandoTestSupport
import Testing

/// Shapes, indices, matrix products of any rank and Einstein sums against PyTorch in `float64`.
@Suite struct ShapeTests {
    private static let calls: [String: GoldenCall] = [
        "pad": { x, a in
            x[0].padded(before: a.integers("before"), after: a.integers("after"), modes[a.string("mode")]!)
        },
        "flip": { x, a in x[0].flipped(along: a.integers("axes")) },
        "roll": { x, a in x[0].rolled(by: a.integers("shifts"), along: a.integers("axes")) },
        "repeat": { x, a in x[0].repeated(a.integers("counts")) },
        "repeatInterleave": { x, a in x[0].repeatedElements(a.integer("count"), along: a.integer("axis")) },
        "slice": { x, a in
            x[0].slice(a.integer("from")..<a.integer("to"), along: a.integer("axis"), step: a.integer("step"))
        },
        "stack": { x, a in .stacked(x, along: a.integer("axis")) },
        "split": { x, a in
            let parts = x[0].split(a.integers("sizes"), along: a.integer("axis"))
            return .concatenated(zip(1..., parts).map { Float($0) * $1 }, along: a.integer("axis"))
        },
        "unstack": { x, a in
            zip(1..., x[0].unstacked(along: a.integer("axis"))).map { Float($0) * $1 }.reduce(Tensor(Float(0)), +)
        },
        "gather": { x, a in x[1].elements(at: x[0], along: a.integer("axis")) },
        "scatterAdd": { x, a in x[1].scatterAdded(x[2], at: x[0], along: a.integer("axis")) },
        "indexSelect": { x, a in x[1].gathered(at: x[0], along: a.integer("axis")) },
        "oneHot": { x, a in x[0].oneHot(classes: a.integer("classes")) },
        "tril": { x, a in x[0].lowerTriangle(offset: a.integer("offset")) },
        "triu": { x, a in x[0].upperTriangle(offset: a.integer("offset")) },
        "diagonal": { x, a in x[0].diagonal(offset: a.integer("offset")) },
        "diagEmbed": { x, a in x[0].diagonalMatrix(offset: a.integer("offset")) },
        "matmul": { x, _ in matmul(x[0], x[1]) },
        "outer": { x, _ in outer(x[0], x[1]) },
        "dot": { x, _ in dot(x[0], x[1]) },
        "inner": { x, _ in inner(x[0], x[1]) },
        "einsum": { x, a in einsum(a.string("notation"), x) },
    ]

    private static let modes: [String: PaddingMode] = [
        "constant": .constant(1.5), "reflect": .reflect, "replicate": .replicate, "circular": .circular,
    ]

    private static let cases = GoldenCase.cases(in: "shapes")

    @Test func everyStoredOperationIsHeld() {
        #expect(Set(Self.cases.map(\.operation)) == Set(Self.calls.keys))
    }

    @Test(arguments: cases)
    func valueAndGradientsEqualPyTorch(golden: GoldenCase) throws {
        expectParity(golden, try #require(Self.calls[golden.operation], "\(golden.operation) has no call of ours"))
    }

    @Test func gradientsEqualCentralDifferences() {
        let x = irregular([2, 3, 4])
        let places = Tensor([1, 1, 0, 2, 0, 1] as [Int64], shape: [2, 3, 1])
        for (mode, name) in [
            (PaddingMode.constant(2), "constant"), (.reflect, "reflect"), (.replicate, "replicate"),
            (.circular, "circular"),
        ] {
            expectGradients(of: [x], "\(name) padding") { $0[0].padded(before: [0, 1, 2], after: [1, 2, 0], mode) }
        }
        expectGradients(of: [x], "flip") { $0[0].flipped(along: [0, -1]) }
        expectGradients(of: [x], "roll") { $0[0].rolled(by: -1, along: 1) }
        expectGradients(of: [x], "repeat") { $0[0].repeated([2, 1, 2]) }
        expectGradients(of: [x], "every other") { $0[0].slice(0..<4, along: 2, step: 2) }
        expectGradients(of: [x], "picked") { $0[0].elements(at: places, along: 2) }
        expectGradients(of: [x, irregular([2, 3, 1], phase: 1)], "scattered") {
            $0[0].scatterAdded($0[1], at: places, along: 2)
        }
        expectGradients(of: [x], "index select") { $0[0].gathered(at: Tensor([2, 2, 0] as [Int64]), along: 1) }
        expectGradients(of: [x], "triangle") { $0[0].lowerTriangle(offset: 1) }
        expectGradients(of: [x], "diagonal") { $0[0].diagonal(offset: 1) }
        expectGradients(of: [x], "diagonal matrix") { $0[0].diagonalMatrix(offset: -1) }
        expectGradients(of: [x, irregular([4, 2, 5], phase: 1)], "einsum") { einsum("bij,jbk->kib", $0) }
    }

    @Test func sequencesAndUnitMatrices() {
        #expect(Tensor.arange(to: 3).scalars() == [0, 1, 2])
        #expect(Tensor.arange(1, to: 2.1, by: 0.5).scalars() == [1, 1.5, 2])
        #expect(Tensor.arange(3, to: 0, by: -2).scalars() == [3, 1])
        #expect(Tensor.arange(to: 0).shape == [0])
        #expect(Tensor.linspace(0, through: 1, count: 5).scalars() == [0, 0.25, 0.5, 0.75, 1])
        #expect(Tensor.linspace(2, through: 9, count: 1).scalars() == [2])
        #expect(Tensor.indices(3).scalars(as: Int64.self) == [0, 1, 2])
        #expect(Tensor.eye(2, columns: 3).scalars() == [1, 0, 0, 0, 1, 0])
        #expect(Tensor.eye(0).shape == [0, 0])
    }

    @Test func axesComeAndGo() {
        let x = Tensor.zeros([2, 1, 3, 1])
        #expect(x.squeezed().shape == [2, 3])
        #expect(x.squeezed(1).shape == [2, 3, 1])
        #expect(x.expanded(at: -1).shape == [2, 1, 3, 1, 1])
        #expect(x.swapping(0, -2).shape == [3, 1, 2, 1])
        #expect(x.flattened(from: 1).shape == [2, 3])
        #expect(x.flattened().shape == [6])
        #expect(Tensor(Float(1)).flattened().shape == [1])
        #expect(x.split(every: 2, along: 2).map(\.shape) == [[2, 1, 2, 1], [2, 1, 1, 1]])
        #expect(x.unstacked(along: -2).map(\.shape) == [[2, 1, 1], [2, 1, 1], [2, 1, 1]])
    }
}
