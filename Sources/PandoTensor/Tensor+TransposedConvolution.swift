// Transposed convolution over maps `[N, L, C]`, `[N, H, W, C]` and `[N, D, H, W, C]`.

extension Tensor {
    /// A transposed convolution over one, two or three axes: the map whose gradient a convolution of the same window
    /// would compute from this one.
    ///
    /// Along each axis the output has `(size - 1) · stride - before - after + dilation · (k - 1) + 1 + outputPadding`
    /// pixels.
    /// - Shapes: `[N, …, I]` with weight `[I, O / groups, k…]` and bias `[O]` → `[N, …, O]`.
    /// - Parameter outputPadding: pixels that the output has beyond those, at its end; fewer than `stride`.
    public func transposedConvolved(
        with weight: Tensor, bias: Tensor? = nil, stride: Int = 1, padding: Padding = Padding(0),
        outputPadding: Int = 0, dilation: Int = 1, groups: Int = 1
    ) -> Tensor {
        transposedConvolved(
            with: weight, bias: bias, stride: [stride], padding: padding, outputPadding: [outputPadding],
            dilation: [dilation], groups: groups)
    }

    /// A transposed convolution whose sizes may differ among the spatial axes; a single one counts for all.
    ///
    /// - Shapes: `[N, …, I]` with weight `[I, O / groups, k…]` and bias `[O]` → `[N, …, O]`.
    public func transposedConvolved(
        with weight: Tensor, bias: Tensor? = nil, stride: [Int], padding: Padding = Padding(0),
        outputPadding: [Int] = [0], dilation: [Int] = [1], groups: Int = 1
    ) -> Tensor {
        let name = "transposed convolution"
        require(
            (3...5).contains(rank) && weight.rank == rank,
            "\(name): input \(shape) and weight \(weight.shape) need three, four or five axes, both as many")
        require(
            groups >= 1 && shape[rank - 1] == weight.shape[0] && weight.shape[0] % groups == 0,
            "\(name): input \(shape) with \(groups) groups does not fit weight \(weight.shape) [in, out / groups, …]")
        requireConvolvable(name, with: weight, bias, features: weight.shape[1] * groups)
        let window = PrimitiveRecipe.Window(
            name, axes: rank - 2, kernel: Array(weight.shape[2...]), stride: stride, dilation: dilation,
            padding: padding)
        let extra = outputPadding.count == 1 ? [Int](repeating: outputPadding[0], count: rank - 2) : outputPadding
        require(
            extra.count == rank - 2 && zip(extra, window.stride).allSatisfy { 0 <= $0 && $0 < $1 },
            "\(name): output padding \(outputPadding) is not in 0..<\(window.stride), one for each axis or one for all")
        let size = (0..<rank - 2).map { axis in
            (shape[1 + axis] - 1) * window.stride[axis] + window.reach(axis) - window.paddingBefore[axis]
                - window.paddingAfter[axis] + extra[axis]
        }
        require(
            size.allSatisfy { $0 > 0 } && !shape[1..<rank - 1].contains(0),
            "\(name): input \(shape) with a \(window) leaves no output")
        let operation = TransposedConvolution(
            convolution: Convolution(window: window, groups: groups), size: size)
        return .applying(operation, to: [self, weight] + (bias.map { [$0] } ?? []))
    }
}

/// The backward pass of `convolution` towards its map, whose spatial sizes are `size`.
struct TransposedConvolution: Operation {
    let convolution: Convolution
    let size: [Int]

    static let isComputedByKernels = true

    func forward(_ inputs: [Tensor]) -> Tensor {
        let features = inputs[1].shape[1] * convolution.groups
        let output = convolution.mapGradient(inputs[0], inputs[1], [inputs[0].shape[0]] + size + [features])
        return inputs.count > 2 ? Add().forward([output, inputs[2].cast(to: output.elementType)]) : output
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        [
            saved.wanted[0] ? convolution.forward([gradient, saved.input(1)]) : nil,
            saved.wanted[1] ? convolution.weightGradient(saved.input(0), gradient, saved.inputShapes[1]) : nil,
        ] + saved.wanted.dropFirst(2).map { $0 ? gradient.summedOverPlaces() : nil }
    }

    func keeps(_ wanted: [Bool]) -> Kept { .some((wanted[0] ? [1] : []) + (wanted[1] ? [0] : [])) }
}
