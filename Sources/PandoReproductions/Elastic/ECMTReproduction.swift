import PandoBranches
import PandoData
import PandoNN
import PandoTensor
import PandoTraining

/// Whether one encoder and its decoders can be slimmed after training, and whether preferences then move accuracy.
struct ECMTReproduction: Reproduction {
    let name = "ecmt"
    let room = "PandoBranches/Elastic/ECMT"
    let paper = Paper("Efficient Controllable Multi-Task Architectures", "Aich et al. 2023", arXiv: "2308.11744")
    let claim = """
        Trained at several widths at once, with slim encodings held to the whole one's, one network serves every budget \
        better than the same network slimmed after training, and at a fixed cost preferences move accuracy between tasks.
        """
    let data = """
        3,000 Debian packages with three tasks (section, role, implemented-in) on the stored vectors of MiniLM; time is \
        measured on 256 vectors, one thread.
        """
    let parts = [
        MethodPart("distillation", "slim encodings are held to nothing"),
        MethodPart("sandwich", "the slimmest configuration is not trained at each step"),
        MethodPart("slimming", "only the whole is trained"),
    ]

    let remarks = """
        The encoder adds to the frozen vector, so it can be slimmed for nearly nothing even untrained for it; what collapses \
        without training at several widths are the decoders, and with them the slimmest points. Decoders are kept narrow (24 \
        units, 6 when slimmest): wide ones have capacity to spare for these tasks, and preferences would move nothing. \
        Distillation, at a weight of 1 that was not searched, costs two to three points at every level here.
        """

    private static let (method, undistilled, plain) = ("ECMT", "without distillation", "slimmed after training")
    private static let tasks = [
        TaskPlan(name: "section", kind: .classification, minimumCount: 2),
        TaskPlan(name: "implemented-in", kind: .multilabel), TaskPlan(name: "role", kind: .multilabel),
    ]

    func run(_ conditions: Conditions) throws -> Findings {
        var method = ECMTConfiguration()
        (method.decoder, method.features) = (24, 64)
        var (undistilled, plain) = (method, method)
        undistilled.distillation = 0
        (plain.drawn, plain.sandwich, plain.distillation) = (0, false, 0)
        if !conditions.has("distillation") { method.distillation = 0 }
        if !conditions.has("sandwich") { method.sandwich = false }
        if !conditions.has("slimming") { method = plain }
        let trial = try DebianTrial.makeElastic(
            name, Self.tasks, training: 3000, elsewhere: 800, epochs: 6, learningRate: 1e-3,
            [
                .init(name: Self.method, sharing: method), .init(name: Self.undistilled, sharing: undistilled),
                .init(name: Self.plain, sharing: plain),
            ], conditions)
        return findings(
            try trial.run { trained in
                try Round(trained[Self.method]!, others: [trained[Self.undistilled]!, trained[Self.plain]!])
            })
    }

    private static let levels = [0.25, 0.4, 0.6, 0.8, 1]

    /// What one seed gave.
    private struct Round {
        /// By level: share of the time, and the mean over tasks on test of every contestant at the point chosen for it.
        var shares: [Double] = []
        var scores: [[Double]] = []
        /// At the slimmest point, of every contestant.
        var slimmest: [Double] = []
        /// Time of the slimmest point, as a share.
        var slimmestShare = 0.0
        /// Of each task at one cost: its metric when it alone is preferred, less its metric when only others are.
        var spans: [Double] = []

        init(_ method: ElasticTrial.Trained, others: [ElasticTrial.Trained]) throws {
            let sample = method.sample(256)
            let all = [method] + others
            // Time depends on widths alone, so one measurement serves all contestants.
            let points = method.policy.operatingPoints
            let times = method.policy.milliseconds(at: points, on: sample)
            let tables = try all.map { trained in
                try CostTable(
                    zip(points, times).map {
                        CostTable.Entry(
                            point: $0, milliseconds: $1, metrics: trained.scores(at: $0, in: .validation))
                    })
            }
            for level in ECMTReproduction.levels {
                let allowed = try ComputeLevel(level)
                let choices = tables.map { $0.choice(at: allowed) }
                shares.append(choices[0].share)
                scores.append(
                    zip(all, choices).map { mean($0.scores(at: $1.entry.point, in: .test)) })
            }
            slimmest = all.map { mean($0.scores(at: points[0], in: .test)) }
            slimmestShare = times[0] / times[times.count - 1]
            let half = try ComputeLevel(0.5)
            let chosen = try ECMTReproduction.tasks.indices.map { task in
                let wish = try TaskPreferences(ECMTReproduction.tasks.indices.map { $0 == task ? 1 : 0 })
                let table = try tables[0].composed(at: method.policy.operatingPoints(preferring: wish))
                return method.scores(at: table.choice(at: half, preferring: wish).entry.point, in: .test)
            }
            spans = ECMTReproduction.tasks.indices.map { task in
                let others = ECMTReproduction.tasks.indices.filter { $0 != task }
                return chosen[task][task] - mean(others.map { chosen[$0][task] })
            }
        }
    }

    private func findings(_ rounds: [Round]) -> Findings {
        func sample(_ value: (Round) -> Double) -> Sample { Sample(rounds.map(value)) }
        let rows = Self.levels.indices.map { level in
            Findings.Row(
                "level \(Self.levels[level])",
                [sample { $0.shares[level] }] + (0..<3).map { way in sample { $0.scores[level][way] } })
        }
        let slimmest = Findings.Row(
            "slimmest", [sample { $0.slimmestShare }] + (0..<3).map { way in sample { $0.slimmest[way] } })
        let spans = Self.tasks.indices.map { task in
            Findings.Row("\(Self.tasks[task].name), moved by preferences", [nil, sample { $0.spans[task] }, nil, nil])
        }
        let last = Self.levels.count - 1
        return Findings(
            [
                .init("share of the time", .percent), .init(Self.method, .percent), .init(Self.undistilled, .percent),
                .init(Self.plain, .percent),
            ], [slimmest] + rows + spans,
            [
                Check(
                    "in the mean over levels it beats the network slimmed after training",
                    sample { mean($0.scores.map { $0[0] - $0[2] }) }.mean, .atLeast, 0.02, .points),
                Check(
                    "at the slimmest point it beats that by far", sample { $0.slimmest[0] - $0.slimmest[2] }.mean, .atLeast,
                    0.1, .points),
                Check(
                    "at full cost it is as good as the network trained whole",
                    sample { $0.scores[last][0] - $0.scores[last][2] }.mean, .atLeast, -0.015, .points),
                Check(
                    "at the slimmest point distillation helps", sample { $0.slimmest[0] - $0.slimmest[1] }.mean, .atLeast,
                    0.001, .points),
                Check(
                    "at half of the time preferences move accuracy, mean over tasks",
                    sample { mean($0.spans) }.mean, .atLeast, 0.005, .points),
                Check(
                    "time of the slimmest point, held against the whole", sample { $0.slimmestShare }.mean, .atMost, 0.4,
                    .ratio),
            ])
    }
}

private func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
