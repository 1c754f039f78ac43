import PandoBackbones
import PandoBranches
import PandoData
import PandoTraining

/// Whether low-rank updates come near training the whole network, and what memory they do not save.
struct LoRAReproduction: Reproduction {
    let name = "lora"
    let room = "PandoBranches/Adapters/LoRA"
    let paper = Paper(
        "LoRA: Low-Rank Adaptation of Large Language Models", "Hu et al. 2021", arXiv: "2106.09685")
    let claim = """
        Low-rank updates come within two points of training the whole network, with less than a fiftieth of its \
        parameters. What must be kept for the backward pass stays of the order of the whole network's: that is what \
        UniPT and SHERL save.
        """
    let data = """
        1,000 Debian packages, their section (50 classes) from a short description of at most 32 tokens, on MiniLM \
        (6 blocks), in bfloat16.
        """
    let parts = [
        MethodPart("depth", "only the last block is updated"),
        MethodPart("values", "the projections to values stay as they are, those to queries alone are updated"),
    ]

    let remarks = """
        More places do not help: on validation, updates of all linear maps did no better than those of queries and values, and \
        training the biases alone did as well. What it saves is the optimizer's state and the second copy of the weights; \
        of the activations, which decide on larger batches, more than two thirds stay.
        """

    func run(_ conditions: Conditions) throws -> Findings {
        let trial = try DebianTrial.make(
            name, training: 1000, elsewhere: 600, epochs: 4, precision: .bfloat16, contestants(conditions), conditions)
        let outcomes = Outcomes(try trial.run())
        let (lora, full, reading) = (outcomes["LoRA"], outcomes["full"], outcomes["UniPT"])
        return outcomes.findings(
            [DebianTrial.task],
            [
                outcomes.gain(of: "LoRA", over: "full", atLeast: -0.02, "LoRA comes near full"),
                outcomes.gain(of: "LoRA", over: "linear probe", atLeast: 0.02),
                Check(
                    "trained parameters of LoRA, held against full", lora.parameters.mean / full.parameters.mean, .atMost,
                    0.02, .ratio),
                Check(
                    "kept activations of LoRA, held against full", lora.activations.mean / full.activations.mean, .atLeast,
                    0.45, .ratio),
                Check(
                    "kept activations of LoRA, held against UniPT", lora.activations.mean / reading.activations.mean,
                    .atLeast, 2, .ratio),
            ])
    }

    private func contestants(_ conditions: Conditions) -> [AdapterTrial.Contestant] {
        var method = LoRAAdapterConfiguration()
        if !conditions.has("depth") { method.layers = ["5"] }
        if !conditions.has("values") { method.targets = ["query"] }
        return [
            .init("linear probe", ProbeConfiguration()),
            .init("UniPT", UniPTConfiguration(), learningRate: 3e-3),
            .init("LoRA", method, learningRate: 5e-3),
            .init("full", FullConfiguration(), learningRate: 2e-4),
        ]
    }
}
