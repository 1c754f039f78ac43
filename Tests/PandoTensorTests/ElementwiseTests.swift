import CKernels
import Glibc
@testable import PandoTensor
import PandoTestSupport
import Testing

/// Functions of elements, reductions, running sums and orders against PyTorch in `float64`, and at their ends.
@Suite struct ElementwiseTests {
    private static let calls: [String: GoldenCall] = [
        "leakyReLU": { x, a in x[0].leakyReLU(slope: a.float("slope")) },
        "elu": { x, a in x[0].elu(alpha: a.float("alpha")) },
        "selu": { x, _ in x[0].selu() },
        "celu": { x, a in x[0].celu(alpha: a.float("alpha")) },
        "prelu": { x, _ in x[0].parametricReLU(slopes: x[1]) },
        "hardTanh": { x, _ in x[0].hardTanh() },
        "geluTanh": { x, _ in x[0].gelu(approximatedByTanh: true) },
        "mish": { x, _ in x[0].mish() },
        "hardSwish": { x, _ in x[0].hardSwish() },
        "hardSigmoid": { x, _ in x[0].hardSigmoid() },
        "softplus": { x, a in x[0].softplus(beta: a.float("beta")) },
        "expm1": { x, _ in x[0].expm1() },
        "log1p": { x, _ in x[0].log1p() },
        "erf": { x, _ in x[0].erf() },
        "cbrt": { x, _ in x[0].cubeRoot() },
        "rsqrt": { x, _ in x[0].reciprocalSquareRoot() },
        "reciprocal": { x, _ in x[0].reciprocal() },
        "sign": { x, _ in x[0].sign() },
        "floor": { x, _ in x[0].floor() },
        "ceil": { x, _ in x[0].ceil() },
        "round": { x, _ in x[0].rounded() },
        "powTensor": { x, _ in x[0].power(x[1]) },
        "remainder": { x, _ in x[0].remainder(x[1]) },
        "lerp": { x, _ in x[0].lerp(to: x[1], weight: x[2]) },
        "clampTensor": { x, _ in x[0].clamped(x[1], x[2]) },
        "clampLow": { x, _ in x[0].clamped((-0.5)...) },
        "clampHigh": { x, _ in x[0].clamped(...0.5) },
        "eq": { x, _ in x[0] .== x[1] },
        "ne": { x, _ in x[0] .!= x[1] },
        "lt": { x, _ in x[0] .< x[1] },
        "le": { x, _ in x[0] .<= x[1] },
        "gt": { x, _ in x[0] .> x[1] },
        "ge": { x, _ in x[0] .>= x[1] },
        "eqNumber": { x, _ in x[0] .== 1 },
        "neNumber": { x, _ in x[0] .!= 1 },
        "ltNumber": { x, _ in x[0] .< 1 },
        "leNumber": { x, _ in x[0] .<= 1 },
        "gtNumber": { x, _ in x[0] .> 1 },
        "geNumber": { x, _ in x[0] .>= 1 },
        "logical_and": { x, _ in x[0] .& x[1] },
        "logical_or": { x, _ in x[0] .| x[1] },
        "logical_xor": { x, _ in x[0] .^ x[1] },
        "logical_not": { x, _ in .!x[0] },
        "maskedFill": { x, _ in x[0].filled(with: 2.5, where: x[1]) },
        "maskedSelect": { x, _ in x[0].selected(where: x[1]) },
        "min": { x, a in x[0].min(along: a.integers("axes"), keepingAxes: a.bool("keepAxes")) },
        "max": { x, a in x[0].max(along: a.integers("axes"), keepingAxes: a.bool("keepAxes")) },
        "product": { x, a in x[0].product(along: a.integers("axes"), keepingAxes: a.bool("keepAxes")) },
        "norm1": { x, a in x[0].norm(1, along: a.integers("axes"), keepingAxes: a.bool("keepAxes")) },
        "norm": { x, a in
            x[0].norm(orders[a.string("order")]!, along: a.integers("axes"), keepingAxes: a.bool("keepAxes"))
        },
        "variance": { x, a in
            x[0].variance(
                along: a.integers("axes"), correction: a.integer("correction"), keepingAxes: a.bool("keepAxes"))
        },
        "deviation": { x, a in
            x[0].standardDeviation(
                along: a.integers("axes"), correction: a.integer("correction"), keepingAxes: a.bool("keepAxes"))
        },
        "argmax": { x, a in x[0].argmax(along: a.integer("axis")) },
        "argmin": { x, a in x[0].argmin(along: a.integer("axis")) },
        "any": { x, a in x[0].any(along: [a.integer("axis")]) },
        "all": { x, a in x[0].all(along: [a.integer("axis")]) },
        "cumsum": { x, a in x[0].cumulativeSum(along: a.integer("axis")) },
        "cumprod": { x, a in x[0].cumulativeProduct(along: a.integer("axis")) },
        "cummax": { x, a in x[0].cumulativeMax(along: a.integer("axis")).values },
        "cummin": { x, a in x[0].cumulativeMin(along: a.integer("axis")).values },
        "sort": { x, a in x[0].sorted(along: a.integer("axis"), descending: a.bool("descending")).values },
        "argsort": { x, a in x[0].argsort(along: a.integer("axis"), descending: a.bool("descending")) },
        "topK": { x, a in
            x[0].topK(a.integer("count"), along: a.integer("axis"), largest: a.bool("largest")).values
        },
        "median": { x, a in x[0].median(along: a.integer("axis")) },
        "quantile": { x, a in x[0].quantile(0.3, along: a.integer("axis")) },
    ]

    private static let orders: [String: Float] = [
        "2": 2, "half": 0.5, "3": 3, "infinity": .infinity, "lowest": -.infinity,
    ]

    private static let cases = GoldenCase.cases(in: "elementwise")

    @Test func everyStoredOperationIsHeld() {
        #expect(Set(Self.cases.map(\.operation)) == Set(Self.calls.keys))
    }

    @Test(arguments: cases)
    func valueAndGradientsEqualPyTorch(golden: GoldenCase) throws {
        expectParity(golden, try #require(Self.calls[golden.operation], "\(golden.operation) has no call of ours"))
    }

    @Test(arguments: cases.filter { ["sort", "topK"].contains($0.operation) })
    func positionsEqualPyTorch(golden: GoldenCase) throws {
        let (x, a) = (golden.inputs[0], golden.attributes)
        let found =
            golden.operation == "sort"
            ? x.sorted(along: a.integer("axis"), descending: a.bool("descending")).indices
            : x.topK(a.integer("count"), along: a.integer("axis"), largest: a.bool("largest")).indices
        expectClose(found, try #require(golden.extras["indices"]), relative: 0)
    }

    /// Against the C library in double precision, each result for itself.
    @Test func functionsKeepTheirDigitsFromEndToEnd() {
        let steps = Array(-1200...1200)
        func expect(
            _ name: String, _ arguments: [Float], _ found: (Tensor) -> Tensor, _ right: (Double) -> Double
        ) {
            for (value, argument) in zip(found(Tensor(arguments)).scalars(), arguments) {
                let expected = right(Double(argument))
                #expect(
                    abs(Double(value) - expected) <= 3e-7 * abs(expected),
                    "\(name) of \(argument): \(value), expected \(expected)")
            }
        }
        let wide = steps.map { Float($0) * 0.0717 }
        let small = steps.map { Float($0) * 1.3e-5 }
        expect("expm1", wide + small, { $0.expm1() }, expm1)
        expect("log1p", (wide + small).filter { $0 > -1 }, { $0.log1p() }, log1p)
        expect("erf", wide + small, { $0.erf() }, erf)
        expect("cube root", wide + small + [1e-40, -1e-44, .greatestFiniteMagnitude], { $0.cubeRoot() }, cbrt)
        for value in steps.map({ Float($0) * 0.125 }) + [8_388_609, -4_194_304.5, 1e20] {
            let x = Tensor(value)
            #expect(x.floor().scalar() == value.rounded(.down))
            #expect(x.ceil().scalar() == value.rounded(.up))
            #expect(x.rounded().scalar() == value.rounded(.toNearestOrEven))
        }
    }

    @Test func theEndsOfTheRangeAreRight() {
        let ends = Tensor([.infinity, -.infinity, .nan, 0] as [Float])
        func expect(_ name: String, _ found: Tensor, _ right: [Float]) {
            for (value, expected) in zip(found.scalars(), right) {
                #expect(value == expected || (value.isNaN && expected.isNaN), "\(name): \(value), expected \(expected)")
            }
        }
        expect("expm1", ends.expm1(), [.infinity, -1, .nan, 0])
        expect("log1p", ends.log1p(), [.infinity, .nan, .nan, 0])
        expect("log1p at -1", Tensor([-1] as [Float]).log1p(), [-.infinity])
        expect("erf", ends.erf(), [1, -1, .nan, 0])
        expect("cube root", ends.cubeRoot(), [.infinity, -.infinity, .nan, 0])
        expect("sign", ends.sign(), [1, -1, .nan, 0])
        expect("floor", ends.floor(), [.infinity, -.infinity, .nan, 0])
        expect("elu", ends.elu(), [.infinity, -1, .nan, 0])
        expect("sorted", ends.sorted().values, [-.infinity, 0, .infinity, .nan])
        expect("sorted down", ends.sorted(descending: true).values, [.nan, .infinity, 0, -.infinity])
        expect("median", ends.median(along: 0), [.nan])
        #expect(ends.argmax().scalar(as: Int64.self) == 2)
        #expect(ends.argmin().scalar(as: Int64.self) == 2)
        expect("running maximum", ends.cumulativeMax(along: 0).values, [.infinity, .infinity, .nan, .nan])
    }

    /// A network that has gone wrong must show it.
    @Test(arguments: [ElementType.float32, .bfloat16, .float16])
    func rectifiersAndBoundsLetWhatIsNoNumberThrough(type: ElementType) {
        let values: [Float] = [.nan, -.nan, -1, 2, -.infinity, .infinity, -0.0]
        let x = Tensor(values + values + values).cast(to: type)
        for (name, found) in [("relu", x.relu()), ("relu6", x.relu6()), ("clamp", x.clamped(0, .infinity))] {
            let found = found.cast(to: .float32).scalars()
            #expect(found[0].isNaN && found[1].isNaN && found[14].isNaN, "\(name) of \(type)")
            #expect(Array(found[2...4]) == [0, 2, 0] && found[6] == 0, "\(name) of \(type)")
            #expect(found[5] == (name == "relu6" ? 6 : .infinity), "\(name) of \(type)")
        }
    }

    @Test func masksTellWhatIsNoNumber() {
        let ends = Tensor([.infinity, -.infinity, .nan, 0] as [Float])
        let tables: [(name: String, found: Tensor, right: [Bool])] = [
            ("finite", ends.finiteMask(), [false, false, false, true]),
            ("infinite", ends.infiniteMask(), [true, true, false, false]),
            ("NaN", ends.nanMask(), [false, false, true, false]),
            ("equal", ends .== ends, [true, true, false, true]),
            ("unequal", ends .!= ends, [false, false, true, false]),
            ("not less", ends .>= 0, [true, false, false, true]), ("less", ends .< 0, [false, true, false, false]),
        ]
        for (name, found, right) in tables { #expect(found.scalars(as: Bool.self) == right, "\(name)") }
    }

    @Test func largeWholeNumbersAreComparedAndSortedExactly() {
        let large = Tensor([1 << 60 + 1, 1 << 60, -(1 << 60), 1 << 60] as [Int64])
        #expect(large.argsort().scalars(as: Int64.self) == [2, 1, 3, 0])
        #expect(large.argsort(descending: true).scalars(as: Int64.self) == [0, 1, 3, 2])
        #expect((large .> Tensor(Int64(1 << 60))).scalars(as: Bool.self) == [true, false, false, false])
        #expect((large .< 0).scalars(as: Bool.self) == [false, false, true, false])
    }

    @Test(arguments: [[3, 5], [1], [0, 4], [2, 1, 3]])
    func gradientsEqualCentralDifferences(shape: [Int]) {
        let table: [(name: String, function: (Tensor) -> Tensor)] = [
            ("leaky relu", { $0.leakyReLU(slope: 0.2) }), ("elu", { $0.elu(alpha: 0.7) }), ("selu", { $0.selu() }),
            ("celu", { $0.celu(alpha: 2) }), ("hard tanh", { ($0 * 3).hardTanh() }), ("mish", { $0.mish() }),
            ("gelu with tanh", { $0.gelu(approximatedByTanh: true) }), ("hard swish", { ($0 * 5).hardSwish() }),
            ("hard sigmoid", { ($0 * 5).hardSigmoid() }), ("softplus", { $0.softplus(beta: 3) }),
            ("expm1", { $0.expm1() }), ("log1p", { ($0 * 0.8).log1p() }), ("erf", { $0.erf() }),
            ("cube root", { ($0 + 2).cubeRoot() }), ("rsqrt", { ($0 + 2).reciprocalSquareRoot() }),
            ("remainder", { ($0 * 0.1 + 1.25).remainder(0.5) }), ("lerp", { $0.lerp(to: $0.squared(), weight: 0.3) }),
            ("fill", { $0.filled(with: 1, where: $0.detached .> 0) }), ("norm 3", { $0.norm(3, along: [-1]) }),
            ("norm 2", { $0.norm(along: [-1], keepingAxes: true) }), ("product", { $0.product(along: [-1]) }),
            ("deviation", { $0.standardDeviation(along: [-1], correction: 0) }),
            ("running sum", { $0.cumulativeSum(along: 0) }), ("running product", { $0.cumulativeProduct(along: 0) }),
            ("running minimum", { $0.cumulativeMin(along: -1).values }), ("sort", { $0.sorted(along: 0).values }),
            ("bounds", { $0.clamped(-0.5, 0.5) }),
        ]
        let x = irregular(shape, phase: 3)
        for (name, function) in table {
            if shape == [1], name == "deviation" { continue }
            expectGradients(of: [x], step: 1e-3, "\(name) of \(shape)") { function($0[0]) }
        }
        let slopes = irregular([shape[shape.count - 1]], phase: 4)
        expectGradients(of: [x, slopes], step: 1e-3, "prelu") { $0[0].parametricReLU(slopes: $0[1]) }
        expectGradients(of: [x + 2, slopes], step: 1e-3, "power") { $0[0].power($0[1]) }
    }

    /// Fused into the linear map before them, or computed for themselves.
    @Test(arguments: [
        Activation.leakyReLU(slope: 0.1), .elu(alpha: 1.5), .geluTanh, .mish, .hardSigmoid, .hardSwish,
    ])
    func programsComputeTheSame(function: Activation) {
        let (weight, bias) = (irregular([7, 5]), irregular([7], phase: 1))
        let x = irregular([3, 5], phase: 2) * 4
        let program = Program(inputShape: x.shape) {
            let activated = linear($0, weight: weight, bias: bias).applying(function)
            return [
                activated, activated.selected(where: (activated .> 0) .& .!(activated .> 1), otherwise: -activated),
            ]
        }
        let expected = linear(x, weight: weight, bias: bias).applying(function)
        let results = program(x)
        expectClose(results[0], expected)
        expectClose(results[1], expected.selected(where: (expected .> 0) .& .!(expected .> 1), otherwise: -expected))
    }

    @Test func medianAndQuantileOfAnEvenCount() {
        let x = Tensor([4, 1, 3, 2] as [Float])
        #expect(x.median(along: 0).scalar() == 2)
        #expect(x.quantile(0.5, along: 0).scalar() == 2.5)
        #expect(x.quantile(1, along: 0, keepingAxes: true).shape == [1])
        #expect(x.quantile(0, along: 0).scalar() == 1)
    }

    /// Far out, at zero and in between, against `float64`.
    @Test(arguments: 0...3)
    func geluGradientIsTheSameByAllInstructions(kind: UInt32) {
        guard kind <= Processor.instructions.rawValue else { return }
        let inputs = stride(from: Float(-12), through: 12, by: 0.013).map { $0 } + [-1e30, 0, 1e30]
        let count = Int64(inputs.count)
        func expected(_ input: Float) -> Double {
            let x = Double(input)
            return erfc(-x / 2.0.squareRoot()) / 2 + x * exp(-x * x / 2) / (2 * Double.pi).squareRoot()
        }
        var found = [Float](repeating: 2, count: inputs.count)
        pando_gelu_gradient_float(inputs, &found, count, pando_instructions(kind))
        for (input, slope) in zip(inputs, found) {
            #expect(abs(Double(slope) - 2 * expected(input)) < 1e-6, "at \(input)")
        }
        let halves = inputs.map { BFloat16($0) }
        var rough = [UInt16](repeating: BFloat16(2).bitPattern, count: inputs.count)
        pando_gelu_gradient_bfloat16(halves.map(\.bitPattern), &rough, count, pando_instructions(kind))
        for (input, slope) in zip(halves, rough) {
            let exact = 2 * expected(Float(input))
            #expect(abs(Double(Float(BFloat16(bitPattern: slope))) - exact) <= abs(exact) / 256 + 1e-6, "at \(input)")
        }
    }
}
