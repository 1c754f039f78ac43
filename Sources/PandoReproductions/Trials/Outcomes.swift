import PandoTraining

/// What became of all contestants of a trial, by name.
struct Outcomes {
    let all: [AdapterTrial.Outcome]

    init(_ all: [AdapterTrial.Outcome]) { self.all = all }

    /// - Precondition: there is a contestant of this name.
    subscript(name: String) -> AdapterTrial.Outcome { all.first { $0.name == name }! }

    /// What each contestant costs.
    static let costs: [Findings.Column] = [
        .init("trained parameters", .count), .init("training memory", .bytes), .init("kept activations", .bytes),
        .init("training time", .seconds),
    ]

    /// The table: a score for each task, and what each contestant costs.
    func findings(_ tasks: [(name: String, title: String)], _ checks: [Check]) -> Findings {
        let rows = all.map { outcome in
            Findings.Row(
                outcome.name,
                tasks.map { outcome.test[$0.name] }
                    + [outcome.parameters, outcome.memory, outcome.activations, outcome.seconds])
        }
        return Findings(tasks.map { .init($0.title, .percent) } + Self.costs, rows, checks)
    }

    /// `first` scores better than `second` by so much, on test.
    func gain(of first: String, over second: String, atLeast bound: Double, _ sentence: String? = nil) -> Check {
        Check(
            sentence ?? "\(first) beats \(second)", self[first].score - self[second].score, .atLeast, bound, .points)
    }

    /// `first` needs so much of what `second` needs, at most.
    func memory(of first: String, over second: String, atMost bound: Double) -> Check {
        Check(
            "training memory of \(first), held against \(second)", self[first].memory.mean / self[second].memory.mean,
            .atMost, bound, .ratio)
    }
}
