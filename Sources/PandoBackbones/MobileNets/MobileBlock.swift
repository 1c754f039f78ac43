import PandoNN
import PandoTensor

/// A gate for each channel, computed from the mean over the map.
///
/// - Shapes: `[N, H, W, C]` → the same.
/// - Source: Hu et al. 2018, Squeeze-and-Excitation (arXiv:1709.01507), section 3.
struct SqueezeExcitation: Module {
    var reduction, expansion: Convolution2D
    let activation, gate: Activation
    /// The checkpoint's names of the two convolutions.
    let names: (reduction: String, expansion: String)

    init(
        _ channels: Int, reducedTo reduced: Int, activation: Activation, gate: Activation,
        names: (reduction: String, expansion: String)
    ) {
        reduction = Convolution2D(channels, reduced, kernel: 1, bias: true)
        expansion = Convolution2D(reduced, channels, kernel: 1, bias: true)
        (self.activation, self.gate, self.names) = (activation, gate, names)
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let squeezed = reduction(x.mean(along: [1, 2], keepingAxes: true)).applying(activation)
        return x * expansion(squeezed).applying(gate)
    }

    mutating func visit(_ visitor: inout some Visitor) {
        visitor.module(names.reduction, &reduction)
        visitor.module(names.expansion, &expansion)
    }
}

/// An inverted residual block: expansion, depthwise convolution, perhaps a gate, and projection, with the input added
/// where it has the same shape.
///
/// - Source: Sandler et al. 2018 (arXiv:1801.04381), section 3.3; Howard et al. 2019 (arXiv:1905.02244), section 5.2.
struct MobileBlock: Module {
    /// The sizes of one block.
    struct Plan {
        var stage: Int
        /// Counted within the stage.
        var index: Int
        var inChannels, width, outChannels: Int
        var kernel = 3
        var stride = 1
        /// Whether there is a point-wise convolution before the depthwise one.
        var expands = true
        /// Channels between the two maps of the gate; 0 without one.
        var squeeze = 0
        var frame: Convolution2D.Frame?
        var activation: Activation
        var addsInput: Bool
    }

    var expansion: ConvolutionBlock?
    var depthwise: ConvolutionBlock
    var squeeze: SqueezeExcitation?
    var projection: ConvolutionBlock
    let addsInput: Bool
    /// Whether the block hands on what it is given, to save its cost.
    var isLeftOut = false

    var outChannels: Int { projection.convolution.weight.shape[0] }
    var stride: Int { depthwise.convolution.stride }

    /// - Parameter gate: the activations within and at the end of the gate.
    init(_ plan: Plan, epsilon: Float, gate: (Activation, Activation), names: MobileNames.Block) {
        if plan.expands {
            expansion = ConvolutionBlock(
                plan.inChannels, plan.width, kernel: 1, epsilon: epsilon, activation: plan.activation,
                names: names.expansion)
        }
        depthwise = ConvolutionBlock(
            plan.width, plan.width, kernel: plan.kernel, stride: plan.stride, groups: plan.width, frame: plan.frame,
            epsilon: epsilon, activation: plan.activation, names: names.depthwise)
        if plan.squeeze > 0 {
            squeeze = SqueezeExcitation(
                plan.width, reducedTo: plan.squeeze, activation: gate.0, gate: gate.1, names: names.squeeze)
        }
        projection = ConvolutionBlock(
            plan.width, plan.outChannels, kernel: 1, epsilon: epsilon, activation: nil, names: names.projection)
        addsInput = plan.addsInput
    }

    func callAsFunction(_ x: Tensor, during pass: TrainingPass?) -> Tensor {
        if isLeftOut { return x }
        var inner = depthwise(expansion?(x, during: pass) ?? x, during: pass)
        inner = squeeze?(inner) ?? inner
        let projected = projection(inner, during: pass)
        return addsInput ? projected + x : projected
    }

    mutating func visit(_ visitor: inout some Visitor) {
        if var present = expansion {
            present.visit(&visitor)
            expansion = present
        }
        depthwise.visit(&visitor)
        if var present = squeeze {
            present.visit(&visitor)
            squeeze = present
        }
        projection.visit(&visitor)
    }
}
