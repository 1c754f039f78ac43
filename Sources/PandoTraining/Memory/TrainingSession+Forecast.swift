import Foundation
import PandoBackbones
import PandoBranches
import PandoData
import PandoTensor

extension TrainingSession {
    /// Rehearses the plan on made-up data of the same shapes, and reports what that held in memory.
    ///
    /// Data set, labels and networks are the plan's own; of the pictures only the heaviest are decoded, features are
    /// random, and each task takes a few steps. What the process itself holds is in `residentBytes`, so it is right only
    /// in a process that did nothing larger before.
    /// - Parameter opened: the backbone, if it is another than the plan's.
    /// - Throws: every error of data, weights and images; `CancellationError`.
    public func forecastMemory(on opened: PlanBackbone? = nil, cancellation: CancellationFlag? = nil) throws -> MemoryForecast {
        let dataset = try plan.data.dataset()
        let tasks = try TaskData.prepare(plan, on: dataset)
        let backbone = try opened ?? plan.openBackbone()
        let count = dataset.examples.count
        var phases: [MemoryForecast.Phase] = []
        if let network = backbone.network as? any ImageBackbone {
            phases.append(try rehearsePictures(dataset, network, cancellation))
        }
        let texts = try rehearseTexts(tasks, &phases)
        if plan.backbone.isTrained {
            let network = try backbone.pictures()
            let features = RandomFeatures(
                rowCount: count, featureCount: network.vectorLength(reading: plan.backbone.readTaps))
            phases.append(try rehearseNetwork(network, tasks, features, texts, pictureCount: count, cancellation))
        } else {
            phases.append(try rehearseBranches(backbone, tasks, texts, count: count, cancellation))
        }
        return MemoryForecast(phases: phases, residentBytes: Self.peakResidentBytes)
    }

    /// - Throws: `MemoryBudgetExceeded` if the plan has a budget that training would go over, and as `forecastMemory`.
    func checkBudget(on opened: PlanBackbone? = nil, _ cancellation: CancellationFlag?) throws {
        guard let budget = plan.budget.memory?.bytes else { return }
        let forecast = try forecastMemory(on: opened, cancellation: cancellation)
        guard forecast.residentBytes > budget else { return }
        // What is not held by tensors hardly depends on the plan.
        let rest = forecast.residentBytes - forecast.tensorBytes
        var remedies: [(change: String, bytes: Int)] = []
        func attempt(_ change: String, _ session: TrainingSession) throws -> Bool {
            let bytes = try session.forecastMemory(on: opened, cancellation: cancellation).tensorBytes + rest
            guard bytes <= budget else { return false }
            remedies.append((change, bytes))
            return true
        }
        if workers > 1 {
            var session = self
            session.workers = 1
            _ = try attempt("--workers 1", session)
        }
        var session = self
        while session.plan.train.batchSize > 1 {
            session.plan.train.batchSize /= 2
            if try attempt("train.batch_size: \(session.plan.train.batchSize)", session) { break }
        }
        throw MemoryBudgetExceeded(plan: plan.name, budget: budget, forecast: forecast, remedies: remedies)
    }

    /// Decodes the heaviest pictures, and runs the frozen backbone on them if the plan does.
    private func rehearsePictures(_ dataset: Dataset, _ network: any ImageBackbone, _ cancellation: CancellationFlag?)
        throws -> MemoryForecast.Phase
    {
        let heaviest = Array(ImagePipeline.heaviestFirst(dataset.examples).prefix(8 * workers))
        let frozen = plan.frozen(network)
        let pipeline = ImagePipeline(
            preprocessing: plan.preprocessing, batchSize: FrozenBackbone.sliceSize, workers: workers, decoder: decoder)
        let measured = try MemoryMeter.measure {
            _ = try pipeline.run(heaviest, cancellation: cancellation) { batch, _ in
                if !plan.backbone.isTrained { _ = frozen.vectors(of: batch.pixels) }
            } deliver: { _, _ in }
        }
        return MemoryForecast.Phase("pictures", measured)
    }

    /// Encodes a few texts; the vectors of all are made up.
    private func rehearseTexts(_ tasks: [TaskData], _ phases: inout [MemoryForecast.Phase]) throws
        -> [String: any FeatureSource]
    {
        guard plan.needsTextEncoder else { return [:] }
        let folder = try plan.textBackbone.weights ?? WeightsLocation.find(plan.textBackbone.name.rawValue)
        let encoder = try SentenceEncoder(folder: folder)
        var texts: [String: any FeatureSource] = [:]
        let readers = tasks.filter { $0.plan.kind == .retrieval }
        let measured = MemoryMeter.measure {
            for task in readers {
                let longest = task.texts.sorted { ($1.utf8.count, $0) < ($0.utf8.count, $1) }.prefix(64)
                _ = encoder.embeddings(of: Array(longest), workers: workers)
            }
        }
        for task in readers {
            texts[task.name] = RandomFeatures(rowCount: task.texts.count, featureCount: encoder.features)
        }
        phases.append(MemoryForecast.Phase("texts", measured))
        return texts
    }

    /// Trains each branch for two epochs, so that the second meets what the first left: moments, and a copy of the best
    /// branch. On random vectors, or, where the adapter reads more, for a step each on features that are computed of
    /// blank inputs.
    private func rehearseBranches(
        _ backbone: PlanBackbone, _ tasks: [TaskData], _ texts: [String: any FeatureSource], count: Int,
        _ cancellation: CancellationFlag?
    ) throws -> MemoryForecast.Phase {
        var schedule = plan.train
        schedule.epochs = min(2, schedule.epochs)
        let features = plan.features(of: backbone)
        let adapters = try freshAdapters(on: backbone)
        let readsMore = adapters.contains { $0.request != .vector }
        let few = readsMore ? tasks.map { $0.limited(training: plan.train.batchSize, elsewhere: 32 * workers) } : tasks
        let measured = try MemoryMeter.measure {
            let blank = features.reading.blank(readsMore ? count : 0)
            let branches = zip(few, adapters).map { data, adapter -> BranchTask in
                let reader: any FeatureReader =
                    adapter.request == .vector
                    ? RandomFeatures(rowCount: count, featureCount: features.vectorLength)
                    : ComputedFeatures(
                        inputs: blank, backbone: features.frozen(for: adapter.request),
                        featureCount: adapter.request.vector ? features.vectorLength : 0)
                return BranchTask(data, adapter: adapter, features: reader, texts: texts[data.name])
            }
            if plan.sharedTasks.isEmpty {
                var trainer = try Trainer(schedule, branches, workers: workers)
                _ = try trainer.run(cancellation: cancellation)
            } else {
                var session = self
                session.plan.train = schedule
                session.plan.sharing?.staging = .joint
                _ = try session.trainTogether(branches, on: backbone, nil, resumes: false, cancellation) { _ in }
            }
        }
        if cancellation?.isCancelled == true { throw CancellationError() }
        return MemoryForecast.Phase("training", measured)
    }

    private func rehearseNetwork(
        _ network: some ImageBackbone, _ tasks: [TaskData], _ features: any FeatureSource,
        _ texts: [String: any FeatureSource], pictureCount: Int, _ cancellation: CancellationFlag?
    ) throws -> MemoryForecast.Phase {
        // Two steps, so that the second meets what the first left: moments, and a copy of the best network.
        let few = tasks.map { $0.limited(training: plan.train.batchSize, elsewhere: 32 * workers) }
        let measured = try MemoryMeter.measure {
            let pictures = DecodedPictures(blank: pictureCount, preprocessing: plan.preprocessing)
            let heads = startingHeads(on: network, few, texts: texts) { features }
            var trainer = NetworkTrainer(
                plan, backbone: network, heads: heads, tasks: few, pictures: pictures, texts: texts, workers: workers)
            for _ in 0..<2 {
                guard try trainer.trainEpoch(cancellation: cancellation, { _, _ in }) != nil else {
                    throw CancellationError()
                }
            }
        }
        return MemoryForecast.Phase("training", measured)
    }
}

/// Vectors of random numbers, the same for the same row.
private struct RandomFeatures: FeatureSource {
    private let table: TensorFeatures

    init(rowCount: Int, featureCount: Int) {
        var generator = SeededGenerator(seed: 0)
        table = TensorFeatures(.uniform(-1..<1, [rowCount, featureCount], using: &generator))
    }

    var rowCount: Int { table.rowCount }
    var featureCount: Int { table.featureCount }

    func rows(_ indices: [Int]) -> Tensor { table.rows(indices) }
}
