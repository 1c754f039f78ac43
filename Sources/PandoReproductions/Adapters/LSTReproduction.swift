import PandoBackbones
import PandoBranches
import PandoData
import PandoTraining

/// Whether a ladder beside the backbone saves most of the memory of training inside it, and beats the last layer.
struct LSTReproduction: Reproduction {
    let name = "lst"
    let room = "PandoBranches/Adapters/LST"
    let paper = Paper(
        "LST: Ladder Side-Tuning for Parameter and Memory Efficient Transfer Learning", "Sung et al. 2022",
        arXiv: "2206.06522")
    let claim = """
        A narrow network that climbs beside the backbone trains in half of LoRA's memory or less, and is better than a linear \
        probe.
        """
    let data = """
        1,000 Debian packages, their section (50 classes) from a short description of at most 32 tokens, on MiniLM (6 blocks).
        """
    let parts = [MethodPart("rungs", "the ladder climbs along the deepest two states alone")]

    func run(_ conditions: Conditions) throws -> Findings {
        let trial = try DebianTrial.make(
            name, training: 1000, elsewhere: 400, epochs: 4, contestants(conditions), conditions)
        let outcomes = Outcomes(try trial.run())
        return outcomes.findings(
            [DebianTrial.task],
            [
                outcomes.memory(of: "LST", over: "LoRA, cost alone", atMost: 0.5),
                outcomes.gain(of: "LST", over: "linear probe", atLeast: 0.01),
            ])
    }

    private func contestants(_ conditions: Conditions) -> [AdapterTrial.Contestant] {
        var method = LSTConfiguration()
        if !conditions.has("rungs") { method.taps = ["layers.5", "layers.6"] }
        return [
            .init("linear probe", ProbeConfiguration()),
            .init("LST", method, learningRate: 3e-3),
            .init("LoRA, cost alone", LoRAAdapterConfiguration(), isRehearsed: true),
        ]
    }
}
