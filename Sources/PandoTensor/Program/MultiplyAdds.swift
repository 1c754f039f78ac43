extension Graph {
    /// Multiply-adds of all convolutions and matrix products; what is element-wise does not count, as is usual.
    var multiplyAdds: Int {
        nodes.reduce(0) { sum, node in
            func size(of operand: Graph.Operand) -> [Int] {
                switch operand {
                case .value(let index): nodes[index].shape
                case .constant(let tensor): tensor.shape
                }
            }
            switch node.operation {
            case is Convolution:
                let weight = size(of: node.operands[1])  // [O, I / groups, …]
                return sum + node.shape.elementCount * weight[1...].reduce(1, *)
            case is TransposedConvolution:
                let weight = size(of: node.operands[1])  // [I, O / groups, …]
                return sum + size(of: node.operands[0]).elementCount * weight[1...].reduce(1, *)
            case is Attention:
                let (query, value) = (size(of: node.operands[0]), size(of: node.operands[2]))
                return sum + query[..<3].reduce(value[2], *) * (query[3] + value[3])
            case is LinearMap, is MatrixProduct:
                return sum + node.shape.elementCount * (size(of: node.operands[0]).last ?? 1)
            default: return sum
            }
        }
    }
}

/// Multiply-adds of one run of `function` on an input of `shape`, counted without keeping anything.
public func multiplyAdds(inputShape shape: [Int], _ function: (Tensor) -> [Tensor]) -> Int {
    multiplyAdds(of: [Program.Input(shape: shape)]) { function($0[0]) }
}

/// Multiply-adds of one run of `function` on zeros of these shapes and types.
public func multiplyAdds(of inputs: [Program.Input], _ function: ([Tensor]) -> [Tensor]) -> Int {
    Graph(tracing: inputs, function).multiplyAdds
}
