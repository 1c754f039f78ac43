import PandoNN
import PandoTensor

/// The networks of the scale hyperprior: what turns patches of a plane into latents, latents into patches, and tells how
/// likely latents are.
///
/// `y = gₐ(x)`, `z = hₐ(|y|)`, `σ = hₛ(ẑ)`, `x̂ = gₛ(ŷ)`. Each ŷ is Gaussian about zero with its own σ; ẑ has a
/// `FactorizedPrior`. Rounding becomes uniform noise where it is trained.
/// - Shapes: patches `[P, 32, 32, 1]`; y `[P, 8, 8, M]`; z `[P, 2, 2, N]`.
/// - Source: Ballé et al. 2018 (arXiv:1802.01436), figure 4 without means, at the size of 32 by 32 patches: two of its
///   four convolutions with stride 2, and few channels. σ is at least 0.11, by a softplus above it instead of a bound.
struct HyperpriorModel: Module {
    private var analysis: Narrowing
    private var synthesis: Widening
    private var hyperAnalysis: Narrowing
    private var hyperSynthesis: Widening
    var prior: FactorizedPrior
    /// Of one patch.
    let latentShapes: (y: [Int], z: [Int])

    static let patchSize = 32
    static let smallestScale: Float = 0.11

    /// - Parameters:
    ///   - filters: N, the channels between layers and those of z.
    ///   - latents: M, the channels of y.
    init(filters: Int, latents: Int, using generator: inout some RandomNumberGenerator) {
        analysis = Narrowing([1, filters, latents], kernels: [5, 5], strides: [2, 2], divides: true, using: &generator)
        synthesis = Widening([latents, filters, 1], kernels: [5, 5], strides: [2, 2], divides: true, using: &generator)
        hyperAnalysis = Narrowing(
            [latents, filters, filters, filters], kernels: [3, 5, 5], strides: [1, 2, 2], divides: false, using: &generator)
        hyperSynthesis = Widening(
            [filters, filters, filters, latents], kernels: [5, 5, 3], strides: [2, 2, 1], divides: false, using: &generator)
        prior = FactorizedPrior(filters, using: &generator)
        latentShapes = ([Self.patchSize / 4, Self.patchSize / 4, latents], [Self.patchSize / 16, Self.patchSize / 16, filters])
    }

    /// The latents of patches, before they are rounded.
    func latents(of patches: Tensor) -> (y: Tensor, z: Tensor) {
        let y = analysis(patches)
        return (y, hyperAnalysis(y.absolute()))
    }

    /// The deviation of each of y, given what was rounded of z.
    func scales(given z: Tensor) -> Tensor { hyperSynthesis(z).softplus() + Self.smallestScale }

    /// The patches that rounded latents stand for.
    func patches(from y: Tensor) -> Tensor { synthesis(y) }

    /// Bits of all latents, with noise in place of rounding, and the patches that come back.
    func trial(of patches: Tensor, using generator: inout some RandomNumberGenerator) -> (bits: Tensor, patches: Tensor) {
        var (y, z) = latents(of: patches)
        y = y + .uniform(-0.5..<0.5, y.shape, using: &generator)
        z = z + .uniform(-0.5..<0.5, z.shape, using: &generator)
        let bits = y.gaussianInformation(scale: scales(given: z)).sum() + prior.information(of: z).sum()
        return (bits, self.patches(from: y))
    }

    mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("g_a", &analysis)
        visitor.module("g_s", &synthesis)
        visitor.module("h_a", &hyperAnalysis)
        visitor.module("h_s", &hyperSynthesis)
        visitor.module("entropy_bottleneck", &prior)
    }
}

/// Convolutions that make maps smaller, with divisive norms or rectifiers between them.
private struct Narrowing: Module {
    var layers: [Convolution2D]
    /// Empty: rectifiers.
    var norms: [GDN]

    init(
        _ channels: [Int], kernels: [Int], strides: [Int], divides: Bool, using generator: inout some RandomNumberGenerator
    ) {
        layers = kernels.indices.map { layer in
            let (inputs, outputs, kernel) = (channels[layer], channels[layer + 1], kernels[layer])
            let deviation = 1 / Float(inputs * kernel * kernel).squareRoot()
            return Convolution2D(
                weight: .normal(deviation: deviation, [outputs, inputs, kernel, kernel], using: &generator),
                bias: .zeros([outputs]), stride: strides[layer], frame: .fixed(kernel / 2))
        }
        norms = divides ? channels.dropFirst().dropLast().map { GDN($0) } : []
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        layers.indices.reduce(x) { x, layer in
            let output = layers[layer](x)
            if layer == layers.count - 1 { return output }
            return norms.isEmpty ? output.relu() : norms[layer](output)
        }
    }

    mutating func visit(_ visitor: inout some Visitor) {
        visitor.modules("convolutions", &layers)
        visitor.modules("norms", &norms)
    }
}

/// Transposed convolutions that make maps larger, with inverse divisive norms or rectifiers between them.
private struct Widening: Module {
    var layers: [TransposedConvolution]
    /// Empty: rectifiers.
    var norms: [GDN]

    init(
        _ channels: [Int], kernels: [Int], strides: [Int], divides: Bool, using generator: inout some RandomNumberGenerator
    ) {
        layers = kernels.indices.map { layer in
            let (inputs, outputs, kernel, stride) = (channels[layer], channels[layer + 1], kernels[layer], strides[layer])
            // A stride leaves each output so much fewer inputs.
            let deviation = Float(stride) / Float(inputs * kernel * kernel).squareRoot()
            return TransposedConvolution(
                weight: .normal(deviation: deviation, [inputs, outputs, kernel, kernel], using: &generator),
                bias: .zeros([outputs]), stride: [stride], padding: Padding(kernel / 2), outputPadding: [stride - 1])
        }
        norms = divides ? channels.dropFirst().dropLast().map { GDN($0, isInverse: true) } : []
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        layers.indices.reduce(x) { x, layer in
            let output = layers[layer](x)
            if layer == layers.count - 1 { return output }
            return norms.isEmpty ? output.relu() : norms[layer](output)
        }
    }

    mutating func visit(_ visitor: inout some Visitor) {
        visitor.modules("convolutions", &layers)
        visitor.modules("norms", &norms)
    }
}
