import PandoTensor

/// How the weights of a network that is trained from nothing begin.
public struct Initialization: Sendable {
    public enum Rule: Sendable {
        /// Normal with variance `2 / fan out`, for networks of rectifiers.
        ///
        /// Source: He et al. 2015 (arXiv:1502.01852), section 2.2.
        case kaimingNormal
        /// Normal with this deviation, drawn again beyond two deviations, as vision transformers begin.
        case truncatedNormal(Float)
        /// Uniform in `±√(6 / (fan in + fan out))`.
        ///
        /// Source: Glorot and Bengio 2010, equation 16.
        case glorotUniform
    }

    public var convolutions: Rule
    public var matrices: Rule

    public init(convolutions: Rule, matrices: Rule) {
        self.convolutions = convolutions
        self.matrices = matrices
    }

    /// torchvision's ResNets.
    public static let residual = Initialization(convolutions: .kaimingNormal, matrices: .glorotUniform)
    /// timm's vision transformers.
    public static let transformer = Initialization(
        convolutions: .truncatedNormal(0.02), matrices: .truncatedNormal(0.02))
}

extension Module {
    /// Draws every weight of two and more axes anew. Vectors stay: norms begin as the identity, biases at zero.
    ///
    /// Each tensor has a stream of its own, named by its path: adding one does not shift the others.
    public mutating func initialize(_ initialization: Initialization, seed: UInt64) {
        let generator = SeededGenerator(seed: seed)
        updateParameters { name, tensor in
            guard tensor.rank >= 2 else { return tensor }
            var stream = generator.split(name)
            let rule = tensor.rank > 2 && tensor.shape[0] > 1 ? initialization.convolutions : initialization.matrices
            return rule.draw(tensor.shape, using: &stream)
        }
    }
}

extension Initialization.Rule {
    /// - Shapes: `[out, in, …]`.
    fileprivate func draw(_ shape: [Int], using generator: inout SeededGenerator) -> Tensor {
        let window = shape.dropFirst(2).reduce(1, *)
        let (fanOut, fanIn) = (Float(shape[0] * window), Float(shape[1] * window))
        switch self {
        case .kaimingNormal:
            return .normal(deviation: (2 / fanOut).squareRoot(), shape, using: &generator)
        case .truncatedNormal(let deviation):
            return .truncatedNormal(deviation: deviation, shape, using: &generator)
        case .glorotUniform:
            let bound = (6 / (fanIn + fanOut)).squareRoot()
            return .uniform(-bound..<bound, shape, using: &generator)
        }
    }
}
