import PandoReproductions

/// A method that beats chance by four points with its key part, and by one without.
struct ExampleReproduction: Reproduction {
    var name = "example"
    let room = "PandoBranches/Adapters"
    let paper = Paper("An Example", "Doe et al. 2020", arXiv: "2001.00001")
    let claim = "It beats chance by three points."
    let data = "None."
    var parts = [MethodPart("key", "nothing is turned"), MethodPart("charm", "nobody is charmed")]
    let remarks = "Chance was not consulted."

    func run(_ conditions: Conditions) throws -> Findings {
        let score = conditions.has("key") ? 0.54 : 0.51
        let scores = conditions.seeds.map { score + 0.01 * Double($0) }
        return Findings(
            [.init("accuracy", .percent), .init("trained parameters", .count)],
            [
                Findings.Row("chance", [Sample(0.5), nil]),
                Findings.Row("example", [Sample(scores), Sample(73_728)]),
            ],
            [Check("it beats chance", Sample(scores).mean - 0.5, .atLeast, 0.03, .points)])
    }
}
