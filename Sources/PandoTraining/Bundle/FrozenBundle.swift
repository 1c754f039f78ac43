import PandoBackbones
import PandoBranches
import PandoNN
import PandoTensor
import Synchronization

/// A bundle compiled to answer: one pass of the frozen backbone for all tasks, then what tasks share, then the adapters and
/// heads of the tasks that are asked.
///
/// Programs are compiled at the first use of each shape and kept; any number of threads may call at once. What is answered
/// of an example depends neither on the examples beside it nor on the number of threads, to the bit.
public final class FrozenBundle: Sendable {
    public let bundle: Bundle

    /// What makes the vector that a task's head reads.
    private enum Reader: Sendable {
        /// The example's vector is read as it is.
        case vector
        /// The task's own adapter.
        case own(FrozenSharing)
        /// One of the things that tasks have in common, by the task's number there.
        case common(Int, task: Int)
    }

    /// What tasks have in common, for some of them, at one of its operating points.
    private struct Variant: Hashable {
        let common: Int
        let point: OperatingPoint?
        let tasks: [Int]
    }

    /// The variants that were used last.
    private struct Variants {
        /// How many are kept compiled.
        static let limit = 12
        /// The one used last stands last.
        private var kept: [(key: Variant, program: FrozenSharing)] = []

        mutating func use(_ key: Variant) -> FrozenSharing? {
            guard let place = kept.firstIndex(where: { $0.key == key }) else { return nil }
            kept.append(kept.remove(at: place))
            return kept.last?.program
        }

        mutating func keep(_ program: FrozenSharing, as key: Variant) {
            kept.append((key, program))
            if kept.count > Self.limit { kept.removeFirst() }
        }
    }

    private let backbone: FrozenBackbone
    private let readers: [Reader]
    private let precision: ElementType
    /// What the plan lets tasks share; LoRAs that go through the common weights together.
    private let commons: [any Sharing]
    private let variants = Mutex(Variants())

    public init(_ bundle: Bundle) {
        self.bundle = bundle
        let precision = bundle.plan.train.precision.elementType
        let adapters = bundle.tasks.map(\.branch.adapter)
        self.precision = precision
        let views = adapters.compactMap { $0 as? SharedView }
        let loras = adapters.indices.filter { adapters[$0] is InlineAdapter<LoRASet> }
        let crowd = LoRACrowd(loras.map { adapters[$0] })
        commons = ([views.first?.sharing, crowd] as [(any Sharing)?]).compactMap { $0?.keepingFrozenWeights(as: precision) }
        readers = adapters.enumerated().map { place, adapter in
            if let view = adapter as? SharedView { return .common(0, task: view.task) }
            if crowd != nil, let number = loras.firstIndex(of: place) { return .common(views.isEmpty ? 0 : 1, task: number) }
            if adapter is Probe { return .vector }
            let kept = adapter.keepingFrozenWeights(as: precision)
            return .own(FrozenSharing(SharedTrunk(kept, taskCount: 1), precision: kept.computingType(in: precision)))
        }
        backbone = bundle.plan.frozen(bundle.backbone.network, for: .union(of: adapters.map(\.request)))
    }

    /// Gives the memory of the backbone's files back to the system: programs keep copies of the weights. What is compiled
    /// later reads them again.
    public func releaseFiles() { bundle.backbone.network.namedTensors.map(\.tensor).releaseMappedPages() }

    /// What tasks say of some examples.
    public struct Answers: Sendable {
        /// For each task that was asked, in order: `[rows, outputs]`, `float32`. Probabilities of classes or of labels, one
        /// number of a regression, of a retrieval task the examples' places.
        public let outputs: [Tensor]
        /// What the frozen pass took.
        public let backboneTime: Duration
        /// What adapters, what tasks share, and heads took.
        public let headTime: Duration
    }

    /// - Parameters:
    ///   - asked: tasks by their places in the bundle, each with the examples that it is asked about.
    ///   - point: at which what is shared runs; `nil` for all of it.
    /// - Precondition: `input` is of the backbone's kind and not empty; no task stands twice; `point` is one of the policy's.
    public func answers(
        to input: BackboneInput, for asked: [TaskRows], at point: OperatingPoint? = nil, workers: Int = 1
    ) -> Answers {
        let clock = ContinuousClock()
        let begin = clock.now
        let request = FeatureRequest.union(of: asked.map { bundle.tasks[$0.task].branch.adapter.request })
        let features =
            request.vector || !request.taps.isEmpty
            ? backbone.features(of: input, workers: workers)
            : Features(pooled: .zeros([input.count, 0]), mask: backbone.backbone.mask(of: input), input: input)
        let afterPass = clock.now
        let vectors = vectors(from: features, of: input, for: asked.map(\.task), at: point, workers: workers)
        let outputs = zip(asked, vectors).map { rows, vectors in bundle.tasks[rows.task].outputs(of: rows.of(vectors)) }
        return Answers(outputs: outputs, backboneTime: afterPass - begin, headTime: clock.now - afterPass)
    }

    /// The vectors that the heads of `tasks` read, of all examples.
    private func vectors(
        from features: Features, of input: BackboneInput, for tasks: [Int], at point: OperatingPoint?, workers: Int
    ) -> [Tensor] {
        var programs: [FrozenSharing] = []
        // For each thing in common, which of the programs it is.
        var places: [Int: Int] = [:]
        for common in commons.indices {
            let numbers = tasks.compactMap { place -> Int? in
                if case .common(common, let task) = readers[place] { task } else { nil }
            }
            if numbers.isEmpty { continue }
            places[common] = programs.count
            programs.append(program(for: Variant(common: common, point: common == 0 ? point : nil, tasks: numbers)))
        }
        var own = programs.count
        for task in tasks { if case .own(let program) = readers[task] { programs.append(program) } }
        var made = programs.map { run($0, on: features, of: input, workers: workers)[...] }
        return tasks.map { task in
            switch readers[task] {
            case .vector: return features.pooled
            case .common(let common, _): return made[places[common]!].removeFirst()  // every common thing asked has one
            case .own:
                own += 1
                return made[own - 1].removeFirst()
            }
        }
    }

    private func run(_ program: FrozenSharing, on features: Features, of input: BackboneInput, workers: Int) -> [Tensor] {
        let slices = input.slices(workers: workers)
        if slices.count == 1 { return program(features, threads: workers) }
        let parts = Parallel.map(slices.count, workers: workers) { program(features.slice(slices[$0])) }
        return parts[0].indices.map { task in .concatenated(parts.map { $0[task] }) }
    }

    private func program(for key: Variant) -> FrozenSharing {
        if let program = variants.withLock({ $0.use(key) }) { return program }
        var running = commons[key.common]
        if let point = key.point {
            guard let elastic = running as? any Elastic else { stop("FrozenBundle: what is shared runs at one cost only") }
            running = elastic.running(at: point)
        }
        let type = running.gradientEntry == nil ? ElementType.float32 : precision
        let made = FrozenSharing(running, for: key.tasks, precision: type)
        return variants.withLock { variants in
            if let first = variants.use(key) { return first }
            variants.keep(made, as: key)
            return made
        }
    }
}

extension Adapter {
    /// What it computes in: `float32` beside the backbone, `precision` inside of it.
    fileprivate func computingType(in precision: ElementType) -> ElementType {
        gradientEntry == nil ? .float32 : precision
    }
}

extension Bundle.Task {
    /// What the head says of the vectors that it reads.
    ///
    /// - Shapes: `[N, F]` → `[N, outputs]`: probabilities of classes or of labels, a number, or the examples' places.
    func outputs(of vectors: Tensor) -> Tensor {
        let raw = branch.head(vectors)
        switch branch.head {
        case .classification: return raw.softmax()
        case .tagging: return raw.sigmoid()
        case .regression: return raw.reshaped(vectors.shape[0], 1)
        case .retrieval: return raw
        }
    }

    /// What an example's outputs mean; nothing for a retrieval task.
    ///
    /// - Parameters:
    ///   - outputs: the example's row of what `FrozenBundle` answers.
    ///   - limit: labels at most.
    public func prediction(in outputs: some RandomAccessCollection<Float>, limit: Int) -> Prediction? {
        switch branch.head {
        case .classification, .tagging:
            let scores = Array(outputs)
            let order = scores.indices.sorted { (scores[$1], $0) < (scores[$0], $1) }.prefix(limit)
            return .labels(order.map { .init(label: labels.names[$0], score: scores[$0]) })
        case .regression: return outputs.first.map { .number($0) }
        case .retrieval: return nil
        }
    }

    /// The predictions in the outputs of some examples, row by row; none for a retrieval task.
    ///
    /// - Shapes: `[N, outputs]`, as `FrozenBundle` gives them.
    func predictions(in outputs: Tensor, limit: Int) -> [Prediction]? {
        let (values, width) = (outputs.scalars(), outputs.shape[1])
        let found = (0..<outputs.shape[0]).compactMap { prediction(in: values[$0 * width..<($0 + 1) * width], limit: limit) }
        return found.count == outputs.shape[0] ? found : nil
    }
}
