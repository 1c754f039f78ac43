// Pooling over maps `[N, H, W, C]`.

import COneDNN

extension Tensor {
    /// The largest value of each window; padding never wins.
    public func maxPooled(kernel: Int, stride: Int, padding: Padding = Padding(0)) -> Tensor {
        pooled(.max, [kernel, kernel], [stride, stride], padding)
    }

    /// The largest value of each window, whose sizes may differ along height and width.
    public func maxPooled(kernel: [Int], stride: [Int], padding: Padding = Padding(0)) -> Tensor {
        pooled(.max, kernel, stride, padding)
    }

    /// The mean of each window; padding counts as zeros only if `countingPadding`.
    public func averagePooled(kernel: Int, stride: Int, padding: Padding = Padding(0), countingPadding: Bool = true)
        -> Tensor
    {
        averagePooled(
            kernel: [kernel, kernel], stride: [stride, stride], padding: padding, countingPadding: countingPadding)
    }

    /// The mean of each window, whose sizes may differ along height and width.
    public func averagePooled(
        kernel: [Int], stride: [Int], padding: Padding = Padding(0), countingPadding: Bool = true
    ) -> Tensor {
        pooled(countingPadding ? .averageCountingPadding : .average, kernel, stride, padding)
    }

    /// The means of `height × width` windows that divide the map as evenly as whole pixels allow.
    ///
    /// Window `i` of `n` over `S` pixels reaches from `⌊i · S / n⌋` to `⌈(i + 1) · S / n⌉`; neighbours overlap where
    /// `n` does not divide `S`, as in PyTorch.
    /// - Shapes: `[N, H, W, C]` → `[N, height, width, C]`.
    public func adaptiveAveragePooled(height: Int, width: Int) -> Tensor {
        require(
            rank == 4 && shape[1] > 0 && shape[2] > 0,
            "adaptive pooling: shape \(shape) is no map [N, H, W, C] of pixels")
        require(height > 0 && width > 0, "adaptive pooling: \(height) × \(width) windows, expected at least one")
        if height == 1 && width == 1 { return mean(along: [1, 2], keepingAxes: true) }
        if shape[1] % height == 0 && shape[2] % width == 0 {
            let kernel = [shape[1] / height, shape[2] / width]
            return averagePooled(kernel: kernel, stride: kernel)
        }
        // The mean over a rectangle is the mean of its rows' means: one small matrix product for each axis.
        let (count, columns, channels) = (shape[0], shape[2], shape[3])
        let rows = matmul(averaging(shape[1], into: height), reshaped(count, shape[1], columns * channels))
        let pixels = matmul(averaging(columns, into: width), rows.reshaped(count * height, columns, channels))
        return pixels.reshaped(count, height, width, channels)
    }

    /// The matrix `[windows, size]` whose rows average the windows of `size` values.
    private func averaging(_ size: Int, into windows: Int) -> Tensor {
        var weights = [Float](repeating: 0, count: windows * size)
        for window in 0..<windows {
            let reach = window * size / windows..<((window + 1) * size + windows - 1) / windows
            for position in reach { weights[window * size + position] = 1 / Float(reach.count) }
        }
        return Tensor(weights, shape: [windows, size]).cast(to: elementType)
    }

    private func pooled(_ kind: PrimitiveRecipe.Pooling, _ kernel: [Int], _ stride: [Int], _ padding: Padding) -> Tensor
    {
        require(rank == 4, "pooling: shape \(shape) is no map [N, H, W, C]")
        requireFloatingPoint("pooling")
        let window = PrimitiveRecipe.Window(
            kernel: kernel, stride: stride, dilation: [1, 1], paddingBefore: padding.before,
            paddingAfter: padding.after)
        window.validate("pooling")
        require(
            (0..<2).allSatisfy { padding.before[$0] < kernel[$0] && padding.after[$0] < kernel[$0] },
            "pooling: padding \(padding.before) and \(padding.after) leaves windows of \(kernel) without a pixel")
        return .applying(Pool(kind: kind, window: window), to: self)
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
            uninitialized: [input.shape[0]] + window.outputSize(input.shape) + [input.shape[3]], input.elementType)
        guard output.elementCount > 0 else { return output }
        let primitive = PrimitiveCache.shared.primitive(
            .pooling(
                window, kind, source: .channelsLast(input.shape, input.elementType),
                destination: .channelsLast(output.shape, output.elementType)))
        withExtendedLifetime(input.storage) { execute(primitive, input, output) }
        return output
    }
}
