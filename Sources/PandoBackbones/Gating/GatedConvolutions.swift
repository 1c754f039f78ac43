import PandoNN
import PandoTensor

/// Inner channels. Of a squeeze, closed channels are not seen.
extension MobileBlock: GatedBlock {
    /// A block without expansion has no inner channels of its own.
    var gates: BlockGates {
        BlockGates(unitCounts: expansion == nil ? [] : [projection.convolution.weight.shape[1]], isOptional: addsInput)
    }

    var magnitudes: [[Float]] {
        guard let expansion else { return [] }
        return [
            unitProducts(
                unitLengths(expansion.convolution.weight, along: 0), unitLengths(depthwise.convolution.weight, along: 0),
                unitLengths(projection.convolution.weight, along: 1))
        ]
    }

    mutating func open(_ parts: [OpenUnits]) {
        guard let open = parts.first else { return }
        expansion?.make(open)
        depthwise.keep(open)
        if var gate = squeeze {
            gate.reduction = gate.reduction.adding(OpenUnits(open.units))
            gate.expansion = gate.expansion.making(open)
            squeeze = gate
        }
        projection.add(open)
    }
}

extension MobileNetwork: ThrottleableBackbone {
    /// The first and the last convolution run always.
    public var gates: [BlockGates] { [.none] + blocks.map(\.gates) + [.none] }

    public func magnitudes(ofBlock index: Int) -> [[Float]] {
        (1...blocks.count).contains(index) ? blocks[index - 1].magnitudes : []
    }

    public func throttled(to openings: [Int: BlockOpening]) -> MobileNetwork {
        var network = self
        for (index, opening) in openings {
            require((1...blocks.count).contains(index), "MobileNetwork: block \(index) cannot be closed")
            network.blocks[index - 1].open(to: opening)
        }
        return network
    }
}

/// The channels between each two convolutions.
extension ResidualBlock: GatedBlock {
    var gates: BlockGates {
        BlockGates(
            unitCounts: convolutions.dropLast().map { $0.convolution.weight.shape[0] }, isOptional: downsample == nil)
    }

    var magnitudes: [[Float]] {
        zip(convolutions, convolutions.dropFirst()).map {
            unitProducts(unitLengths($0.convolution.weight, along: 0), unitLengths($1.convolution.weight, along: 1))
        }
    }

    mutating func open(_ parts: [OpenUnits]) {
        for (index, open) in parts.enumerated() {
            convolutions[index].make(open)
            convolutions[index + 1].add(open)
        }
    }
}

extension ResNet: ThrottleableBackbone {
    public var gates: [BlockGates] { stages.flatMap { $0.map(\.gates) } }

    public func magnitudes(ofBlock index: Int) -> [[Float]] {
        let (stage, inner) = stages.map(\.count).place(of: index)
        return stages[stage][inner].magnitudes
    }

    public func throttled(to openings: [Int: BlockOpening]) -> ResNet {
        var network = self
        for (index, opening) in openings {
            let (stage, inner) = stages.map(\.count).place(of: index)
            network.stages[stage][inner].open(to: opening)
        }
        return network
    }
}
