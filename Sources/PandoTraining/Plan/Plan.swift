import Foundation
import PandoBackbones
import PandoBranches
import PandoData
import PandoTensor

/// What to train: a backbone, data, tasks and a schedule, as a YAML file says it.
///
/// Reading is in `Plan+Reading.swift`, every default in `PlanDefaults.swift`.
public struct Plan: Sendable, Hashable, Codable {
    public var name: String
    public var backbone: BackbonePlan
    /// The backbone of texts; only tasks of kind `retrieval` use it.
    public var textBackbone: TextBackbonePlan
    public var data: DataPlan
    /// In the order of the file. Names are unique.
    public var tasks: [TaskPlan]
    /// What tasks share beside the frozen backbone; `nil` for nothing.
    public var sharing: SharingPlan?
    public var features: FeaturePlan
    public var train: TrainPlan
    public var budget: BudgetPlan

    public init(
        name: String, backbone: BackbonePlan = BackbonePlan(), textBackbone: TextBackbonePlan = TextBackbonePlan(),
        data: DataPlan, tasks: [TaskPlan], sharing: SharingPlan? = nil, features: FeaturePlan = FeaturePlan(),
        train: TrainPlan = TrainPlan(), budget: BudgetPlan = BudgetPlan()
    ) {
        self.name = name
        self.backbone = backbone
        self.textBackbone = textBackbone
        self.data = data
        self.tasks = tasks
        self.sharing = sharing
        self.features = features
        self.train = train
        self.budget = budget
    }

    /// Whether any task reads texts, and the text backbone is needed.
    public var needsTextEncoder: Bool { tasks.contains { $0.kind == .retrieval } }
}

/// Which image backbone, where its weights come from, and whether it is trained.
public struct BackbonePlan: Sendable, Hashable, Codable {
    public enum Weights: Sendable, Hashable, Codable {
        /// Those that the set-up fetched.
        case pretrained
        /// A file or folder, in any form that `BackboneSource` reads.
        case file(URL)
        /// Random ones: the network is trained from nothing.
        case random
    }

    /// What the network is given, and how.
    public enum Input: Sendable, Hashable, Codable {
        /// As they were fed to it when it was pretrained.
        case pictures(Preprocessing)
        /// Of each text so many tokens at most.
        case texts(maximumTokens: Int)
    }

    public var architecture: Architecture
    public var weights: Weights
    public var input: Input
    /// The taps whose means join the pooled vector, in order of depth.
    public var readTaps: [Tap.Name]
    /// Pixels along each side of the pictures it is given; `nil` for what it was pretrained with.
    public var pictureSize: Int?
    /// Whether the whole network is trained, together with the heads; else it stays frozen.
    public var isTrained: Bool

    public var name: String { architecture.name }

    public var readsTexts: Bool { if case .texts = input { true } else { false } }

    /// A backbone over pictures.
    ///
    /// - Parameters:
    ///   - preprocessing: `nil` for the architecture's own.
    ///   - taps: `nil` for the backbone's own choice.
    /// - Precondition: the architecture sees pictures, and it or the argument says how they are fed.
    public init(
        _ architecture: Architecture = PlanDefaults.backbone, weights: Weights = .pretrained,
        preprocessing: Preprocessing? = nil, taps: [Tap.Name]? = nil, pictureSize: Int? = nil, isTrained: Bool = false
    ) {
        guard let image = architecture.image,
            let preprocessing = preprocessing ?? architecture.configuration.preprocessing
        else { stop("BackbonePlan: \(architecture.name) sees no pictures") }
        self.architecture = architecture
        self.weights = weights
        input = .pictures(preprocessing)
        readTaps = taps ?? image.summaryTaps
        self.pictureSize = pictureSize
        self.isTrained = isTrained
    }

    /// A frozen backbone over texts, from a folder that holds a tokenizer too; its vector is the pooled one alone.
    public init(texts architecture: Architecture, folder: URL, maximumTokens: Int = PlanDefaults.maximumTokens) {
        self.architecture = architecture
        weights = .file(folder)
        input = .texts(maximumTokens: maximumTokens)
        readTaps = []
        isTrained = false
    }
}

/// Which text backbone, and where its folder is.
public struct TextBackbonePlan: Sendable, Hashable, Codable {
    public enum Name: String, Sendable, Codable, CaseIterable { case miniLM = "all-MiniLM-L6-v2" }
    public var name: Name
    /// A Hugging Face folder (`config.json`, `tokenizer.json`, `model.safetensors`); `nil` for the one the set-up
    /// fetched.
    public var weights: URL?

    public init(name: Name = PlanDefaults.textBackbone, weights: URL? = nil) {
        self.name = name
        self.weights = weights
    }
}

/// Where examples come from.
public struct DataPlan: Sendable, Hashable, Codable {
    public enum Kind: String, Sendable, Codable, CaseIterable {
        case clipart, scenes, debian
        case imageFolder = "imagefolder"
        case csv, jsonl

        /// Whether the data set is read from a path that the plan must name.
        public var needsPath: Bool {
            switch self {
            case .clipart, .scenes, .debian: false
            case .imageFolder, .csv, .jsonl: true
            }
        }
        /// Whether columns are declared by the plan; the others know theirs.
        public var declaresColumns: Bool { self == .csv || self == .jsonl }
    }

    public var kind: Kind
    /// The folder or manifest.
    public var path: URL?
    /// The manifest's column of image paths.
    public var imageColumn: String
    /// The manifest's column of texts, where examples are texts and not pictures.
    public var textColumn: String?
    /// The manifest's column of `train`, `validation` or `test`; `nil`: a hash of the image path decides.
    public var splitColumn: String?
    /// The manifest's task columns.
    public var columns: [String: LabelKind]
    /// At most so many examples; `nil` for all.
    public var limit: Int?
    /// For generated data and for choosing under `limit`.
    public var seed: UInt64

    public init(
        kind: Kind, path: URL? = nil, imageColumn: String = PlanDefaults.imageColumn, textColumn: String? = nil,
        splitColumn: String? = nil, columns: [String: LabelKind] = [:], limit: Int? = nil, seed: UInt64 = PlanDefaults.seed
    ) {
        self.kind = kind
        self.path = path
        self.imageColumn = imageColumn
        self.textColumn = textColumn
        self.splitColumn = splitColumn
        self.columns = columns
        self.limit = limit
        self.seed = seed
    }

    /// Whether examples are texts; else they are pictures.
    public var holdsTexts: Bool { kind == .debian || textColumn != nil }
}

/// What a task predicts.
public enum TaskKind: String, Sendable, Codable, CaseIterable {
    /// One class of several.
    case classification
    /// Any number of labels.
    case multilabel
    /// A number.
    case regression
    /// Which image belongs to a text, and which text to an image.
    case retrieval
}

/// One task of a plan.
public struct TaskPlan: Sendable, Hashable, Codable {
    public enum ClassWeights: String, Sendable, Codable, CaseIterable {
        case none
        /// Each class weighs as the inverse of how often it occurs in training, on average 1.
        case balanced
    }

    public var name: String
    public var kind: TaskKind
    /// The data's column that holds the labels.
    public var column: String
    public var adapter: AdapterChoice
    public var head: HeadPlan
    public var classWeights: ClassWeights
    /// How much of the target goes evenly to all classes (classification).
    public var labelSmoothing: Double
    /// The focal loss's exponent (multilabel); 0 is plain binary cross entropy.
    public var focalGamma: Double
    /// What the task's loss is multiplied by.
    public var weight: Double
    /// Labels on fewer training examples are left out; `nil` refuses labels too rare to be learned and measured.
    public var minimumCount: Int?
    /// Where its examples come from, if not from the plan's data: only of a task that was added to a bundle.
    public var data: DataPlan?
    /// How it is trained, if not as the plan says: only of a task that was added to a bundle.
    public var train: TrainPlan?

    public init(
        name: String, kind: TaskKind, column: String? = nil, adapter: AdapterChoice = AdapterChoice(),
        head: HeadPlan = HeadPlan(),
        classWeights: ClassWeights = .none, labelSmoothing: Double = 0, focalGamma: Double = 0, weight: Double = 1,
        minimumCount: Int? = nil
    ) {
        self.name = name
        self.kind = kind
        self.column = column ?? name
        self.adapter = adapter
        self.head = head
        self.classWeights = classWeights
        self.labelSmoothing = labelSmoothing
        self.focalGamma = focalGamma
        self.weight = weight
        self.minimumCount = minimumCount
    }
}

/// The trainable part that turns features into a task's predictions.
public struct HeadPlan: Sendable, Hashable, Codable {
    public enum Kind: String, Sendable, Codable, CaseIterable {
        /// One linear layer, started from the closed-form ridge solution.
        case linear
        /// One hidden layer beside a linear path that stays the closed-form ridge solution.
        case mlp
    }
    public var kind: Kind
    /// Size of the hidden layer (mlp).
    public var hidden: Int
    /// Share of features put to zero at each training step.
    public var dropout: Double
    /// Size of the space that images and texts meet in (retrieval).
    public var projection: Int

    public init(
        kind: Kind = PlanDefaults.head, hidden: Int = PlanDefaults.hidden, dropout: Double = PlanDefaults.dropout,
        projection: Int = PlanDefaults.projection
    ) {
        self.kind = kind
        self.hidden = hidden
        self.dropout = dropout
        self.projection = projection
    }
}

/// How to train.
public struct TrainPlan: Sendable, Hashable, Codable {
    public enum Optimizer: String, Sendable, Codable, CaseIterable { case adamw, sgd }
    public enum Precision: String, Sendable, Codable, CaseIterable {
        /// bfloat16 where the processor has it natively.
        case auto
        case float32, bfloat16
    }

    /// Passes over the training examples, at most.
    public var epochs: Int
    public var batchSize: Int
    public var learningRate: Double
    public var weightDecay: Double
    /// Share of all steps during which the learning rate rises from 0.
    public var warmup: Double
    /// Epochs without a better validation metric before a task stops.
    public var patience: Int
    public var optimizer: Optimizer
    public var seed: UInt64
    /// Of the backbone's pass; heads train in float32.
    public var precision: Precision
    /// What a trained backbone's learning rate is of the heads'.
    public var backboneRate: Double
    /// Whether a backbone that is trained sees each picture shifted and mirrored at random.
    public var augments: Bool

    public init(
        epochs: Int = PlanDefaults.epochs, batchSize: Int = PlanDefaults.batchSize,
        learningRate: Double = PlanDefaults.learningRate, weightDecay: Double = PlanDefaults.weightDecay,
        warmup: Double = PlanDefaults.warmup, patience: Int = PlanDefaults.patience,
        optimizer: Optimizer = .adamw, seed: UInt64 = PlanDefaults.seed, precision: Precision = .auto,
        backboneRate: Double = PlanDefaults.fineTuningRate, augments: Bool = true
    ) {
        self.epochs = epochs
        self.batchSize = batchSize
        self.learningRate = learningRate
        self.weightDecay = weightDecay
        self.warmup = warmup
        self.patience = patience
        self.optimizer = optimizer
        self.seed = seed
        self.precision = precision
        self.backboneRate = backboneRate
        self.augments = augments
    }
}

/// How features are kept.
public struct FeaturePlan: Sendable, Hashable, Codable {
    /// Of taps; examples' vectors are kept as `float32`.
    public var codec: FeatureCodec
    /// Whether taps are stored or computed anew in each epoch; `nil` lets an estimate decide.
    public var stores: Bool?

    public init(codec: FeatureCodec = PlanDefaults.codec, stores: Bool? = nil) {
        (self.codec, self.stores) = (codec, stores)
    }
}

/// What training may take.
public struct BudgetPlan: Sendable, Hashable, Codable {
    /// The process's memory; `nil` for no bound. Training that would need more is refused before it begins.
    public var memory: ByteCount?
    /// What stored features of this plan may take on disk; `nil` for half of what is free.
    public var disk: ByteCount?

    public init(memory: ByteCount? = nil, disk: ByteCount? = nil) { (self.memory, self.disk) = (memory, disk) }
}
