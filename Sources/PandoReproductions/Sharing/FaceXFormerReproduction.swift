import PandoBranches
import PandoTraining

/// Whether task tokens and places that read one another beat a plain shared trunk, and one token for all tasks, of the same
/// size.
struct FaceXFormerReproduction: Reproduction {
    let name = "facexformer"
    let room = "PandoBranches/Sharing/Policies/FaceXFormer"
    let paper = Paper(
        "FaceXFormer: A Unified Transformer for Facial Analysis", "Narayan et al. 2024", arXiv: "2403.12960")
    let claim = """
        A token for each task, in a light decoder where tokens and places read one another, beats a shared trunk over the \
        means of the same levels, and one token for all tasks, both with as many parameters.
        """
    let data = LevelTrial.data
    let parts = [
        MethodPart("face-to-task", "places do not read tokens"),
        MethodPart("token-attention", "tokens do not read one another"),
    ]

    let remarks = """
        What counts is a token for each task. Where places do not read tokens the score is 86.4 ± 0.7, where tokens do not \
        read one another 86.6 ± 0.7: 0.7 and 0.5 points less than the whole, about a deviation, so neither part is shown to \
        help. The trunk sees means alone, at a fifteenth of the multiply-adds; one token for all tasks sees places too, for \
        nearly as many as the whole. It learns more slowly, and after eight epochs is far from fitting its training scenes, \
        which is part of the distance.
        """

    private static let (trunk, one, method) = (
        "shared trunk, as many parameters", "one token for all tasks, as many parameters", "FaceXFormer"
    )

    func run(_ conditions: Conditions) throws -> Findings {
        let trial = try LevelTrial(name, epochs: 8, conditions)
        func configuration(width: Int) -> FaceXFormerConfiguration {
            var method = FaceXFormerConfiguration()
            (method.taps, method.width) = (LevelTrial.levels, width)
            return method
        }
        var method = configuration(width: 64)
        let trunk = try trial.trunk(asLargeAs: method)
        let one = try trial.widest(asLargeAs: method) { OneForAll(configuration(width: $0)) }
        (method.faceToTask, method.tokenAttention) = (conditions.has("face-to-task"), conditions.has("token-attention"))
        return try trial.run([
            .init(Self.trunk, trunk, learningRate: 1e-3), .init(Self.one, one, learningRate: 1e-3),
            .init(Self.method, method, learningRate: 1e-3),
        ]).findings(Self.method, over: [Self.trunk, Self.one])
    }
}
