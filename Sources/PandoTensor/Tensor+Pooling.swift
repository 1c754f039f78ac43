// Pooling over maps `[N, L, C]`, `[N, H, W, C]` and `[N, D, H, W, C]`.

import COneDNN

extension Tensor {
    /// The largest value of each window; padding never wins.
    ///
    /// - Shapes: `[N, …, C]` → `[N, …, C]`, with one, two or three spatial axes `…`.
    /// - Parameter roundingUp: whether a last window that reaches out of the map counts ("ceil mode"); one that begins
    ///   behind the map does not.
    public func maxPooled(
        kernel: Int, stride: Int, padding: Padding = Padding(0), dilation: Int = 1, roundingUp: Bool = false
    ) -> Tensor {
        maxPooled(
            kernel: [kernel], stride: [stride], padding: padding, dilation: [dilation], roundingUp: roundingUp)
    }

    /// The largest value of each window, whose sizes may differ among the spatial axes; a single one counts for all.
    public func maxPooled(
        kernel: [Int], stride: [Int], padding: Padding = Padding(0), dilation: [Int] = [1], roundingUp: Bool = false
    ) -> Tensor {
        let window = poolingWindow(kernel, stride, dilation, padding, roundingUp)
        return .applying(Pool(kind: .max, window: window), to: self)
    }

    /// The mean of each window; padding counts as zeros only if `countingPadding`.
    ///
    /// - Shapes: `[N, …, C]` → `[N, …, C]`, with one, two or three spatial axes `…`.
    /// - Parameter roundingUp: whether a last window that reaches out of the map counts ("ceil mode"); one that begins
    ///   behind the map does not. What reaches beyond the padding is never counted.
    public func averagePooled(
        kernel: Int, stride: Int, padding: Padding = Padding(0), countingPadding: Bool = true,
        roundingUp: Bool = false
    ) -> Tensor {
        averagePooled(
            kernel: [kernel], stride: [stride], padding: padding, countingPadding: countingPadding,
            roundingUp: roundingUp)
    }

    /// The mean of each window, whose sizes may differ among the spatial axes; a single one counts for all.
    public func averagePooled(
        kernel: [Int], stride: [Int], padding: Padding = Padding(0), countingPadding: Bool = true,
        roundingUp: Bool = false
    ) -> Tensor {
        let window = poolingWindow(kernel, stride, [1], padding, roundingUp)
        let result = Tensor.applying(
            Pool(kind: countingPadding ? .averageCountingPadding : .average, window: window), to: self)
        guard roundingUp && countingPadding else { return result }
        let exact = poolingWindow(kernel, stride, [1], padding, false)
        return result.withoutCounting(beyond: exact.paddingAfter, window, size: Array(shape[1..<rank - 1]))
    }

    /// Means over windows that count no pixel farther than `padding` behind the map, made of means that do.
    private func withoutCounting(beyond padding: [Int], _ window: PrimitiveRecipe.Window, size: [Int]) -> Tensor {
        var result = self
        for axis in size.indices where window.paddingAfter[axis] > padding[axis] {
            let end = window.paddingBefore[axis] + size[axis] + padding[axis]
            let factors = (0..<shape[1 + axis]).map { place in
                Float(window.kernel[axis]) / Float(Swift.min(window.kernel[axis], end - place * window.stride[axis]))
            }
            var broadcast = [Int](repeating: 1, count: rank)
            broadcast[1 + axis] = factors.count
            result = result * Tensor(factors, shape: broadcast).cast(to: elementType)
        }
        return result
    }

    private func poolingWindow(
        _ kernel: [Int], _ stride: [Int], _ dilation: [Int], _ padding: Padding, _ roundingUp: Bool
    ) -> PrimitiveRecipe.Window {
        require((3...5).contains(rank), "pooling: shape \(shape) is no map [N, …, C] of one to three spatial axes")
        requireFloatingPoint("pooling")
        var window = PrimitiveRecipe.Window(
            "pooling", axes: rank - 2, kernel: kernel, stride: stride, dilation: dilation, padding: padding)
        require(
            window.kernel.indices.allSatisfy {
                window.paddingBefore[$0] < window.kernel[$0] && window.paddingAfter[$0] < window.kernel[$0]
            },
            "pooling: padding \(padding.before) and \(padding.after) leaves windows of \(kernel) without a pixel")
        guard roundingUp else { return window }
        for axis in window.kernel.indices {
            let room = shape[1 + axis] + window.paddingBefore[axis] + window.paddingAfter[axis] - window.reach(axis)
            guard room >= 0 else { continue }
            let stride = window.stride[axis]
            let lastStart = (room + stride - 1) / stride * stride
            guard lastStart > room, lastStart < shape[1 + axis] + window.paddingBefore[axis] else { continue }
            window.paddingAfter[axis] += lastStart - room
        }
        return window
    }
}

struct Pool: Operation {
    let kind: PrimitiveRecipe.Pooling
    let window: PrimitiveRecipe.Window

    static let isComputedByKernels = true

    func forward(_ inputs: [Tensor]) -> Tensor {
        run(kind, inputs[0]) { primitive, input, output in
            primitive.run((DNNL_ARG_SRC, input.rawPointer), (DNNL_ARG_DST, output.rawPointer))
        }
    }

    /// Auxiliaries of the maximum: where in its window each one was found, as kernels write it.
    func forwardKeeping(_ inputs: [Tensor]) -> (output: Tensor, auxiliaries: [Tensor]) {
        guard kind == .max else { return (forward(inputs), []) }
        var positions = Tensor(uninitialized: [0], .uint8)
        let output = run(.maxKeepingPositions, inputs[0]) { primitive, input, output in
            let byteCount = dnnl_memory_desc_get_size(primitive.layout(of: DNNL_ARG_WORKSPACE))
            positions = Tensor(uninitialized: [byteCount], .uint8)
            primitive.run(
                (DNNL_ARG_SRC, input.rawPointer), (DNNL_ARG_DST, output.rawPointer),
                (DNNL_ARG_WORKSPACE, positions.rawPointer))
        }
        return (output, [positions])
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let shape = saved.inputShapes[0]
        let type = gradient.elementType
        guard gradient.elementCount > 0 else { return [.zeros(shape, type)] }
        let gradient = gradient.contiguous()
        let result = Tensor(uninitialized: shape, type)
        let primitive = PrimitiveCache.shared.primitive(
            .poolingBackward(
                window, kind == .max ? .maxKeepingPositions : kind, source: .channelsLast(shape, type),
                destination: .channelsLast(gradient.shape, type)))
        withExtendedLifetime((gradient.storage, saved.auxiliaries)) {
            if let positions = saved.auxiliaries.first {
                primitive.run(
                    (DNNL_ARG_DIFF_DST, gradient.rawPointer), (DNNL_ARG_WORKSPACE, positions.rawPointer),
                    (DNNL_ARG_DIFF_SRC, result.rawPointer))
            } else {
                primitive.run((DNNL_ARG_DIFF_DST, gradient.rawPointer), (DNNL_ARG_DIFF_SRC, result.rawPointer))
            }
        }
        return [result]
    }

    func keeps(_ wanted: [Bool]) -> Kept { .nothing }

    /// Calls `execute` with the primitive, the map without gaps and the place for the result, unless it is empty.
    private func run(
        _ kind: PrimitiveRecipe.Pooling, _ map: Tensor, _ execute: (Primitive, Tensor, Tensor) -> Void
    ) -> Tensor {
        let input = map.contiguous()
        let output = Tensor(
            uninitialized: [input.shape[0]] + window.outputSize(input.shape) + input.shape.suffix(1), input.elementType)
        guard output.elementCount > 0 else { return output }
        let primitive = PrimitiveCache.shared.primitive(
            .pooling(
                window, kind, source: .channelsLast(input.shape, input.elementType),
                destination: .channelsLast(output.shape, output.elementType)))
        withExtendedLifetime(input.storage) { execute(primitive, input, output) }
        return output
    }
}
