import PandoBackbones
import PandoData

/// What a plan means where it says nothing. Every default stands here and nowhere else.
public enum PlanDefaults {
    /// `backbone`
    public static let backbone = Architecture(name: "mobilenet_v2", MobileNetV2Configuration())
    /// `text_backbone`
    public static let textBackbone = TextBackbonePlan.Name.miniLM

    /// `backbone.tokens`: of each text so many at most.
    public static let maximumTokens = 64

    /// `data.image`: the manifest's column of image paths.
    public static let imageColumn = "image"

    /// `tasks.NAME.head`
    public static let head = HeadPlan.Kind.linear
    /// `tasks.NAME.head.hidden`
    public static let hidden = 512
    /// `tasks.NAME.head.dropout`
    public static let dropout = 0.2
    /// `tasks.NAME.head.projection`
    public static let projection = 256

    /// `features.codec`
    public static let codec = FeatureCodec.bfloat16

    /// `train.epochs`
    public static let epochs = 20
    /// `train.batch_size`
    public static let batchSize = 64
    /// `train.learning_rate`
    public static let learningRate = 1e-3
    /// `train.weight_decay`
    public static let weightDecay = 0.05
    /// `train.warmup`: share of all steps.
    public static let warmup = 0.05
    /// `train.patience`: epochs.
    public static let patience = 8
    /// `train.backbone_rate`: of a pretrained backbone that is trained on; one that starts at random has the heads' rate.
    public static let fineTuningRate = 0.1
    /// `data.seed` and `train.seed`
    public static let seed: UInt64 = 0
}
