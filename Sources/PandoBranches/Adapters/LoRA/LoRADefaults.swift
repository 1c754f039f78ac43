import PandoBackbones
import PandoNN

extension LoRAConfiguration {
    /// The modules that LoRA adapts unless told otherwise: query and value projections, as PEFT does for BERT; where there
    /// is no attention, the layers with most of the weights.
    ///
    /// PEFT has such defaults for language networks only.
    /// - Throws: `AdapterError` for a network that has none of the usual modules.
    public static func usualTargets(of network: some Module, in dialect: Dialect) throws(AdapterError) -> Targets {
        let names = network.adaptableLayers.filter { $0.value.groups == 1 }.keys.flatMap { dialect.theirs($0).names }
        for targets in usual where targets.allSatisfy({ target in names.contains { $0.hasSuffix("." + target) } }) {
            return .names(targets)
        }
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
