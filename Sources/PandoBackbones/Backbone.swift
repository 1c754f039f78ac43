import PandoNN
import PandoTensor

/// A named place in a backbone whose activation can be read.
public struct Tap: Sendable, Hashable, Codable {
    public typealias Name = String

    /// What the activation looks like.
    public enum Kind: Sendable, Hashable, Codable {
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

/// A pretrained network that tasks share.
public protocol Backbone: Module {
    /// Every place that can be read, known before anything runs; in order of depth.
    var taps: [Tap] { get }

    /// Length of the pooled vector.
    var pooledFeatures: Int { get }

    /// The taps that an example's vector takes in unless the plan says otherwise.
    var summaryTaps: [Tap.Name] { get }

    /// One pass over examples of the network's own kind.
    ///
    /// - Parameter pass: given when the pass is part of training.
    /// - Precondition: `input` is of that kind; `names` are names of `taps`.
    func features(of input: BackboneInput, reading names: Set<Tap.Name>, during pass: TrainingPass?) -> Features

    /// Which tokens of texts count as tokens, `[N, T]` of 1 and 0, `float32`; `nil` for pictures.
    func mask(of input: BackboneInput) -> Tensor?
}

/// A pretrained network over pictures.
public protocol ImageBackbone: Backbone {
    /// Pixels along each side of the pictures that it was made for; `nil` if any size goes.
    var pictureSize: Int? { get }

    /// The same network for pictures of another size, its position embeddings resampled; itself where any size goes.
    func resized(to side: Int) -> Self

    /// One pass over preprocessed pictures.
    ///
    /// - Shapes: `[N, H, W, 3]` → taps `[N, H / stride, W / stride, C]`, pooled `[N, pooledFeatures]`.
    /// - Parameter pass: given when the pass is part of training: batch norms then use the batch's own statistics.
    /// - Precondition: `names` are names of `taps`.
    func features(of pictures: Tensor, reading names: Set<Tap.Name>, during pass: TrainingPass?) -> Features

    /// The scores of the classes that the network was pretrained on, from the pooled vector; `nil` if it knows none.
    ///
    /// - Shapes: `[N, pooledFeatures]` → `[N, classes]`.
    func logits(_ pooled: Tensor) -> Tensor?
}

/// A pretrained network over texts.
public protocol TextBackbone: Backbone {
    /// The longest text it can see, in tokens.
    var maximumLength: Int { get }

    /// One pass over tokens.
    ///
    /// - Shapes: `[N, T]` → taps `[N, T, C]`, pooled `[N, pooledFeatures]`.
    /// - Precondition: `names` are names of `taps`; `T` is at most `maximumLength`; ids are in the vocabulary.
    func features(of texts: TokenTensors, reading names: Set<Tap.Name>) -> Features
}

/// Two networks trained together, so that a picture and its text have vectors that are alike.
public protocol ImageTextBackbone: Module {
    associatedtype Image: ImageBackbone
    associatedtype Text: TextBackbone

    var image: Image { get set }
    var text: Text { get }

    /// What is compared of a picture, of length 1.
    ///
    /// - Shapes: the pooled features of `image`, `[N, C]` → `[N, D]`.
    func imageVectors(_ pooled: Tensor) -> Tensor

    /// What is compared of a text, of length 1.
    ///
    /// - Shapes: the pooled features of `text`, `[M, C]` → `[M, D]`.
    func textVectors(_ pooled: Tensor) -> Tensor

    /// How well each picture and each text belong together: logits, scaled as in training.
    ///
    /// - Shapes: `[N, D]` and `[M, D]` → `[N, M]`.
    func similarities(of images: Tensor, to texts: Tensor) -> Tensor
}

extension ImageTextBackbone {
    /// The same pair for pictures of another size.
    public func resized(to side: Int) -> Self {
        var resized = self
        resized.image = image.resized(to: side)
        return resized
    }
}

extension Backbone {
    /// The last map of each stride but the last, which the pooled vector stands for; or the tokens at a quarter, half
    /// and three quarters of the depth.
    ///
    /// Earlier stages know of texture and line what the last one has dropped for the classes of its pretraining.
    public var summaryTaps: [Tap.Name] {
        let taps = taps
        let maps = taps.filter { if case .map = $0.kind { true } else { false } }
        if maps.count == taps.count {
            return zip(taps, taps.dropFirst()).filter { $0.kind != $1.kind }.map(\.0.name)
        }
        let tokens = taps.filter { $0.kind == .tokens }
        return Set([1, 2, 3].map { $0 * tokens.count / 4 - 1 }.filter { $0 >= 0 }).sorted().map { tokens[$0].name }
    }

    public func mask(of input: BackboneInput) -> Tensor? { input.attentionMask?.cast(to: .float32) }

    /// One pass over examples of the network's own kind, as the network will be used.
    public func features(of input: BackboneInput, reading names: Set<Tap.Name> = []) -> Features {
        features(of: input, reading: names, during: nil)
    }

    /// Length of an example's vector: the pooled one, and the channels of the taps.
    /// - Precondition: `names` are names of `taps`.
    public func vectorLength(reading names: [Tap.Name]) -> Int {
        names.reduce(pooledFeatures) { sum, name in
            guard let tap = taps.first(where: { $0.name == name }) else { stop("\(Self.self) has no tap \(name)") }
            return sum + tap.channels
        }
    }

    /// Stops the program if `names` holds something that is no tap.
    func requireTaps(_ names: Set<Tap.Name>) {
        let unknown = names.subtracting(taps.map(\.name))
        require(unknown.isEmpty, "\(Self.self) has no taps \(unknown.sorted()); it has \(taps.map(\.name))")
    }
}

extension ImageBackbone {
    public var pictureSize: Int? { nil }
    public func resized(to side: Int) -> Self { self }

    public func features(of input: BackboneInput, reading names: Set<Tap.Name>, during pass: TrainingPass?) -> Features {
        features(of: input.pictures(for: self), reading: names, during: pass)
    }

    /// One pass over preprocessed pictures, as the network will be used.
    public func features(of pictures: Tensor, reading names: Set<Tap.Name> = []) -> Features {
        features(of: pictures, reading: names, during: nil)
    }
}

extension TextBackbone {
    public func features(of input: BackboneInput, reading names: Set<Tap.Name>, during pass: TrainingPass?) -> Features {
        features(of: input.texts(for: self), reading: names)
    }

    /// One pass over tokens, pooled.
    public func features(of texts: TokenTensors) -> Features { features(of: texts, reading: []) }
}

extension [Int] {
    /// Where the thing in place `index` of all stands, if each of these counts a group of things: its group and its
    /// place in that.
    /// - Precondition: there are more than `index` things.
    func place(of index: Int) -> (group: Int, inner: Int) {
        var inner = index
        for (group, count) in enumerated() {
            if inner < count { return (group, inner) }
            inner -= count
        }
        stop("there are \(reduce(0, +)) blocks, none in place \(index)")
    }
}

extension Linear {
    /// A layer with weights of the right shapes, to be loaded or initialised.
    static func blank(_ inFeatures: Int, _ outFeatures: Int, bias: Bool = true) -> Linear {
        Linear(weight: .placeholder([outFeatures, inFeatures]), bias: bias ? .zeros([outFeatures]) : nil)
    }

    /// A layer that names `classes` classes; `nil` for none.
    static func classifier(_ inFeatures: Int, classes: Int) -> Linear? {
        classes > 0 ? blank(inFeatures, classes) : nil
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
