import PandoBackbones
import PandoNN
import PandoTensor

extension LoRAConfiguration {
    /// The modules that LoRA adapts unless told otherwise: query and value projections, as PEFT does for BERT; where there
    /// is no attention, the layers with most of the weights, by their usual names or as the point-wise convolutions that a
    /// norm follows.
    ///
    /// PEFT has such defaults for language networks only.
    /// - Throws: `AdapterError` for a network that has none of the usual modules.
    public static func usualTargets(of network: some Module, in dialect: Dialect) throws(AdapterError) -> Targets {
        let layers = network.adaptableLayers.filter { $0.value.groups == 1 }
        let names = layers.keys.flatMap { dialect.theirs($0).names }
        for targets in usual where targets.allSatisfy({ target in names.contains { $0.hasSuffix("." + target) } }) {
            return .names(targets)
        }
        // Those of gates have biases.
        let pointwise = layers.filter { !$0.value.hasBias && $0.value.weight.shape.dropFirst(2) == [1, 1] }
        if !pointwise.isEmpty { return .names(pointwise.keys.sorted().flatMap { dialect.theirs($0).names }) }
        throw AdapterError("LoRA", "the network has none of the modules that are usually adapted; name some, as in --targets fc1,fc2")
    }

    /// The first list all of whose modules a network has is taken.
    private static let usual = [
        ["query", "value"], ["q_proj", "v_proj"], ["q_lin", "v_lin"], ["q", "v"], ["qkv"],
        ["pwconv1", "pwconv2"], ["mlp.fc1", "mlp.fc2"], ["layer.0.convolution", "layer.1.convolution"],
        ["expand_1x1.convolution", "reduce_1x1.convolution"], ["expand_conv", "project_conv"], ["conv_pw", "conv_pwl"],
        ["conv1", "conv2"],
    ]
}
