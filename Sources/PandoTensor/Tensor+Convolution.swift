// Convolution over maps `[N, L, C]`, `[N, H, W, C]` and `[N, D, H, W, C]`.

import COneDNN

extension Tensor {
    /// A convolution (cross-correlation, as the field says) over one, two or three axes, as many as `weight` has
    /// behind its first two.
    ///
    /// - Shapes: `[N, …, I]` with weight `[O, I / groups, k…]` and bias `[O]` → `[N, …, O]`; the spatial axes `…` are
    ///   length, or height and width, or depth, height and width.
    public func convolved(
        with weight: Tensor, bias: Tensor? = nil, stride: Int = 1, padding: Padding = Padding(0), dilation: Int = 1,
        groups: Int = 1
    ) -> Tensor {
        convolved(
            with: weight, bias: bias, stride: [stride], padding: padding, dilation: [dilation], groups: groups)
    }

    /// A convolution whose strides and dilations may differ among the spatial axes; a single one counts for all.
    ///
    /// - Shapes: `[N, …, I]` with weight `[O, I / groups, k…]` and bias `[O]` → `[N, …, O]`.
    public func convolved(
        with weight: Tensor, bias: Tensor? = nil, stride: [Int], padding: Padding = Padding(0),
        dilation: [Int] = [1], groups: Int = 1
    ) -> Tensor {
        require(
            (3...5).contains(rank) && weight.rank == rank,
            "convolution: input \(shape) and weight \(weight.shape) need three, four or five axes, both as many")
        require(
            groups >= 1 && shape[rank - 1] == weight.shape[1] * groups && weight.shape[0] % groups == 0,
            "convolution: input \(shape) with \(groups) groups does not fit weight \(weight.shape) [out, in / groups, …]"
        )
        requireConvolvable("convolution", with: weight, bias, features: weight.shape[0])
        let window = PrimitiveRecipe.Window(
            "convolution", axes: rank - 2, kernel: Array(weight.shape[2...]), stride: stride, dilation: dilation,
            padding: padding)
        return .applying(Convolution(window: window, groups: groups), to: [self, weight] + (bias.map { [$0] } ?? []))
    }

    func requireConvolvable(_ operation: String, with weight: Tensor, _ bias: Tensor?, features: Int) {
        require(
            elementType == weight.elementType && elementType.isFloatingPoint,
            "\(operation): input is \(elementType), weight \(weight.elementType), expected one floating-point type")
        require(
            bias.map { $0.shape == [features] } ?? true,
            "\(operation): bias has shape \(bias?.shape ?? []), expected [\(features)]")
        require(weight.elementCount > 0, "\(operation): weight \(weight.shape) has no elements")
    }
}

struct Convolution: Operation {
    let window: PrimitiveRecipe.Window
    let groups: Int

    static let isComputedByKernels = true

    func forward(_ inputs: [Tensor]) -> Tensor {
        let input = inputs[0].contiguous()
        let weight = inputs[1].contiguous()
        let bias = inputs.count > 2 ? inputs[2].cast(to: .float32).contiguous() : nil
        let shape = [input.shape[0]] + window.outputSize(input.shape) + [weight.shape[0]]
        // Windows over nothing but padding.
        if input.elementCount == 0 {
            return (bias ?? .zeros([weight.shape[0]])).broadcast(to: shape).cast(to: input.elementType).contiguous()
        }
        let output = Tensor(uninitialized: shape, input.elementType)
        let primitive = PrimitiveCache.shared.primitive(
            .convolution(
                window, source: .channelsLast(input.shape, input.elementType),
                weights: weightLayout(weight.shape, input.elementType),
                bias: bias.map { .rowMajor($0.shape, .float32) },
                destination: .channelsLast(output.shape, output.elementType), []))
        let packed = Packed(weight, weightStrides(weight.shape), for: primitive, DNNL_ARG_WEIGHTS)
        withExtendedLifetime((input.storage, weight.storage, bias?.storage, packed)) {
            primitive.run(
                [
                    (DNNL_ARG_SRC, input.rawPointer), (DNNL_ARG_WEIGHTS, packed.pointer),
                    (DNNL_ARG_DST, output.rawPointer),
                ] + (bias.map { [(DNNL_ARG_BIAS, $0.rawPointer)] } ?? []))
        }
        return output
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        [
            saved.wanted[0] ? mapGradient(gradient, saved.input(1), saved.inputShapes[0]) : nil,
            saved.wanted[1] ? weightGradient(gradient, saved.input(0), saved.inputShapes[1]) : nil,
        ] + saved.wanted.dropFirst(2).map { $0 ? gradient.summedOverPlaces() : nil }
    }

    func keeps(_ wanted: [Bool]) -> Kept { .some((wanted[0] ? [1] : []) + (wanted[1] ? [0] : [])) }

    /// The gradient towards the map of `shape`.
    func mapGradient(_ gradient: Tensor, _ weight: Tensor, _ shape: [Int]) -> Tensor {
        let type = gradient.elementType
        if gradient.elementCount == 0 || shape.elementCount == 0 { return .zeros(shape, type) }
        let (gradient, weight) = (gradient.contiguous(), weight.contiguous())
        let result = Tensor(uninitialized: shape, type)
        let primitive = PrimitiveCache.shared.primitive(
            .convolutionBackwardData(
                window, source: .channelsLast(shape, type), weights: weightLayout(weight.shape, type),
                destination: .channelsLast(gradient.shape, type)))
        let packed = Packed(weight, weightStrides(weight.shape), for: primitive, DNNL_ARG_WEIGHTS)
        withExtendedLifetime((gradient.storage, weight.storage, packed)) {
            primitive.run(
                (DNNL_ARG_DIFF_DST, gradient.rawPointer), (DNNL_ARG_WEIGHTS, packed.pointer),
                (DNNL_ARG_DIFF_SRC, result.rawPointer))
        }
        return result
    }

    /// The gradient towards the weight of `shape`.
    func weightGradient(_ gradient: Tensor, _ input: Tensor, _ shape: [Int]) -> Tensor {
        let type = gradient.elementType
        if gradient.elementCount == 0 || input.elementCount == 0 { return .zeros(shape, type) }
        let (gradient, input) = (gradient.contiguous(), input.contiguous())
        var source = Layout.channelsLast(input.shape, type)
        var destination = Layout.channelsLast(gradient.shape, type)
        let (givenSource, givenDestination) = (source, destination)
        if gathersFasterFromBlocks(shape, type) { (source.strides, destination.strides) = (nil, nil) }
        let primitive = PrimitiveCache.shared.primitive(
            .convolutionBackwardWeights(
                window, source: source, weights: weightLayout(shape, type), destination: destination))
        let packedInput = Packed(input, givenSource, for: primitive, DNNL_ARG_SRC)
        let packedGradient = Packed(gradient, givenDestination, for: primitive, DNNL_ARG_DIFF_DST)
        let result = Tensor(uninitialized: shape, type)
        let unpacked = Unpacked(into: result, weightStrides(shape), from: primitive, DNNL_ARG_DIFF_WEIGHTS)
        withExtendedLifetime((input.storage, gradient.storage, packedInput, packedGradient)) {
            primitive.run(
                (DNNL_ARG_SRC, packedInput.pointer), (DNNL_ARG_DIFF_DST, packedGradient.pointer),
                (DNNL_ARG_DIFF_WEIGHTS, unpacked.pointer))
        }
        unpacked.finish()
        return result
    }

    /// Whether kernels of the weights' gradient are faster on maps in blocks of channels, copies included: a window
    /// of several taps that strides over many channels of `float32` takes up to a third less time.
    private func gathersFasterFromBlocks(_ weight: [Int], _ type: ElementType) -> Bool {
        type == .float32 && groups == 1 && weight[1] >= 64 && window.kernel.contains { $0 > 1 }
            && window.stride.contains { $0 > 1 }
    }

    /// Arrangement left to oneDNN.
    func weightLayout(_ shape: [Int], _ type: ElementType) -> Layout {
        Layout(weightDimensions(shape), type)
    }

    /// `[O, I, k…]`, or `[G, O / G, I, k…]` when grouped.
    func weightDimensions(_ shape: [Int]) -> [Int] {
        groups == 1 ? shape : [groups, shape[0] / groups] + shape[1...]
    }

    /// A checkpoint's own arrangement.
    func weightStrides(_ shape: [Int]) -> Layout {
        .rowMajor(weightDimensions(shape), .float32)
    }
}

extension Tensor {
    /// The sum over all axes but the last.
    func summedOverPlaces() -> Tensor { sum(along: Array(0..<rank - 1)) }
}
