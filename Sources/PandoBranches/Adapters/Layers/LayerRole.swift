import PandoBackbones
import PandoNN
import PandoTensor

/// What a layer does in its block, as adapters need to know.
enum LayerRole: CaseIterable {
    case key, value
    /// What leaves the attention, before it is added to the block's input.
    case attentionOutput
    /// The first and the last layer of the perceptron; of a gated one, the layer that the gate multiplies.
    case expansion, contraction
    /// Of a convolutional block, the last convolution of its main branch.
    case convolutionOutput

    /// How the paths of such layers end.
    fileprivate var endings: [String] {
        switch self {
        case .key: [".self.key", ".k_proj", ".SelfAttention.k"]
        case .value: [".self.value", ".v_proj", ".SelfAttention.v"]
        case .attentionOutput: [".attention.output.dense", ".attn.proj", ".o_proj", ".SelfAttention.o"]
        case .expansion: [".intermediate.dense", ".mlp.fc1", ".up_proj", ".DenseReluDense.wi", ".DenseReluDense.wi_1"]
        case .contraction: [".output.dense", ".mlp.fc2", ".down_proj", ".DenseReluDense.wo"]
        case .convolutionOutput: []
        }
    }
}

/// A layer that an adapter changes, or some rows of it where a projection is fused.
struct LayerSite: Sendable, Hashable {
    let path: String
    /// Of the layer's outputs; all of them unless it is fused.
    let rows: Range<Int>
    let inFeatures: Int
    let outFeatures: Int
    let isConvolution: Bool
    /// The block's place among the taps.
    let block: Int

    /// The path, and the rows if they are not all.
    var name: String { rows.count == outFeatures ? path : "\(path).\(rows.lowerBound)" }
}

extension BlockwiseBackbone {
    /// The layers of this role in the network's blocks, block by block.
    func sites(of role: LayerRole) -> [LayerSite] {
        let blocks = blockLayers
        if role == .convolutionOutput { return blocks.compactMap(lastConvolution) }
        let sites = blocks.flatMap { $0 }
        if role == .key || role == .value {
            let part = role == .key ? 1 : 2
            let fused = sites.filter { $0.path.hasSuffix(".attn.qkv") }
            if !fused.isEmpty { return fused.map { $0.rows(ofPart: part, among: 3) } }
        }
        let found = sites.filter { site in role.endings.contains { site.path.hasSuffix($0) } }
        return role == .contraction ? found.filter { !$0.path.hasSuffix(".attention.output.dense") } : found
    }

    /// Whether there is nothing but an activation between the perceptrons' two layers, so that they can be widened: no
    /// gate, no norm.
    var hasPlainPerceptrons: Bool {
        let names = namedTensors.map(\.name)
        let (expansions, contractions) = (sites(of: .expansion), sites(of: .contraction))
        return expansions.count == contractions.count
            && zip(expansions, contractions).allSatisfy { $0.outFeatures == $1.inFeatures }
            && !names.contains { $0.contains(".grn.") || $0.contains("gate_proj") || $0.hasSuffix(".wi_0.weight") }
    }

    /// The linear layers and convolutions of each block, in the order of use.
    private var blockLayers: [[LayerSite]] {
        let layers = adaptableLayers
        var blocks = [[LayerSite]](repeating: [], count: taps.count)
        for name in namedTensors.map(\.name) where name.hasSuffix(".weight") {
            let path = String(name.dropLast(7))
            guard let layer = layers[path] else { continue }
            let block = tapIndex(ofTensor: name)
            guard block < taps.count else { continue }
            let shape = layer.weight.shape
            blocks[block].append(
                LayerSite(
                    path: path, rows: 0..<shape[0], inFeatures: shape[1] * layer.groups, outFeatures: shape[0],
                    isConvolution: layer.kind == .convolution, block: block))
        }
        return blocks
    }

    /// - Note: what brings the input to the output's shape stands behind the main branch, or between blocks.
    private func lastConvolution(_ block: [LayerSite]) -> LayerSite? {
        block.last { site in
            site.isConvolution && !site.path.contains("downsample") && site.outFeatures == taps[site.block].channels
        }
    }
}

extension LayerSite {
    fileprivate func rows(ofPart part: Int, among count: Int) -> LayerSite {
        let size = outFeatures / count
        return LayerSite(
            path: path, rows: part * size..<(part + 1) * size, inFeatures: inFeatures, outFeatures: outFeatures,
            isConvolution: isConvolution, block: block)
    }
}

extension Module {
    /// The network with adapters beside some of its layers, by path: a new value that shares every weight.
    func with(
        _ adapters: [String: any LinearAdapter], convolutions: [String: any ConvolutionAdapter] = [:],
        norm: @escaping (String, any ChannelNorm) -> (any ChannelNorm)? = { _, _ in nil }
    ) -> Self {
        var network = self
        network.replaceLayers(
            linear: { path, layer in
                guard let adapter = adapters[path] else { return nil }
                var adapted = layer
                adapted.adapter = adapter
                return adapted
            },
            convolution: { path, layer in
                guard let adapter = convolutions[path] else { return nil }
                var adapted = layer
                adapted.adapter = adapter
                return adapted
            }, norm: norm)
        return network
    }
}
