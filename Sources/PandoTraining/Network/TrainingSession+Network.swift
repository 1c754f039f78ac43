import Foundation
import PandoBackbones
import PandoBranches
import PandoData
import PandoTensor

extension TrainingSession {
    /// Trains the backbone together with all heads.
    func trainNetwork(
        _ recorder: Recorder, resumes: Bool, cancellation: CancellationFlag?, _ report: @escaping @Sendable (Event) -> Void
    ) throws -> Trained {
        let start = ContinuousClock.now
        let pictures = try decode(cancellation, report)
        let (texts, textFolder) = try textFeatures(of: pictures.tasks, cancellation, report)
        let backbone = try plan.openBackbone().pictures()
        let ready = ContinuousClock.now
        let measured = try MemoryMeter.measure {
            try trainNetwork(backbone, pictures, texts, recorder, resumes: resumes, cancellation, report)
        }
        let (trained, metrics, network) = measured.result
        let cost = TrainingCost(
            computedImages: pictures.pictures.count, featureSeconds: (ready - start) / .seconds(1),
            headSeconds: (ContinuousClock.now - ready) / .seconds(1), peakTensorBytes: measured.peak.total,
            peakResidentBytes: Self.peakResidentBytes)
        return Trained(
            plan: plan, backbone: PlanBackbone(network: network, reading: .pictures(plan.preprocessing), folder: nil),
            textFolder: textFolder, tasks: trained, metrics: metrics, cost: cost)
    }

    /// The decoded pictures and the tasks on them.
    struct DecodedData {
        let pictures: DecodedPictures
        let tasks: [TaskData]
    }

    /// - Throws: every error of the data and the pictures; `CancellationError`.
    func decode(_ cancellation: CancellationFlag?, _ report: @escaping @Sendable (Event) -> Void) throws -> DecodedData {
        let dataset = try plan.data.dataset()
        report(.message("\(dataset.name): \(dataset.examples.count) examples, \(plan.tasks.count) tasks"))
        _ = try TaskData.prepare(plan, on: dataset)
        let decoded = try DecodedPictures.decode(
            dataset.examples, preprocessing: plan.preprocessing, decoder: decoder, workers: workers,
            isStrict: isStrict, cancellation: cancellation
        ) { done, total in
            report(.progress(title: "pictures", unit: "images", done: done, total: total))
        }
        if !decoded.unreadable.isEmpty { report(.leftOut(decoded.unreadable)) }
        let tasks = try TaskData.prepare(plan, on: Dataset(name: dataset.name, examples: decoded.examples))
        return DecodedData(pictures: decoded.pictures, tasks: tasks)
    }

    /// Opens the backbone's type.
    private func trainNetwork(
        _ backbone: some ImageBackbone, _ data: DecodedData, _ texts: [String: any FeatureSource], _ recorder: Recorder,
        resumes: Bool, _ cancellation: CancellationFlag?, _ report: @Sendable (Event) -> Void
    ) throws -> (tasks: [TrainedTask], metrics: [String: [Split: TaskMetrics]], network: any ImageBackbone) {
        let fingerprint = TrainingCheckpoint.fingerprint(
            plan, data.tasks, rowCount: data.pictures.count,
            featureCount: backbone.vectorLength(reading: plan.backbone.readTaps))
        let heads = startingHeads(on: backbone, data.tasks, texts: texts) {
            let rows = Array(0..<data.pictures.count)
            return RowFeatures(
                rows: rows, vectors: plan.vectors(of: rows, in: data.pictures, through: backbone, workers: workers),
                rowCount: rows.count)
        }
        var trainer = NetworkTrainer(
            plan, backbone: backbone, heads: heads, tasks: data.tasks, pictures: data.pictures, texts: texts,
            workers: workers)
        if resumes, FileManager.default.fileExists(atPath: recorder.checkpoint.path) {
            try NetworkCheckpoint.restore(&trainer, fingerprint: fingerprint, from: recorder.checkpoint)
        }
        while !trainer.isDone {
            // What an epoch that is cancelled has done is thrown away: the checkpoint is of the one before.
            let reports = try trainer.trainEpoch(cancellation: cancellation) { done, total in
                report(.progress(title: "training", unit: "steps", done: done, total: total))
            }
            guard let reports else { throw CancellationError() }
            for epoch in reports {
                try recorder.record(epoch)
                report(.epoch(epoch))
            }
            try NetworkCheckpoint.write(trainer, fingerprint: fingerprint, to: recorder.checkpoint)
        }
        guard let best = trainer.best else { stop("NetworkTrainer: done without an epoch") }
        let tasks = zip(data.tasks, best.network.heads).map {
            TrainedTask(
                data: $0, branch: Branch(adapter: Probe(featureCount: $1.featureCount), head: $1), bestEpoch: best.epoch,
                epochs: trainer.epoch)
        }
        let features = trainer.features(of: best.network, in: [.validation, .test])
        let metrics = Self.metrics(of: tasks) { task, examples in
            task.branch.head.metrics(on: examples, features: features, texts: texts[task.data.name])
        }
        return (tasks, metrics, best.network.backbone)
    }

    /// The heads as training begins: on a pretrained backbone where its features lead in closed form, else at random.
    ///
    /// - Parameter features: of all pictures; asked for only if they lead anywhere.
    func startingHeads(
        on backbone: some ImageBackbone, _ tasks: [TaskData], texts: [String: any FeatureSource],
        features: () -> any FeatureSource
    ) -> [TaskHead] {
        let generator = SeededGenerator(seed: plan.train.seed)
        if plan.backbone.weights == .random {
            let count = backbone.vectorLength(reading: plan.backbone.readTaps)
            return tasks.map { task in
                var stream = generator.split("task \(task.name)")
                return TaskHead(
                    randomFor: task, standardization: Standardization(identity: count), texts: texts[task.name],
                    using: &stream)
            }
        }
        let features = features()
        return tasks.map { task in
            var stream = generator.split("task \(task.name)")
            return TaskHead(startingFor: task, features: features, texts: texts[task.name], using: &stream)
        }
    }
}
