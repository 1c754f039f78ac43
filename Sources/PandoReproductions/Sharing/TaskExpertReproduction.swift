import PandoBranches
import PandoTraining

/// Whether experts at several levels, gated by each task and carried by its memory, beat a plain shared trunk and a mixture
/// of experts of the same size.
struct TaskExpertReproduction: Reproduction {
    let name = "taskexpert"
    let room = "PandoBranches/Sharing/Policies"
    let paper = Paper(
        "TaskExpert: Dynamically Assembling Multi-Task Representations with Memorial Mixture-of-Experts",
        "Ye and Xu 2023", arXiv: "2307.15324")
    let claim = """
        Experts at several levels that each task mixes for every example, and carries on in a memory, beat a shared trunk \
        and a mixture of experts over the means of the same levels, both with as many parameters.
        """
    let data = LevelTrial.data
    let parts = [
        MethodPart("memory", "memories only sum up what levels give: no level reads them"),
        MethodPart("gates", "each task mixes experts by learned numbers, the same for every example"),
    ]

    let remarks = """
        The gain rests on neither part that the paper proposes. Memories that no level reads score 64.2 ± 0.4, better than \
        the whole; gates that do not look at the example 63.3 ± 0.3, within noise of it and with a fifth fewer parameters. \
        What is left is that every level has experts of its own and every task layers of its own, where trunk and mixture \
        see all levels side by side: by its parts, the paper's claim is not reproduced. Its tasks are dense, its memories \
        maps; here they are vectors of a picture's means, in which a figure's place is hardly to be seen.
        """

    private static let (trunk, experts, method) = (
        "shared trunk, as many parameters", "MMoE, as many parameters", "TaskExpert"
    )

    func run(_ conditions: Conditions) throws -> Findings {
        let trial = try LevelTrial(name, epochs: 6, conditions)
        var method = TaskExpertConfiguration()
        method.taps = LevelTrial.levels
        let trunk = try trial.trunk(asLargeAs: method)
        let experts = try trial.widest(asLargeAs: method) { width in
            var mixture = MMoEConfiguration()
            (mixture.experts, mixture.width) = (5, width)
            return mixture
        }
        (method.memory, method.gates) = (conditions.has("memory"), conditions.has("gates"))
        return try trial.run([
            .init(Self.trunk, trunk, learningRate: 3e-4), .init(Self.experts, experts, learningRate: 1e-3),
            .init(Self.method, method, learningRate: 1e-3),
        ]).findings(Self.method, over: [Self.trunk, Self.experts])
    }
}
