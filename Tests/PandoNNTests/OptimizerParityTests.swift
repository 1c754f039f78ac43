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
        default: stop("\(golden.operation) has no optimizer of ours")
        }
    }

    private static let cases = GoldenCase.all.filter { GoldenCase.optimizers.contains($0.operation) }

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

    @Test func clippingKeepsTheDirectionAndLimitsTheLength() {
        let gradients = Gradients([Tensor([3, 0] as [Float]), Tensor([0, 0, 4] as [Float])])
        #expect(gradients.norm == 5)
        let clipped = gradients.clipped(toNorm: 1)
        expectClose(clipped.tensors[0], Tensor([0.6, 0] as [Float]))
        expectClose(clipped.tensors[1], Tensor([0, 0, 0.8] as [Float]))
        #expect(gradients.clipped(toNorm: 6).tensors[0].scalars() == [3, 0])
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
        #expect(said.contains("AdamW: the state holds moments of 1 parameters, the module has 2"))
    }
}
