import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

/// Ten steps of every optimizer against PyTorch's, and what the optimizers remember.
@Suite struct OptimizerParityTests {
    private struct Parameter: Module {
        var weight: Tensor
        mutating func visit(_ visitor: inout some Visitor) { visitor.parameter("weight", &weight) }
    }

    private static func optimizer(_ golden: GoldenCase) -> any Optimizer {
        let a = golden.attributes
        switch golden.operation {
        case "adamW":
            return AdamW(
                learningRate: a.float("learningRate"), betas: (a.float("beta1"), a.float("beta2")),
                epsilon: a.float("epsilon"), weightDecay: a.float("weightDecay"))
        case "sgd":
            return SGD(
                learningRate: a.float("learningRate"), momentum: a.float("momentum"),
                weightDecay: a.float("weightDecay"), nesterov: a.bool("nesterov"))
        case "lamb":
            return LAMB(
                learningRate: a.float("learningRate"), betas: (a.float("beta1"), a.float("beta2")),
                epsilon: a.float("epsilon"), weightDecay: a.float("weightDecay"))
        case "adafactor":
            return Adafactor(
                learningRate: a.float("learningRate"), clipThreshold: a.float("clipThreshold"),
                weightDecay: a.float("weightDecay"), scalesByParameter: a.bool("scales"))
        default: stop("\(golden.operation) has no optimizer of ours")
        }
    }

    private static let cases = (GoldenCase.all + GoldenCase.cases(in: "training"))
        .filter { GoldenCase.optimizers.contains($0.operation) }

    /// The parameter after each step along the stored gradients, beginning with step `first`.
    private static func path(
        _ optimizer: inout any Optimizer, _ parameter: inout Parameter, along gradients: Tensor, steps: Range<Int>
    ) -> [Tensor] {
        steps.map { step in
            let gradient = gradients.slice(step..<step + 1).reshaped(parameter.weight.shape)
            optimizer.update(&parameter, along: Gradients([gradient]))
            return parameter.weight
        }
    }

    @Test func everyStoredOptimizerIsHeld() {
        #expect(Set(Self.cases.map(\.operation)) == GoldenCase.optimizers)
    }

    @Test(arguments: cases)
    func tenStepsEqualPyTorch(golden: GoldenCase) {
        var optimizer = Self.optimizer(golden)
        var parameter = Parameter(weight: golden.inputs[0])
        let path = Self.path(&optimizer, &parameter, along: golden.inputs[1], steps: 0..<golden.output.shape[0])
        expectClose(.stacked(path), golden.output, golden.name)
    }

    @Test(arguments: cases)
    func aRestoredOptimizerContinuesBitForBit(golden: GoldenCase) {
        let gradients = golden.inputs[1]
        var (unbroken, begun, restored) = (Self.optimizer(golden), Self.optimizer(golden), Self.optimizer(golden))
        var parameter = Parameter(weight: golden.inputs[0])
        let whole = Self.path(&unbroken, &parameter, along: gradients, steps: 0..<10)
        parameter.weight = golden.inputs[0]
        _ = Self.path(&begun, &parameter, along: gradients, steps: 0..<4)
        restored.state = begun.state
        let rest = Self.path(&restored, &parameter, along: gradients, steps: 4..<10)
        #expect(rest.map { $0.scalars() } == whole[4...].map { $0.scalars() })
    }

    @Test func aStepMovesEveryParameterByItsOwnGradient() {
        var layer = Linear(weight: .zeros([2, 3]), bias: .zeros([2]))
        let gradients = Gradients([irregular([2, 3]), irregular([2], phase: 1)])
        var optimizer = SGD(learningRate: 0.5)
        optimizer.update(&layer, along: gradients)
        expectClose(layer.weight, gradients.tensors[0] * -0.5)
        expectClose(layer.bias!, gradients.tensors[1] * -0.5)
    }

    /// In a process of its own, because it counts memory.
    @Test func aStepChangesParametersInPlaceAndNobodyElses() async {
        await #expect(processExitsWith: .success) {
            var layer = Linear(weight: .ones([64, 64]), bias: .ones([64]))
            let gradients = Gradients([.ones([64, 64]), .ones([64])])
            var optimizer = AdamW(learningRate: 0.1)
            optimizer.update(&layer, along: gradients)
            let grown = MemoryMeter.measure { optimizer.update(&layer, along: gradients) }.peakBytes
            #expect(grown == 0, "nothing is copied that nobody else holds")
            let (kept, remembered) = (layer, optimizer.state)
            let (weights, moment) = (kept.weight.scalars(), remembered["0.exp_avg"]!.scalars())
            optimizer.update(&layer, along: gradients)
            #expect(kept.weight.scalars() == weights && layer.weight.scalars() != weights)
            #expect(remembered["0.exp_avg"]!.scalars() == moment)
        }
    }

    @Test func groupsScaleRatesSpareDecayAndFreeze() {
        var plain = Linear(weight: .ones([2, 3]), bias: .ones([2]))
        var grouped = plain
        let gradients = Gradients([irregular([2, 3]), irregular([2], phase: 1)])
        var (optimizer, other) = (SGD(learningRate: 0.5, weightDecay: 0.1), SGD(learningRate: 0.5, weightDecay: 0.1))
        other.groups = [ParameterGroup(.named("w*t"), learningRateScale: 0.1), .withoutDecay]
        optimizer.update(&plain, along: gradients)
        other.update(&grouped, along: gradients)
        expectClose(grouped.weight - 1, (plain.weight - 1) * 0.1)
        expectClose(grouped.bias!, 1 - gradients.tensors[1] * 0.5)
        var adam = AdamW(learningRate: 0.1, groups: [.frozen("bias")])
        let bias = grouped.bias!
        adam.update(&grouped, along: gradients)
        #expect(grouped.bias!.scalars() == bias.scalars())
        #expect(Set(adam.state.keys) == ["step", "parameters", "0.exp_avg", "0.exp_avg_sq"])
    }

    @Test(arguments: [
        ("weight", true), ("*", true), ("w*", true), ("*.weight", false), ("weigh?", true), ("w?", false),
        ("*i*t", true), ("", false), ("weight*", true), ("eight", false),
    ])
    func aPatternTakesTheWholeName(pattern: String, isTaken: Bool) {
        var layer = Linear(weight: .ones([1, 1]))
        var optimizer = SGD(learningRate: 1, groups: [.frozen(pattern)])
        optimizer.update(&layer, along: Gradients([.ones([1, 1])]))
        #expect((layer.weight.scalar() == 1) == isTaken)
    }

    @Test func clippingKeepsTheDirectionAndLimitsTheLength() {
        let gradients = Gradients([Tensor([3, 0] as [Float]), Tensor([0, 0, 4] as [Float])])
        #expect(gradients.norm == 5)
        let clipped = gradients.clipped(toNorm: 1)
        expectClose(clipped.tensors[0], Tensor([0.6, 0] as [Float]))
        expectClose(clipped.tensors[1], Tensor([0, 0, 0.8] as [Float]))
        #expect(gradients.clipped(toNorm: 6).tensors[0].scalars() == [3, 0])
        var own = gradients
        own.clip(toNorm: 1)
        #expect(zip(own.tensors, clipped.tensors).allSatisfy { $0.scalars() == $1.scalars() })
        #expect(gradients.clipped(toMagnitude: 3.5).tensors.map { $0.scalars() } == [[3, 0], [0, 0, 3.5]])
    }

    @Test func gradientsTellTheirLengthByGroupAndWhetherTheyAreFinite() {
        let layer = Linear(weight: .zeros([1, 2]), bias: .zeros([1]))
        var gradients = Gradients([Tensor([3, 4] as [Float], shape: [1, 2]), Tensor([2] as [Float])])
        #expect(gradients.norms(of: layer, in: [ParameterGroup(.vectors), ParameterGroup(.all)]) == [2, 5])
        #expect(gradients.norms(of: layer, in: [ParameterGroup(.named("*eight")), ParameterGroup(.named("x"))]) == [5, 0])
        #expect(gradients.isFinite)
        gradients.tensors[1] = Tensor([.nan] as [Float])
        #expect(!gradients.isFinite)
    }

    @Test func accumulatedGradientsOfPartsAreThoseOfTheWhole() {
        let layer = Linear(weight: irregular([3, 4]), bias: irregular([3], phase: 1))
        let x = irregular([6, 4], phase: 2)
        let whole = valueAndGradients(of: layer) { $0(x).squared().mean() }.gradients
        var accumulator = GradientAccumulator()
        for _ in 0..<2 {
            for (rows, weight) in [(0..<4, Float(4)), (4..<6, 2)] {
                let part = valueAndGradients(of: layer) { $0(x.slice(rows)).squared().mean() }.gradients
                accumulator.add(part, weight: weight)
            }
            for (found, expected) in zip(accumulator.take().tensors, whole.tensors) { expectClose(found, expected) }
        }
    }

    @Test func theMovingAverageFollowsAndIsRestored() {
        var (average, restored) = (Linear(weight: .ones([2, 2])), Linear(weight: .zeros([2, 2])))
        var moving = MovingAverage(of: average, decay: 0.75, warmsUp: true)
        moving.update(towards: Linear(weight: .zeros([2, 2])))
        #expect(moving.module.weight.scalars() == [0.1, 0.1, 0.1, 0.1], "the first decay is a tenth")
        (average, restored) = (moving.module, moving.module)
        var again = MovingAverage(of: restored, decay: 0.75, warmsUp: true, updates: moving.updates)
        moving.update(towards: Linear(weight: .ones([2, 2])))
        again.update(towards: Linear(weight: .ones([2, 2])))
        #expect(again.module.weight.scalars() == moving.module.weight.scalars())
        #expect(average.weight.scalars() == [0.1, 0.1, 0.1, 0.1], "other copies stay as they were")
    }

    @Test func theStateOfAnotherModuleIsRefused() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var layer = Linear(weight: .zeros([2, 3]), bias: .zeros([2]))
            var optimizer = AdamW(learningRate: 0.1)
            optimizer.state = [
                "step": Tensor(1 as Int64), "0.exp_avg": .zeros([2, 3]), "0.exp_avg_sq": .zeros([2, 3]),
            ]
            optimizer.update(&layer, along: Gradients([.zeros([2, 3]), .zeros([2])]))
        }
        let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(said.contains("AdamW: the state remembers 1 parameters, the module has 2"))
    }
}
