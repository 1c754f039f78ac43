import PandoBackbones
import PandoBranches
import PandoData
import PandoNN
import PandoTensor
import PandoTraining

/// Whether one network can be run at any share of its time, and what training for it is worth.
struct TNNReproduction: Reproduction {
    let name = "tnn"
    let room = "PandoBranches/Elastic/TNN"
    let paper = Paper("Dynamically Throttleable Neural Networks (TNN)", "Liu et al. 2020", arXiv: "2011.02836")
    let claim = """
        Trained at drawn utilisations, one network keeps its accuracy at full cost and loses little at half of the time; \
        trained at full cost only and then throttled, or with components closed at random, it loses far more.
        """
    let data = """
        1,000 Debian packages, their section (50 classes) from a short description of at most 32 tokens, on MiniLM, all six \
        blocks trained; time is measured on 64 texts, one thread.
        """
    let parts = [
        MethodPart("throttling", "only the whole network is trained"),
        MethodPart("nesting", "which components are open is drawn at each step instead of being the first ones"),
        MethodPart("order", "units stay in the order that the pretrained network has"),
    ]

    private static let (method, plain) = ("TNN", "trained whole")
    private static let levels = 4

    let remarks = """
        A thousand texts and four epochs, shared among all utilisations, leave the whole network three points behind one that \
        only ever trained whole. Time is measured and not counted: where half of the components take a little more than half \
        of the time, what is chosen for half of the time is the next level below.
        """

    func run(_ conditions: Conditions) throws -> Findings {
        var throttled = TNNConfiguration()
        (throttled.blocks, throttled.levels) = (6, Self.levels)
        var whole = throttled
        whole.lowest = 1
        if !conditions.has("throttling") { throttled.lowest = 1 }
        if !conditions.has("nesting") { throttled.gating = .independent }
        if !conditions.has("order") { throttled.ordered = false }
        let trial = try DebianTrial.makeElastic(
            name, [TaskPlan(name: "section", kind: .classification, minimumCount: 2)], training: 1000, elsewhere: 400,
            epochs: 4, learningRate: 1e-3,
            [.init(name: Self.method, sharing: throttled), .init(name: Self.plain, sharing: whole)], conditions)
        let rounds = try trial.run { trained in try Round(trained[Self.method]!, trained[Self.plain]!) }
        return findings(rounds)
    }

    /// What one seed gave.
    private struct Round {
        /// By level: share of the full time, test accuracy throttled, trained whole and then throttled, and with components
        /// closed at random.
        var shares: [Double] = []
        var throttled: [Double] = []
        var plain: [Double] = []
        var random: [Double] = []
        /// Share of the time and test accuracy of the point that validation chooses for half of the time.
        var half: (share: Double, accuracy: Double)

        init(_ method: ElasticTrial.Trained, _ whole: ElasticTrial.Trained) throws {
            let table = try method.policy.costTable(on: method.sample(64)) { method.scores($0, in: .validation) }
            let choice = table.choice(at: try ComputeLevel(0.5))
            half = (choice.share, method.scores(at: choice.entry.point, in: .test)[0])
            for point in method.policy.operatingPoints {
                let entry = table.entries.first { $0.point == point }!
                shares.append(table.share(of: entry))
                throttled.append(method.scores(at: point, in: .test)[0])
                plain.append(whole.scores(at: point, in: .test)[0])
                random.append(method.scores(Self.closedAtRandom(method.policy, at: point), in: .test)[0])
            }
        }

        /// The same network with as many components open at a point, others than the first.
        private static func closedAtRandom(_ policy: any Elastic, at point: OperatingPoint) -> any Sharing {
            guard let policy = policy as? TNN else { return policy.running(at: point) }
            var gating = policy.gating
            gating.order = .independent
            return TNN(policy.network, gating: gating, taskCount: policy.taskCount, levels: policy.levels).running(at: point)
        }
    }

    private func findings(_ rounds: [Round]) -> Findings {
        func sample(_ value: (Round) -> Double) -> Sample { Sample(rounds.map(value)) }
        let rows = (0..<Self.levels).map { level in
            Findings.Row(
                "utilisation \(Double(level + 1) / Double(Self.levels))",
                [
                    sample { $0.shares[level] }, sample { $0.throttled[level] }, sample { $0.plain[level] },
                    sample { $0.random[level] },
                ])
        }
        let (quarter, last) = (Self.levels / 4 - 1, Self.levels - 1)
        let half = Findings.Row(
            "chosen for half of the time", [sample { $0.half.share }, sample { $0.half.accuracy }, nil, nil])
        return Findings(
            [
                .init("share of the time", .percent), .init(Self.method, .percent), .init(Self.plain, .percent),
                .init("closed at random", .percent),
            ], rows + [half],
            [
                Check(
                    "at full cost it is as good as the network trained whole",
                    sample { $0.throttled[last] - $0.plain[last] }.mean, .atLeast, -0.015, .points),
                Check(
                    "at half of the time it is nearly as good as the whole network",
                    sample { $0.half.accuracy - $0.plain[last] }.mean, .atLeast, -0.04, .points),
                Check(
                    "at a quarter it beats the network trained whole and then throttled",
                    sample { $0.throttled[quarter] - $0.plain[quarter] }.mean, .atLeast, 0.1, .points),
                Check(
                    "at a quarter the first components beat as many drawn at random",
                    sample { $0.throttled[quarter] - $0.random[quarter] }.mean, .atLeast, 0.02, .points),
                Check(
                    "time at a quarter, held against the whole", sample { $0.shares[quarter] }.mean, .atMost, 0.4, .ratio),
            ])
    }
}
