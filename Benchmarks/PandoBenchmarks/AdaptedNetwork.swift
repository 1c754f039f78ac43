import Foundation
import PandoBackbones
import PandoBranches
import PandoData
import PandoTraining

/// The pretrained networks that a task is trained on.
enum AdaptedNetwork: String, CaseIterable {
    case miniLM = "all-MiniLM-L6-v2"
    case vitSmall = "vit_small"

    /// How; the peers know `lora`, `full` and `probe`.
    enum Method: String {
        case lora, full, unipt, sherl, probe

        var configuration: any AdapterConfiguration {
            switch self {
            case .lora: return LoRAAdapterConfiguration()
            case .full: return FullConfiguration()
            case .probe: return ProbeConfiguration()
            case .unipt:
                var options = UniPTConfiguration()
                options.width = 96
                return options
            case .sherl:
                var options = SHERLConfiguration()
                options.late = 1
                return options
            }
        }

        /// Whether it reads features that are computed once.
        var readsStoredFeatures: Bool { self != .lora && self != .full }

        /// Steps of one run: more of those that are quick.
        var steps: Int { readsStoredFeatures ? 8 : 2 }
    }

    /// Tokens of a text, at most.
    static let tokens = 32

    var methods: [Method] { self == .miniLM ? [.lora, .full, .unipt, .sherl, .probe] : [.lora, .full, .probe] }
    var batch: Int { self == .miniLM ? 64 : 32 }

    func key(_ method: Method, _ precision: Precision) -> Work.Key {
        Work.Key(
            work: "adapt \(rawValue) \(method.rawValue)", precision: precision.rawValue, batch: batch,
            unit: self == .miniLM ? "texts/s" : "steps/s")
    }

    /// Reads texts and tokenizer as `prepare` will: a peer's memory is counted from when it has its own.
    func readData(texts: URL) throws {
        guard self == .miniLM else { return }
        let tokenizer = try TextBackboneSource(WeightsLocation.find(rawValue)).open().tokenizer
        for example in try data(texts: texts).dataset().examples { _ = tokenizer.encode(example.text ?? "") }
    }

    /// Makes data, the frozen network and, for those who read them, stored features; what is returned begins to train, as
    /// the product does.
    ///
    /// - Parameters:
    ///   - texts: JSON lines, as `SampleTexts` writes them.
    ///   - folder: where features are stored.
    func prepare(_ method: Method, _ precision: Precision, texts: URL, features folder: URL) throws -> () throws -> OwnRuns {
        let plan = try plan(method, precision, texts: texts)
        let whole = try TrainingSession(plan, store: FeatureStore(directory: folder)).prepare().tasks[0]
        let examples = method.steps * batch
        let task = BranchTask(
            whole.data.limited(training: examples, elsewhere: 1), adapter: whole.adapter, features: whole.features)
        return {
            let trainer = try Trainer(plan.train, [task])
            return OwnRuns(unitsPerRun: self == .miniLM ? examples : method.steps) {
                var epoch = trainer
                _ = try epoch.run()
            }
        }
    }

    private func plan(_ method: Method, _ precision: Precision, texts: URL) throws -> Plan {
        let column = self == .miniLM ? SampleTexts.column : "shape"
        return Plan(
            name: "benchmark", backbone: try backbone(),
            data: data(texts: texts),
            tasks: [TaskPlan(name: column, kind: .classification, adapter: AdapterChoice(method.configuration))],
            features: FeaturePlan(stores: true),
            train: TrainPlan(epochs: 1, batchSize: batch, precision: precision == .f32 ? .float32 : .bfloat16))
    }

    private func data(texts: URL) -> DataPlan {
        self == .miniLM
            ? DataPlan(
                kind: .jsonl, path: texts, textColumn: "text", splitColumn: "split",
                columns: [SampleTexts.column: .category])
            : DataPlan(kind: .scenes, limit: 420)
    }

    /// MiniLM with its published weights, the vision transformer with random ones.
    func backbone() throws -> BackbonePlan {
        switch self {
        case .miniLM:
            let folder = try WeightsLocation.find(rawValue)
            return BackbonePlan(
                texts: try TextBackboneSource(folder).architecture, folder: folder, maximumTokens: Self.tokens)
        case .vitSmall:
            return BackbonePlan(try Catalog.architecture(named: "vit_small_patch16_224"), weights: .random, taps: [])
        }
    }
}
