/// A layer of a graph that can be computed in 8-bit integers.
struct QuantizableLayer {
    /// The node of the convolution or linear map.
    let node: Int
    /// The value that it reads.
    let source: Int
    let weight: Tensor
    /// `nil` for a linear map.
    let convolution: Convolution?

    var name: String {
        guard let convolution else { return "linear \(weight.shape)" }
        return "convolution \(weight.shape)" + (convolution.groups > 1 ? " in \(convolution.groups) groups" : "")
    }

    /// Windows over padding need a zero that is stored as zero.
    var allowsZeroPoint: Bool { convolution == nil }

    var operation: any Operation { convolution ?? LinearMap() }

    /// The weights after a passage through 8 bits.
    func decodedWeights(_ settings: Quantization.Layer) -> Tensor {
        EncodedWeights(weight, factors: settings.factors).decoded
    }

    /// What the layer computes from inputs and weights that passed through 8 bits.
    func quantizedResult(_ inputs: [Tensor], _ settings: Quantization.Layer, decodedWeights: Tensor) -> Tensor {
        let encoding = Encoding(settings.range, allowingZeroPoint: allowsZeroPoint)
        let input = inputs[0].cast(to: .float32)
        let balanced = settings.factors.map { input / Tensor($0) } ?? input
        let operands = [encoding.rounded(balanced), decodedWeights] + inputs.dropFirst(2).map { $0.cast(to: .float32) }
        return operation.result(operands).cast(to: inputs[0].elementType)
    }
}

extension Graph {
    /// Convolutions and linear maps with constant weights, in order.
    var quantizableLayers: [QuantizableLayer] {
        nodes.enumerated().compactMap { index, node in
            guard node.operation is Convolution || node.operation is LinearMap,
                case .value(let source) = node.operands[0], case .constant(let weight) = node.operands[1],
                weight.elementCount > 0
            else { return nil }
            if node.operands.count > 2, case .value = node.operands[2] { return nil }
            return QuantizableLayer(
                node: index, source: root(of: source), weight: weight, convolution: node.operation as? Convolution)
        }
    }

    /// The outputs for `inputs`, computed node by node as outside a program. `replacing` may give another result for a
    /// node, from its index and inputs.
    func evaluated(_ inputs: [Tensor], replacing: (Int, [Tensor]) -> Tensor?) -> [Tensor] {
        var values = [Tensor?](repeating: nil, count: nodes.count)
        var readers = consumers.map(\.count)
        for output in outputs { readers[output] += 1 }
        for (position, input) in inputs.enumerated() { values[position] = input }
        for (index, node) in nodes.enumerated() {
            guard let operation = node.operation else { continue }
            let inputs = node.operands.map { operand -> Tensor in
                switch operand {
                case .constant(let tensor): tensor
                case .value(let value): values[value]!
                }
            }
            values[index] = replacing(index, inputs) ?? operation.result(inputs)
            for case .value(let value) in node.operands {
                readers[value] -= 1
                if readers[value] == 0 { values[value] = nil }
            }
        }
        return outputs.map { values[$0]! }
    }
}

extension [QuantizableLayer] {
    /// A hash of all layers' kinds and shapes and of a sample of their weights, in hexadecimal.
    var fingerprint: String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        func mix(_ value: UInt64) {
            // FNV-1a, eight bytes at a time.
            hash = (hash ^ value) &* 0x100_0000_01b3
            hash ^= hash >> 29
        }
        for layer in self {
            if let window = layer.convolution?.window {
                for size in window.stride + window.dilation + window.paddingBefore + window.paddingAfter {
                    mix(UInt64(size))
                }
            }
            mix(UInt64(layer.convolution?.groups ?? 0))
            for size in layer.weight.shape { mix(UInt64(size)) }
            layer.weight.cast(to: .float32).withScalars { weights in
                for index in stride(from: 0, to: weights.count, by: Swift.max(weights.count / 1024, 1)) {
                    mix(UInt64(weights[index].bitPattern))
                }
            }
        }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
