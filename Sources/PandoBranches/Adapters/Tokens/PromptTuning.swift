import PandoBackbones
import PandoNN
import PandoTensor

/// Learnt tokens among a transformer's own: in front of its first block, or new ones in front of every block.
///
/// They stand behind a picture's or text's own tokens, which see them, and are gone again before pooling. Where blocks
/// know no places, as those of vision transformers and BERT, it does not matter where they stand.
/// - Shapes: prompts `[P, C]`, one for all blocks or one for each.
/// - Source: Jia et al. 2022, Visual Prompt Tuning (arXiv:2203.12119), equations 4 to 7. Not the identity at first.
public struct PromptTuning: Adapter {
    public var prompts: [Tensor]
    public let request: FeatureRequest
    public let gradientEntry: Int?
    /// Frozen, and so not visited.
    private var backbone: any BlockwiseBackbone
    /// What a whole pass computes in; `nil` for what the input is embedded as.
    private var precision: ElementType?
    /// The place of the first block that sees prompts.
    private let first: Int

    /// - Precondition: the network's taps are tokens.
    init(
        on backbone: any BlockwiseBackbone, count: Int, atEveryBlock isDeep: Bool, using generator: inout SeededGenerator
    ) {
        let taps = backbone.taps
        first = taps.count { $0.depth == 0 }  // a tap at the embeddings
        self.backbone = backbone
        gradientEntry = first
        request = first == 0 ? .input : FeatureRequest(taps: [taps[first - 1].name])
        let features = taps[taps.count - 1].channels
        let bound = (3 / Float(features)).squareRoot()
        prompts = (0..<(isDeep ? taps.count - first : 1)).map { _ in
            .uniform(-bound..<bound, [count, features], using: &generator)
        }
    }

    public var featureCount: Int { backbone.pooledFeatures }

    /// The adapter with the frozen weights kept as `type`, for training that computes in it.
    public func keepingFrozenWeights(as type: ElementType) -> Self {
        var adapter = self
        (adapter.backbone, adapter.precision) = (backbone.keepingWeights(as: type, fromBlock: first), type)
        return adapter
    }

    public func callAsFunction(_ features: Features, during pass: TrainingPass?) -> Tensor {
        var state: Tensor
        var own = features.mask
        if let start = request.taps.first {
            state = features[start]
        } else {
            guard let input = features.input else { stop("PromptTuning runs the whole network, and there is no input") }
            let embedded = backbone.embedded(input, during: nil)
            state = precision.map(embedded.cast) ?? embedded
            own = backbone.mask(of: input)
        }
        let (examples, length, count) = (state.shape[0], state.shape[1], prompts[0].shape[0])
        let mask = own.map {
            Tensor.concatenated([$0, .ones([examples, count]).cast(to: $0.elementType)], along: 1)
        }
        for block in first..<backbone.taps.count {
            if block - first < prompts.count {
                let prompt = prompts[block - first].cast(to: state.elementType).expanded(at: 0)
                let tokens = state.slice(0..<length, along: 1)
                state = .concatenated([tokens, prompt.broadcast(to: [examples, count, prompt.shape[2]])], along: 1)
            }
            state = backbone.block(block, state, mask: mask, during: nil)
        }
        return backbone.pooled(state.slice(0..<length, along: 1), mask: own).cast(to: .float32)
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        for index in prompts.indices { visitor.parameter("prompts.\(index)", &prompts[index]) }
    }
}

/// How many prompts, and where.
public struct PromptConfiguration: AdapterConfiguration {
    public static let kind = "prompt"
    public static let summary = "learnt tokens among a transformer's own"
    public static let options: [PlanOption<PromptConfiguration>] = [
        PlanOption("count", "of the tokens", .integer(1...1024) { $0.count = $1 }),
        PlanOption(
            "depth", "in front of the first block, or new ones in front of every block",
            .choice(["shallow", "deep"]) { $0.depth = $1 }),
    ]

    public var count = 10
    public var depth = "deep"

    public init() {}

    public func makeAdapter(on backbone: any Backbone, vectorLength: Int, using generator: inout SeededGenerator)
        throws(AdapterError) -> any Adapter
    {
        guard let network = backbone as? any BlockwiseBackbone, network.taps.allSatisfy({ $0.kind == .tokens }) else {
            throw AdapterError(
                Self.kind, "\(type(of: backbone)) is no chain of blocks over tokens; lora and ssf work on maps")
        }
        if let text = backbone as? TextTransformer, text.configuration.isCausal {
            throw AdapterError(Self.kind, "\(type(of: backbone)) sees only what stands before a token; prefix and lora work")
        }
        return PromptTuning(on: network, count: count, atEveryBlock: depth == "deep", using: &generator)
    }
}
