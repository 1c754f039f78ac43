import PandoNN
import PandoTensor

/// Heads, then neurons of the perceptron.
extension BERTLayer: GatedBlock {
    var gates: BlockGates { BlockGates(unitCounts: [attention.headCount, intermediate.outFeatures], isOptional: true) }

    var magnitudes: [[Float]] {
        let size = attention.features / attention.headCount
        return [
            unitProducts(
                unitLengths(attention.value.weight, along: 0, size: size),
                unitLengths(attentionOutput.weight, along: 1, size: size)),
            unitProducts(unitLengths(intermediate.weight, along: 0), unitLengths(output.weight, along: 1)),
        ]
    }

    mutating func open(_ parts: [OpenUnits]) {
        let rows = parts[0].expanded(by: attention.features / attention.headCount)
        attention.query = attention.query.making(rows)
        attention.key = attention.key.making(rows)
        attention.value = attention.value.making(rows)
        attention.headCount = parts[0].count
        attentionOutput = attentionOutput.adding(rows)
        intermediate = intermediate.making(parts[1])
        output = output.adding(parts[1])
    }
}

extension BERT: ThrottleableBackbone {
    /// The embeddings' norm runs always.
    public var gates: [BlockGates] { [.none] + layers.map(\.gates) }

    public func magnitudes(ofBlock index: Int) -> [[Float]] { index == 0 ? [] : layers[index - 1].magnitudes }

    public func throttled(to openings: [Int: BlockOpening]) -> BERT {
        var network = self
        for (index, opening) in openings {
            require(index > 0, "BERT: the embeddings' norm cannot be closed")
            network.layers[index - 1].open(to: opening)
        }
        return network
    }
}

/// Heads, then neurons of the perceptron; of a gated perceptron a neuron goes with its gate.
extension TransformerBlock: GatedBlock {
    var gates: BlockGates { BlockGates(unitCounts: [attention.headCount, contraction.inFeatures], isOptional: true) }

    var magnitudes: [[Float]] {
        let size = attention.features / attention.headCount
        let (heads, width) = (attention.headCount, contraction.inFeatures)
        let values = Array(unitLengths(attention.projections.weight, along: 0, size: size)[2 * heads..<3 * heads])
        let made = unitLengths(expansion.weight, along: 0)
        return [
            unitProducts(values, unitLengths(attention.output.weight, along: 1, size: size)),
            unitProducts(
                Array(made[..<width]), isGated ? Array(made[width...]) : Array(repeating: 1, count: width),
                unitLengths(contraction.weight, along: 1)),
        ]
    }

    mutating func open(_ parts: [OpenUnits]) {
        let (heads, width) = (attention.headCount, contraction.inFeatures)
        let size = attention.features / heads
        let units = parts[0].units
        let projected = OpenUnits((0..<3).flatMap { part in units.map { part * heads + $0 } }).expanded(by: size)
        attention.projections = attention.projections.making(projected)
        attention.output = attention.output.adding(parts[0].expanded(by: size))
        attention.headCount = units.count
        let neurons = parts[1].units
        expansion = expansion.making(OpenUnits(isGated ? neurons + neurons.map { width + $0 } : neurons))
        contraction = contraction.adding(parts[1])
    }
}

extension VisionTransformer: ThrottleableBackbone {
    public var gates: [BlockGates] { blocks.map(\.gates) }

    public func magnitudes(ofBlock index: Int) -> [[Float]] { blocks[index].magnitudes }

    public func throttled(to openings: [Int: BlockOpening]) -> VisionTransformer {
        var network = self
        for (index, opening) in openings { network.blocks[index].open(to: opening) }
        return network
    }
}
