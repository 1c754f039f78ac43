import CKernels
import COneDNN

/// Sizes and strides of one attention, for the C kernel that computes it a key head at a time.
struct AttentionKernel: Sendable {
    /// Where the operands and the result begin.
    struct Places {
        var query, key, value: UnsafeMutableRawPointer
        var mask: UnsafeMutablePointer<Float>?
        var output: UnsafeMutableRawPointer
    }

    private let batch, keyHeads, group, queries, keys, features, valueFeatures: Int
    /// Of the axes sample, head, row; of a mask, column too.
    private let query, key, value, output: [Int]
    private let mask: [Int]?
    private let scale: Float
    private let isCausal: Bool
    private let type: ElementType
    private let instructions: pando_instructions

    /// - Parameters:
    ///   - operands: query, key, value and perhaps a mask, as they stand in memory, strides given.
    ///   - output: the result, `[B, heads, N, E]`, strides given.
    /// - Precondition: the operands are floats or bfloat16, the mask floats, and features stand without gaps.
    init(
        _ operation: Attention, _ operands: [Layout], output: Layout,
        instructions: pando_instructions = Processor.instructions
    ) {
        let shapes = operands.map(\.dimensions)
        let strides = operands.map { $0.strides ?? $0.dimensions.rowMajorStrides }
        (batch, keyHeads, queries, keys) = (shapes[0][0], shapes[1][1], shapes[0][2], shapes[1][2])
        (features, valueFeatures) = (shapes[0][3], shapes[2][3])
        group = shapes[0][1] / max(keyHeads, 1)
        (query, key, value) = (strides[0], strides[1], strides[2])
        self.output = output.strides ?? output.dimensions.rowMajorStrides
        mask = operands.count > 3
            ? [Int](repeating: 0, count: 4 - shapes[3].count) + zip(shapes[3], strides[3]).map { $0 == 1 ? 0 : $1 } : nil
        (scale, isCausal) = (operation.scale, operation.isCausal)
        type = operands[0].type
        self.instructions = instructions
    }

    /// Parts that may be computed in any order: one for each key head of each sample.
    var unitCount: Int { batch * keyHeads }

    var scratchBytes: Int { pando_attention_scratch_bytes([description], instructions) }

    func run(_ unit: Int, _ places: Places, _ scratch: UnsafeMutableRawPointer?) {
        let start = unit.quotientAndRemainder(dividingBy: keyHeads)
        let output = offset(output, start.quotient, start.remainder * group)
        pando_attention_forward(
            [problem(start.quotient, start.remainder, places)], places.output + output * type.byteCount,
            Int64(self.output[2]), Int64(self.output[1]), scratch, instructions)
    }

    /// Writes the unit's gradients; `places.output` is the gradient of the result.
    func runBackward(
        _ unit: Int, _ places: Places, gradients: [Tensor], keepingMask: Bool, _ scratch: UnsafeMutableRawPointer?
    ) {
        let (sample, head) = unit.quotientAndRemainder(dividingBy: keyHeads)
        func start(_ tensor: Tensor, _ head: Int) -> UnsafeMutableRawPointer {
            tensor.rawPointer + offset(tensor.strides, sample, head) * type.byteCount
        }
        var results = pando_attention_gradients()
        results.output = UnsafeRawPointer(places.output + offset(output, sample, head * group) * type.byteCount)
        (results.output_row, results.output_head) = (Int64(output[2]), Int64(output[1]))
        results.query = start(gradients[0], head * group)
        results.key = start(gradients[1], head)
        results.value = start(gradients[2], head)
        (results.query_row, results.query_head) = (Int64(gradients[0].strides[2]), Int64(gradients[0].strides[1]))
        (results.key_row, results.value_row) = (Int64(gradients[1].strides[2]), Int64(gradients[2].strides[2]))
        if keepingMask, let mask {
            results.mask = gradients[3].pointer(as: Float.self) + offset(mask, sample, head * group)
        }
        pando_attention_backward([problem(sample, head, places)], [results], scratch, instructions)
    }

    /// Sizes and strides, without places.
    private var description: pando_attention {
        var problem = pando_attention()
        (problem.queries, problem.keys, problem.group) = (Int64(queries), Int64(keys), Int64(group))
        (problem.features, problem.value_features) = (Int64(features), Int64(valueFeatures))
        (problem.query_row, problem.query_head) = (Int64(query[2]), Int64(query[1]))
        (problem.key_row, problem.value_row) = (Int64(key[2]), Int64(value[2]))
        if let mask {
            (problem.mask_row, problem.mask_column, problem.mask_head) = (Int64(mask[2]), Int64(mask[3]), Int64(mask[1]))
        }
        problem.scale = scale
        problem.is_causal = isCausal ? 1 : 0
        problem.is_bfloat16 = type == .bfloat16 ? 1 : 0
        return problem
    }

    private func problem(_ sample: Int, _ head: Int, _ places: Places) -> pando_attention {
        var problem = description
        problem.query = UnsafeRawPointer(places.query + offset(query, sample, head * group) * type.byteCount)
        problem.key = UnsafeRawPointer(places.key + offset(key, sample, head) * type.byteCount)
        problem.value = UnsafeRawPointer(places.value + offset(value, sample, head) * type.byteCount)
        if let mask, let start = places.mask { problem.mask = UnsafePointer(start + offset(mask, sample, head * group)) }
        return problem
    }

    private func offset(_ strides: [Int], _ sample: Int, _ head: Int) -> Int { sample * strides[0] + head * strides[1] }
}

extension Processor {
    /// What our own kernels may use: no more than oneDNN does, so that one setting limits both.
    static let instructions: pando_instructions = {
        func has(_ set: dnnl_cpu_isa_t) -> Bool { dnnl_get_effective_cpu_isa().rawValue & set.rawValue == set.rawValue }
        if has(dnnl_cpu_isa_avx512_core_bf16) { return pando_avx512_bf16 }
        if has(dnnl_cpu_isa_avx512_core) { return pando_avx512 }
        return has(dnnl_cpu_isa_avx2) ? pando_avx2 : pando_portable
    }()
}
