import PandoBackbones
import PandoBranches
import PandoData
import PandoNN
import PandoTensor
import PandoTraining

/// Tasks on scenes that want different depths of a frozen MobileNetV2: the background's pattern and the largest figure's
/// paint early maps, its shape and place late ones, its size something between.
///
/// All of a trial's contestants have about as many parameters as its method, heads included. Each had its learning rate
/// chosen among 3e-4, 1e-3 and 3e-3 by one seed's validation.
struct LevelTrial {
    /// The last map of each stride from 4 on.
    static let levels = ["features.3", "features.6", "features.13", "features.18"]
    static let data = """
        1,400 scenes of 96 pixels (and 600 to choose by, 600 to judge by), five tasks: the background's pattern, and color, \
        shape, position and size of the largest figure. A frozen MobileNetV2.
        """

    private let plan: Plan
    private let dataset: Dataset
    private let conditions: Conditions
    private let network: any Backbone
    /// Of all tasks.
    private let classes: Int

    /// - Throws: what opening the backbone throws.
    init(_ name: String, epochs: Int, _ conditions: Conditions) throws {
        let scenes = Scenes(count: 5000, side: 96)
        var dataset = scenes.dataset()
        for index in dataset.examples.indices {
            let scene = scenes.scene(index)
            dataset.examples[index].labels["pattern"] = .category(scene.background.pattern.rawValue)
            dataset.examples[index].labels["size"] = .category(Self.size(scene.largest.radius))
        }
        let tasks = ["pattern", "color", "shape", "position", "size"]
        plan = Plan(
            name: name, backbone: BackbonePlan(taps: Array(Self.levels.dropLast()), pictureSize: 96),
            data: DataPlan(kind: .scenes), tasks: tasks.map { TaskPlan(name: $0, kind: .classification) },
            train: TrainPlan(epochs: epochs, batchSize: 64, patience: epochs, precision: .float32))
        classes = tasks.reduce(0) { sum, task in sum + Set(dataset.examples.map { $0.labels[task] }).count }
        self.dataset = dataset.choosing(training: 1400, elsewhere: 600, labelledIn: "pattern")
        self.conditions = conditions
        network = try plan.openBackbone().network
    }

    /// One of three classes of radius, as shares of the picture's side.
    private static func size(_ radius: Float) -> String { radius < 0.165 ? "small" : radius < 0.215 ? "medium" : "large" }

    /// The widest of its kind, in steps of 8, that has with its heads no more parameters than another with its own.
    ///
    /// - Throws: `AdapterError` if the backbone cannot carry it.
    func widest<Configuration: SharingConfiguration>(
        asLargeAs method: some SharingConfiguration, _ make: (_ width: Int) -> Configuration
    ) throws -> Configuration {
        let limit = try size(of: method)
        var (width, tooWide) = (8, 1024)
        while tooWide - width > 8 {
            let middle = (width + tooWide) / 16 * 8
            if try size(of: make(middle)) <= limit { width = middle } else { tooWide = middle }
        }
        return make(width)
    }

    /// A trunk of one hidden layer over the means of all levels, as large as `method`.
    /// - Throws: `AdapterError` if the backbone cannot carry the method.
    func trunk(asLargeAs method: some SharingConfiguration) throws -> TrunkConfiguration {
        try widest(asLargeAs: method) { width in
            var hidden = MLPConfiguration()
            hidden.hidden = width
            return TrunkConfiguration(hidden)
        }
    }

    /// Trains all contestants.
    /// - Throws: what training throws.
    func run(_ contestants: [SharingTrial.Contestant]) throws -> LevelOutcomes {
        let trial = try SharingTrial(plan, on: dataset, contestants, conditions)
        let outcomes = SharingOutcomes(try trial.run(), counting: plan.tasks.map(\.name))
        var costs: [String: Int] = [:]
        for case (let name, .together(let sharing)) in contestants.map({ ($0.name, $0.way) }) {
            costs[name] = try multiplyAdds(of: sharing.choice.configuration)
        }
        return LevelOutcomes(outcomes, multiplyAdds: costs)
    }

    private func fresh(_ configuration: any SharingConfiguration) throws(AdapterError) -> any Sharing {
        var generator = SeededGenerator(seed: 0)
        return try configuration.makeSharing(
            on: network, vectorLength: network.vectorLength(reading: plan.backbone.readTaps), taskCount: plan.tasks.count,
            using: &generator)
    }

    /// Parameters, heads included.
    private func size(of configuration: some SharingConfiguration) throws -> Int {
        let made = try fresh(configuration)
        return made.parameterCount + classes * (made.featureCount + 1)
    }

    /// Of one example's vectors for all tasks, behind the backbone.
    private func multiplyAdds(of configuration: any SharingConfiguration) throws -> Int {
        let sharing = try fresh(configuration)
        let names = sharing.request.taps
        let shapes = names.map { name -> [Int] in
            let tap = network.taps.first { $0.name == name }!
            guard case .map(let stride) = tap.kind else { stop("LevelTrial: \(name) is no map") }
            return [1, 96 / stride, 96 / stride, tap.channels]
        }
        let vector = [1, network.vectorLength(reading: plan.backbone.readTaps)]
        return PandoTensor.multiplyAdds(of: (shapes + [vector]).map { Program.Input(shape: $0) }) { tensors in
            let taps = Dictionary(uniqueKeysWithValues: zip(names, tensors))
            return sharing(Features(taps: taps, pooled: tensors[names.count]), for: Array(plan.tasks.indices))
        }
    }
}

/// What became of a trial on levels.
struct LevelOutcomes {
    private let outcomes: SharingOutcomes
    /// Of one example behind the backbone, by name.
    private let multiplyAdds: [String: Int]

    init(_ outcomes: SharingOutcomes, multiplyAdds: [String: Int]) {
        (self.outcomes, self.multiplyAdds) = (outcomes, multiplyAdds)
    }

    /// Whether a method beats others of as many parameters by a point.
    func findings(_ method: String, over others: [String]) -> Findings {
        let checks = others.flatMap { other in
            [
                outcomes.gain(of: method, over: other, atLeast: 0.01),
                Check(
                    "parameters of \(method), held against \(other)",
                    outcomes[method].parameters.mean / outcomes[other].parameters.mean, .atMost, 1.1, .ratio),
            ]
        }
        var findings = outcomes.findings(over: others[0], checks)
        findings.columns.append(.init("multiply-adds behind the backbone", .count))
        findings.rows = findings.rows.map { row in
            Findings.Row(row.method, row.cells + [multiplyAdds[row.method].map { Sample(Double($0)) }])
        }
        return findings
    }
}

/// What a method makes for a single task, with heads of all tasks on it.
struct OneForAll<Method: SharingConfiguration>: SharingConfiguration {
    static var kind: String { "one \(Method.kind) for all" }
    static var summary: String { "all tasks are one to \(Method.kind)" }
    static var options: [PlanOption<Self>] { [] }

    private let method: Method

    init() { method = Method() }
    init(_ method: Method) { self.method = method }

    func makeSharing(
        on backbone: any Backbone, vectorLength: Int, taskCount: Int, using generator: inout SeededGenerator
    ) throws(AdapterError) -> any Sharing {
        let one = try method.makeSharing(on: backbone, vectorLength: vectorLength, taskCount: 1, using: &generator)
        return SharedTrunk(SharedView(one, task: 0), taskCount: taskCount)
    }
}
