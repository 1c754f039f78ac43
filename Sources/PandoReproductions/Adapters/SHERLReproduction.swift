import PandoBackbones
import PandoBranches
import PandoData
import PandoTensor
import PandoTraining

/// Whether one late block and redundancy make more of early states than a parallel network.
struct SHERLReproduction: Reproduction {
    let name = "sherl"
    let room = "PandoBranches/Adapters/SHERL"
    let paper = Paper(
        "SHERL: Synthesizing High Accuracy and Efficient Memory for Resource-Limited Transfer Learning",
        "Diao et al. 2024", arXiv: "2407.07523")
    let claim = """
        Early states, fused by relevance over redundancy, then run through the last frozen block, beat UniPT for the memory \
        of that one block more; states that resemble each other share what one of them would count.
        """
    let data = """
        1,000 Debian packages, their section (50 classes) from a short description of at most 32 tokens, on MiniLM (6 blocks).
        """
    let parts = [
        MethodPart("redundancy", "relevance is not divided by redundancy"),
        MethodPart("late", "no block of the backbone is run on what was fused"),
    ]

    func run(_ conditions: Conditions) throws -> Findings {
        let trial = try DebianTrial.make(
            name, training: 1000, elsewhere: 400, epochs: 4, contestants(conditions), conditions)
        let outcomes = Outcomes(try trial.run())
        let allowed = outcomes["UniPT"].activations.mean + outcomes["full, cost alone"].activations.mean / 6
        return outcomes.findings(
            [DebianTrial.task],
            [
                outcomes.gain(of: "SHERL", over: "UniPT", atLeast: 0.005),
                Check(
                    "kept activations of SHERL, held against UniPT's and a sixth of the network's",
                    outcomes["SHERL"].activations.mean / allowed, .atMost, 1.1, .ratio),
                Check(
                    "total weight of a layer that is given three times, held against once",
                    Self.weightOfThree(dividesByRedundancy: conditions.has("redundancy")), .atMost, 1.2, .ratio),
            ])
    }

    private func contestants(_ conditions: Conditions) -> [AdapterTrial.Contestant] {
        var method = SHERLConfiguration()
        method.redundancy = conditions.has("redundancy")
        if !conditions.has("late") { method.late = 0 }
        var (plain, early) = (method, method)
        (plain.redundancy, early.late) = (false, 0)
        return [
            .init("linear probe", ProbeConfiguration()),
            .init("UniPT", UniPTConfiguration(), learningRate: 3e-3),
            .init("SHERL", method, learningRate: 3e-3),
            .init("SHERL, no redundancy", plain, learningRate: 3e-3),
            .init("SHERL, no late block", early, learningRate: 3e-3),
            .init("full, cost alone", FullConfiguration(), isRehearsed: true),
        ]
    }

    /// The total weight of a state that stands among five others three times, over its weight when it stands there once:
    /// the mean over random tokens.
    static func weightOfThree(dividesByRedundancy: Bool) -> Double {
        var generator = SeededGenerator(seed: 0)
        let (tokens, states, width) = (512, 6, 96)
        let fusion = SHERLFusion(width: width, dividesByRedundancy: dividesByRedundancy, using: &generator)
        let once = Tensor.normal([tokens, states, width], using: &generator)
        let guide = Tensor.normal([tokens, width], using: &generator)
        let copied = once.slice(0..<1, along: 1)
        func weight(of copies: Int) -> Double {
            let all = Tensor.concatenated([Tensor](repeating: copied, count: copies - 1) + [once], along: 1)
            return Double(fusion.weights(states: all, guide: guide).slice(0..<copies, along: 1).sum().scalar())
        }
        return weight(of: 3) / weight(of: 1)
    }
}
