import PandoNN
import PandoTensor

/// A named place in a backbone whose activation can be read.
public struct Tap: Sendable, Hashable {
    public typealias Name = String

    /// What the activation looks like.
    public enum Kind: Sendable, Hashable {
        /// A map `[N, H, W, C]`, `stride` input pixels from one place to the next.
        case map(stride: Int)
        /// Tokens `[N, T, C]`.
        case tokens
    }

    public var name: Name
    /// Blocks passed before this place, counted from the input.
    public var depth: Int
    public var channels: Int
    public var kind: Kind

    public init(name: Name, depth: Int, channels: Int, kind: Kind) {
        self.name = name
        self.depth = depth
        self.channels = channels
        self.kind = kind
    }
}

/// What one pass through a backbone returns.
public struct Features: Sendable {
    /// The activations asked for, by tap.
    public var taps: [Tap.Name: Tensor]
    /// One vector per example, `[N, C]`.
    public var pooled: Tensor

    public init(taps: [Tap.Name: Tensor] = [:], pooled: Tensor) {
        self.taps = taps
        self.pooled = pooled
    }
}

/// A pretrained network over pictures that tasks share.
public protocol ImageBackbone: Module {
    /// Every place that can be read, known before anything runs; in order of depth.
    var taps: [Tap] { get }

    /// Length of the pooled vector.
    var pooledFeatures: Int { get }

    /// One pass over preprocessed pictures.
    ///
    /// - Shapes: `[N, H, W, 3]` → taps `[N, H / stride, W / stride, C]`, pooled `[N, pooledFeatures]`.
    /// - Parameter pass: given when the pass is part of training: batch norms then use the batch's own statistics.
    /// - Precondition: `names` are names of `taps`.
    func features(of pictures: Tensor, reading names: Set<Tap.Name>, during pass: TrainingPass?) -> Features

    /// The scores of the classes that the network was pretrained on, from the pooled vector.
    func logits(_ pooled: Tensor) -> Tensor
}

extension ImageBackbone {
    /// One pass over preprocessed pictures, as the network will be used.
    public func features(of pictures: Tensor, reading names: Set<Tap.Name> = []) -> Features {
        features(of: pictures, reading: names, during: nil)
    }

    /// Stops the program if `names` holds something that is no tap.
    func requireTaps(_ names: Set<Tap.Name>) {
        let unknown = names.subtracting(taps.map(\.name))
        require(unknown.isEmpty, "\(Self.self) has no taps \(unknown.sorted()); it has \(taps.map(\.name))")
    }
}

/// A convolution, its batch norm, and perhaps an activation: the brick of the convolutional backbones.
struct ConvolutionBlock: Module {
    var convolution: Convolution2D
    var norm: BatchNorm
    let activation: Activation?
    /// The checkpoint's names of the two.
    let names: (convolution: String, norm: String)

    init(
        _ inChannels: Int, _ outChannels: Int, kernel: Int, stride: Int = 1, groups: Int = 1,
        frame: Convolution2D.Frame? = nil, epsilon: Float = 1e-5, activation: Activation?,
        names: (convolution: String, norm: String)
    ) {
        convolution = Convolution2D(inChannels, outChannels, kernel: kernel, stride: stride, frame: frame, groups: groups)
        norm = BatchNorm(outChannels, epsilon: epsilon)
        self.activation = activation
        self.names = names
    }

    func callAsFunction(_ x: Tensor, during pass: TrainingPass? = nil) -> Tensor {
        let normalized = norm(convolution(x), during: pass)
        return activation.map(normalized.applying) ?? normalized
    }

    mutating func visit(_ visitor: inout some Visitor) {
        visitor.module(names.convolution, &convolution)
        visitor.module(names.norm, &norm)
    }
}
