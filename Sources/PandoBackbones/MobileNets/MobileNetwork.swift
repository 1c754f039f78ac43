import PandoNN
import PandoTensor

/// How the maps of a network of the MobileNet line are framed with zeros.
public enum MobileFraming: String, Sendable, Hashable, Codable {
    /// The same on all sides, as PyTorch has it.
    case symmetric
    /// TensorFlow's "same".
    case same
    /// What TensorFlow's "same" is for maps of even sizes, for all maps, as Hugging Face's EfficientNet has it.
    case evenSame

    func frame(kernel: Int, stride: Int) -> Convolution2D.Frame {
        switch self {
        case .symmetric: .fixed(kernel / 2)
        case .same: .same
        case .evenSame: stride == 1 ? .fixed(kernel / 2) : .uneven(before: kernel / 2 - 1, after: kernel / 2)
        }
    }
}

/// A network of inverted residual blocks for pictures: MobileNetV2, MobileNetV3, EfficientNet, EfficientNet-Lite.
///
/// - Shapes: `[N, H, W, 3]` → pooled `[N, C]`, the mean over the last map; taps are the first convolution, every block,
///   and the last convolution.
/// - Source: Sandler et al. 2018 (arXiv:1801.04381), Howard et al. 2019 (arXiv:1905.02244), Tan and Le 2019
///   (arXiv:1905.11946).
public struct MobileNetwork: ImageBackbone, BlockwiseBackbone {
    /// All sizes.
    struct Plan {
        var stemChannels: Int
        var stemFrame: Convolution2D.Frame
        var blocks: [MobileBlock.Plan]
        var headChannels: Int
        /// Features of the layer between the pooled vector and the classifier; `nil` without one.
        var hiddenFeatures: Int?
        var classCount: Int
        /// Of the first and the last convolution, and of the hidden layer.
        var activation: Activation
        /// Within and at the end of a gate.
        var gate: (Activation, Activation) = (.relu, .sigmoid)
        var epsilon: Float
        var names: MobileNames
        /// The taps at the first and the last convolution.
        var ends: (stem: Tap.Name, head: Tap.Name)
        /// The tap of a block, by its path.
        var tapOfPath: @Sendable (String) -> Tap.Name = { $0 }
    }

    var stem: ConvolutionBlock
    var blocks: [MobileBlock]
    var head: ConvolutionBlock
    var hidden: Linear?
    var classifier: Linear?
    public let taps: [Tap]
    public let summaryTaps: [Tap.Name]
    private let activation: Activation
    private let names: MobileNames

    /// The network with weights of the right shapes, to be loaded or initialised.
    init(_ plan: Plan) {
        let (names, epsilon) = (plan.names, plan.epsilon)
        stem = ConvolutionBlock(
            3, plan.stemChannels, kernel: 3, stride: 2, frame: plan.stemFrame, epsilon: epsilon,
            activation: plan.activation, names: names.stem)
        blocks = zip(plan.blocks, names.blocks).map { MobileBlock($0, epsilon: epsilon, gate: plan.gate, names: $1) }
        let last = plan.blocks.last?.outChannels ?? plan.stemChannels
        head = ConvolutionBlock(
            last, plan.headChannels, kernel: 1, epsilon: epsilon, activation: plan.activation, names: names.head)
        let hasClassifier = plan.classCount > 0
        if let features = plan.hiddenFeatures, hasClassifier { hidden = .blank(plan.headChannels, features) }
        classifier = .classifier(plan.hiddenFeatures ?? plan.headChannels, classes: plan.classCount)
        activation = plan.activation
        self.names = names

        let tapNames = names.blocks.map { plan.tapOfPath($0.path) }
        var stride = 2
        var taps = [Tap(name: plan.ends.stem, depth: 1, channels: plan.stemChannels, kind: .map(stride: stride))]
        for (name, block) in zip(tapNames, plan.blocks) {
            stride *= block.stride
            taps.append(Tap(name: name, depth: taps.count + 1, channels: block.outChannels, kind: .map(stride: stride)))
        }
        taps.append(
            Tap(name: plan.ends.head, depth: taps.count + 1, channels: plan.headChannels, kind: .map(stride: stride)))
        self.taps = taps
        // The end of every stage but the first.
        summaryTaps = plan.blocks.indices.dropFirst().compactMap { index in
            let isLast = index + 1 == plan.blocks.count || plan.blocks[index + 1].stage != plan.blocks[index].stage
            return isLast && plan.blocks[index].stage > 0 ? names.blocks[index].path : nil
        }.map(plan.tapOfPath)
    }

    public var pooledFeatures: Int { head.convolution.weight.shape[0] }

    public var blockPaths: [String] { [names.stem.norm] + names.blocks.map(\.path) + [names.head.norm] }

    public func embedded(_ input: BackboneInput, during pass: TrainingPass?) -> Tensor { input.pictures(for: self) }

    /// The first and the last convolution are blocks, too.
    public func block(_ index: Int, _ state: Tensor, mask: Tensor?, during pass: TrainingPass?) -> Tensor {
        if index == 0 { return stem(state, during: pass) }
        return index <= blocks.count ? blocks[index - 1](state, during: pass) : head(state, during: pass)
    }

    public func pooled(_ last: Tensor, mask: Tensor?) -> Tensor { last.mean(along: [1, 2]) }

    public func logits(_ pooled: Tensor) -> Tensor? {
        classifier?(hidden.map { $0(pooled).applying(activation) } ?? pooled)
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        stem.visit(&visitor)
        for index in blocks.indices { visitor.module(names.blocks[index].path, &blocks[index]) }
        head.visit(&visitor)
        visitor.module(names.hidden, &hidden)
        visitor.module(names.classifier, &classifier)
    }
}

/// `value` to the nearest multiple of `divisor`, but at least `minimum`, and no more than a tenth below.
///
/// - Source: `make_divisible` of TensorFlow's MobileNets, which every later implementation follows.
func roundedChannels(_ value: Double, divisor: Int = 8, minimum: Int? = nil) -> Int {
    let rounded = max(minimum ?? divisor, Int(value + Double(divisor) / 2) / divisor * divisor)
    return Double(rounded) < 0.9 * value ? rounded + divisor : rounded
}
