/// Scaled dot-product attention: `softmax(q · kᵀ · scale + mask) · v`.
///
/// Computed a few query rows at a time, so that the scores of all queries never exist at once, forward or backward.
/// Heads may be views into what a projection wrote: nothing is copied as long as features stand without gaps.
/// - Shapes: `query` `[B, heads, N, D]`, `key` `[B, keyHeads, M, D]`, `value` `[B, keyHeads, M, E]` →
///   `[B, heads, N, E]`. With fewer key heads, each serves `heads / keyHeads` query heads that follow one another.
///   `mask` broadcasts to `[B, heads, N, M]`.
/// - Parameters:
///   - mask: numbers that are added to the scores (0 keeps, a large negative number hides), or a `bool` tensor, true
///     where a query sees a key.
///   - isCausal: query `i` sees keys `0...i` alone.
///   - scale: `1 / √D` if not given.
/// - Precondition: `query`, `key` and `value` hold one floating-point type.
///
/// A query that sees no key gives zeros.
/// - Source: Vaswani et al. 2017, "Attention Is All You Need" (arXiv:1706.03762), equation 1; grouped queries: Ainslie
///   et al. 2023 (arXiv:2305.13245), section 2.2. In tiles after Rabe and Staats 2021 (arXiv:2112.05682), with all keys
///   of a query row at once.
public func attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor? = nil, isCausal: Bool = false, scale: Float? = nil
) -> Tensor {
    require(
        query.rank == 4 && key.rank == 4 && value.rank == 4 && query.shape[0] == key.shape[0]
            && query.shape[3] == key.shape[3] && Array(key.shape[..<3]) == Array(value.shape[..<3]),
        "attention: query \(query.shape), key \(key.shape) and value \(value.shape) do not fit [B, heads, N, D]")
    require(
        key.shape[1] > 0 ? query.shape[1] % key.shape[1] == 0 : query.shape[1] == 0,
        "attention: \(query.shape[1]) query heads are no multiple of \(key.shape[1]) key heads")
    query.requireFloatingPoint("attention")
    require(
        query.elementType == key.elementType && key.elementType == value.elementType,
        "attention: query is \(query.elementType), key \(key.elementType), value \(value.elementType), expected one type")
    var inputs = [query, key, value]
    if let mask {
        let scores = Array(query.shape[..<3]) + [key.shape[2]]
        require(
            broadcastShape(mask.shape, scores, "attention") == scores,
            "attention: mask \(mask.shape) does not stretch to scores \(scores)")
        inputs.append(
            mask.elementType == .bool
                ? Tensor.zeros([1]).selected(where: mask, otherwise: .filled([1], with: -.infinity))
                : mask.cast(to: .float32))
    }
    let operation = Attention(scale: scale ?? 1 / Float(max(query.shape[3], 1)).squareRoot(), isCausal: isCausal)
    return .applying(operation, to: inputs)
}

/// Inputs: query, key, value, perhaps a `float32` mask. The result stands in memory as `[B, N, heads, E]`, as what
/// follows wants it.
struct Attention: Operation {
    let scale: Float
    let isCausal: Bool

    func forward(_ inputs: [Tensor]) -> Tensor {
        let type = inputs[0].elementType
        let operands = inputs.map { $0.forAttention }
        let (query, value) = (operands[0], operands[2])
        let output = Tensor(
            uninitialized: [query.shape[0], query.shape[2], query.shape[1], value.shape[3]], query.elementType
        ).headsFirst
        let kernel = AttentionKernel(self, operands.map(\.layout), output: output.layout)
        withExtendedLifetime((operands, output)) {
            let places = AttentionKernel.Places(
                query: query.rawPointer, key: operands[1].rawPointer, value: value.rawPointer,
                mask: operands.count > 3 ? operands[3].pointer(as: Float.self) : nil, output: output.rawPointer)
            let scratch = ThreadContext.current.scratch(kernel.scratchBytes)
            for unit in 0..<kernel.unitCount { kernel.run(unit, places, scratch) }
        }
        return output.elementType == type ? output : output.cast(to: type)
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let inputs = saved.inputs.indices.map { saved.input($0) }
        var operands = inputs.map { $0.forAttention }
        // Its gradient has no gaps, and both are walked with the same steps.
        if operands.count > 3 { operands[3] = operands[3].contiguous() }
        let gradient = gradient.forAttention
        let gradients =
            operands[..<3].map { operand in
                let shape = operand.shape
                return Tensor(uninitialized: [shape[0], shape[2], shape[1], shape[3]], operand.elementType).headsFirst
            } + operands[3...].map { Tensor.zeros($0.shape) }
        let kernel = AttentionKernel(self, operands.map(\.layout), output: gradient.layout)
        withExtendedLifetime((operands, gradients, gradient)) {
            let scratch = ThreadContext.current.scratch(kernel.scratchBytes)
            let mask = operands.count > 3 ? operands[3].pointer(as: Float.self) : nil
            for unit in 0..<kernel.unitCount {
                kernel.runBackward(
                    unit,
                    AttentionKernel.Places(
                        query: operands[0].rawPointer, key: operands[1].rawPointer, value: operands[2].rawPointer,
                        mask: mask, output: gradient.rawPointer),
                    gradients: gradients, keepingMask: saved.wanted.count > 3 && saved.wanted[3], scratch)
            }
        }
        return zip(gradients, zip(inputs, saved.wanted)).map { $1.1 ? $0.cast(to: $1.0.elementType) : nil }
    }
}

extension Tensor {
    /// The same values in a type that the kernel reads, features without gaps.
    fileprivate var forAttention: Tensor {
        let tensor = elementType == .float16 ? cast(to: .float32) : self
        guard let step = tensor.strides.last, step != 1, tensor.shape[tensor.rank - 1] > 1, tensor.rank == 4 else {
            return tensor
        }
        return tensor.contiguous()
    }

    /// `[B, N, heads, D]` seen as `[B, heads, N, D]`, or the other way round.
    fileprivate var headsFirst: Tensor {
        view(
            shape: [shape[0], shape[2], shape[1], shape[3]],
            strides: [strides[0], strides[2], strides[1], strides[3]])
    }
}
