import PandoBranches
import PandoTraining

/// Whether tasks that choose channels among all levels beat a plain shared trunk, and one choice for all, of the same size.
struct SwinFaceReproduction: Reproduction {
    let name = "swinface"
    let room = "PandoBranches/Sharing/Policies/SwinFace"
    let paper = Paper(
        "SwinFace: A Multi-task Transformer for Face Recognition, Expression Recognition, Age Estimation and Attribute Estimation",
        "Qin et al. 2023", arXiv: "2308.11509")
    let claim = """
        Tasks that each weigh channels of several levels beat a shared trunk over the means of these levels, and one choice \
        of channels for all tasks, both with as many parameters.
        """
    let data = LevelTrial.data
    let parts = [
        MethodPart("levels", "tasks choose among the channels of the deepest level alone"),
        MethodPart("weights", "no channel is weighed"),
    ]

    let remarks = """
        Most of the gain over the trunk is not the tasks' choice: one choice for all tasks has it too, because it looks at \
        places where the trunk looks at means, for over twenty times the multiply-adds. A choice for each task adds 2.7 \
        points to that. The deepest level alone scores 81.4 ± 1.4, 1.9 points less, though it has more parameters; channels \
        that are not weighed 82.3 ± 1.3, a point less, which is within noise. Levels end at a stride of 16: with maps of \
        three by three places as the deepest, validation was 15 to 27 points lower with one seed.
        """

    private static let (trunk, one, method) = (
        "shared trunk, as many parameters", "one choice for all tasks, as many parameters", "SwinFace"
    )

    func run(_ conditions: Conditions) throws -> Findings {
        let trial = try LevelTrial(name, epochs: 6, conditions)
        func configuration(width: Int) -> SwinFaceConfiguration {
            var method = SwinFaceConfiguration()
            (method.taps, method.width) = (Array(LevelTrial.levels.dropLast()), width)
            return method
        }
        var method = configuration(width: 48)
        let trunk = try trial.trunk(asLargeAs: method)
        let one = try trial.widest(asLargeAs: method) { OneForAll(configuration(width: $0)) }
        method.attention = conditions.has("weights")
        if !conditions.has("levels") { method.taps = [LevelTrial.levels[2]] }
        return try trial.run([
            .init(Self.trunk, trunk, learningRate: 1e-3), .init(Self.one, one, learningRate: 1e-3),
            .init(Self.method, method, learningRate: 3e-3),
        ]).findings(Self.method, over: [Self.trunk, Self.one])
    }
}
