import PandoBackbones
import PandoBranches
import PandoData
import PandoTraining

/// Whether reading early states in parallel beats the last layer, at the price of a ladder, without gradients inside.
struct UniPTReproduction: Reproduction {
    let name = "unipt"
    let room = "PandoBranches/Adapters/UniPT"
    let paper = Paper(
        "UniPT: Universal Parallel Tuning for Transfer Learning with Efficient Parameter and Memory", "Diao et al. 2024",
        arXiv: "2308.14316")
    let claim = """
        A parallel network over the frozen states beats what reads the last layer alone, is not worse than a ladder (LST) of \
        as many parameters, takes a fraction of LoRA's training memory, and is worse without its interaction or confidence.
        """
    let data = """
        2,000 generated scenes on MobileNetV2 (ImageNet) at 128 pixels: which colours and shapes of figures there are, \
        macro mAP of 16 labels.
        """
    let parts = [
        MethodPart("states", "only the deepest two maps are read, so that nothing comes from earlier stages"),
        MethodPart("interaction", "places see none of other maps"),
        MethodPart("confidence", "all maps count alike"),
    ]

    let remarks = """
        The gain rests on the early maps. Interaction and confidence add nothing that could be told from chance on these \
        scenes. The task matters: with one seed, the colour of the largest figure gave UniPT and LST the same accuracy, 0.76, \
        and the probe 0.49; its position, which UniPT's mean over places cannot tell, UniPT 0.31, LST 0.90, the probe 0.48.
        """

    func run(_ conditions: Conditions) throws -> Findings {
        let trial = try AdapterTrial(plan, contestants(conditions), conditions)
        let outcomes = Outcomes(try trial.run())
        return outcomes.findings(
            [("objects", "objects, mAP")],
            [
                outcomes.gain(of: "UniPT", over: "linear probe", atLeast: 0.03),
                outcomes.gain(of: "UniPT", over: "MLP probe", atLeast: 0.03),
                outcomes.gain(of: "UniPT", over: "LST", atLeast: 0, "UniPT is not worse than LST"),
                outcomes.memory(of: "UniPT", over: "LoRA, cost alone", atMost: 1.0 / 3),
                outcomes.gain(of: "UniPT", over: "UniPT, no interaction", atLeast: 0.001),
                outcomes.gain(of: "UniPT", over: "UniPT, no confidence", atLeast: 0.001),
            ])
    }

    private var plan: Plan {
        Plan(
            name: name, backbone: BackbonePlan(taps: [], pictureSize: 128), data: DataPlan(kind: .scenes, limit: 2000),
            tasks: [TaskPlan(name: "objects", kind: .multilabel)],
            train: TrainPlan(epochs: 8, precision: .float32))
    }

    /// Hidden layer and ladder are as large as UniPT is, 0.38 million parameters.
    private func contestants(_ conditions: Conditions) -> [AdapterTrial.Contestant] {
        var method = UniPTConfiguration()
        if !conditions.has("states") { method.taps = ["features.17", "features.18"] }
        method.interaction = conditions.has("interaction")
        method.confidence = conditions.has("confidence")
        var (alone, equal) = (method, method)
        (alone.interaction, equal.confidence) = (false, false)
        var (perceptron, ladder) = (MLPConfiguration(), LSTConfiguration())
        (perceptron.hidden, ladder.reduction) = (290, 14)
        return [
            .init("linear probe", ProbeConfiguration()),
            .init("MLP probe", perceptron),
            .init("LST", ladder, learningRate: 3e-3),
            .init("UniPT", method, learningRate: 3e-3),
            .init("UniPT, no interaction", alone, learningRate: 3e-3),
            .init("UniPT, no confidence", equal, learningRate: 3e-3),
            .init("LoRA, cost alone", LoRAAdapterConfiguration(), isRehearsed: true),
        ]
    }
}
