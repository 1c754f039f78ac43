import PandoBackbones
import PandoNN
import PandoTensor

/// Scales and shifts what a block's perceptron adds, token by token: "PSRP".
///
/// `b + (1 + w) ∘ u` of the perceptron's output `u`, `t = relu(D u)`, `w = W t`, `b = B t`. `W` and `B` begin as zeros, so
/// that a fresh one changes nothing.
/// - Shapes: `u` `[…, C]`; `down` `[16, C]`, `scale` and `shift` `[C, 16]`, none with a bias.
/// - Source: Gao et al. 2023, Moment Probing (ICCV), as its code has it for ConvNeXt. For vision transformers
///   the code reads what goes into the perceptron before its norm, which no layer sees, and draws `W` and `B`.
struct Recalibration: Module, LinearAdapter, ConvolutionAdapter {
    var down, scale, shift: Linear

    init(_ channels: Int, hidden: Int, using generator: inout SeededGenerator) {
        down = Linear(channels, hidden, bias: false, using: &generator)
        scale = Linear(weight: .zeros([channels, hidden]))
        shift = Linear(weight: .zeros([channels, hidden]))
    }

    func output(of layer: Linear, for input: Tensor) -> Tensor { recalibrated(layer(input)) }
    func output(of layer: Convolution2D, for input: Tensor) -> Tensor { recalibrated(layer(input)) }

    func recalibrated(_ output: Tensor) -> Tensor {
        let narrow = down(output).relu()
        return shift(narrow) + (scale(narrow) + 1) * output
    }

    func merged(into layer: Linear) -> Linear? { nil }
    func merged(into layer: Convolution2D) -> Convolution2D? { nil }

    mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("down", &down)
        visitor.module("scale", &scale)
        visitor.module("shift", &shift)
    }
}

/// A recalibration behind the perceptron of every block.
public struct RecalibrationChange: NetworkChange {
    private let sites: [LayerSite]
    private var recalibrations: [Recalibration]

    init(behind sites: [LayerSite], hidden: Int, using generator: inout SeededGenerator) {
        self.sites = sites
        recalibrations = sites.map { Recalibration($0.outFeatures, hidden: hidden, using: &generator) }
    }

    public var changedTensors: [String] { sites.map { $0.path + ".weight" } }

    public func applied<Network: Module>(to network: Network) -> Network {
        var layers: [String: any LinearAdapter] = [:]
        var convolutions: [String: any ConvolutionAdapter] = [:]
        for (site, recalibration) in zip(sites, recalibrations) {
            if site.isConvolution { convolutions[site.path] = recalibration } else { layers[site.path] = recalibration }
        }
        return network.with(layers, convolutions: convolutions)
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        for (index, site) in sites.enumerated() { visitor.module(site.path, &recalibrations[index]) }
    }
}
