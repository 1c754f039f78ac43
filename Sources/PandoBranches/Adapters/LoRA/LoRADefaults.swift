import PandoBackbones

extension Architecture {
    /// In whose names adapters of this network are stored: transformers' where it has the network, as PEFT's users do.
    public var adapterDialect: Dialect { dialects.first { $0.name == "transformers" } ?? .own }

    /// The modules that LoRA adapts unless told otherwise: query and value projections as for BERT, and where there is no
    /// attention, the layers with most of the weights.
    ///
    /// PEFT has such defaults for language networks only.
    /// - Throws: `LoRAError` for a network that has none.
    public func usualLoRATargets() throws(LoRAError) -> [String] {
        for (families, targets) in Self.usualTargets where families.contains(family) { return targets }
        throw LoRAError(name, "has no usual target modules; name them")
    }

    /// By family, in the names of `adapterDialect`.
    private static let usualTargets: [(families: Set<String>, targets: [String])] = [
        (["vit", "swin", "bert", "roberta"], ["query", "value"]),
        (["clip", "siglip", "llama"], ["q_proj", "v_proj"]),
        (["distilbert"], ["q_lin", "v_lin"]),
        (["t5"], ["q", "v"]),
        (["convnext", "convnextv2"], ["pwconv1", "pwconv2"]),
        (["resnet"], ["layer.0.convolution", "layer.1.convolution", "layer.2.convolution"]),
        (["mobilenet_v2"], ["expand_1x1.convolution", "reduce_1x1.convolution"]),
    ]
}
