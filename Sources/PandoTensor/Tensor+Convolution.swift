// Convolution over maps `[N, H, W, C]`.

import COneDNN

/// How many pixels of zeros stand before and after a map, along height and width.
public struct Padding: Hashable, Sendable {
    public var before: [Int]
    public var after: [Int]

    /// The same number of pixels on all four sides.
    public init(_ pixels: Int) {
        before = [pixels, pixels]
        after = [pixels, pixels]
    }

    /// - Precondition: two sizes each, height and width.
    public init(before: [Int], after: [Int]) {
        require(before.count == 2 && after.count == 2, "padding takes height and width, got \(before) and \(after)")
        self.before = before
        self.after = after
    }

    /// TensorFlow's "same": the output has `ceil(size / stride)` pixels; an odd rest goes after the map.
    public static func same(height: Int, width: Int, kernel: Int, stride: Int) -> Padding {
        let total = [height, width].map { max(0, (($0 + stride - 1) / stride - 1) * stride + kernel - $0) }
        return Padding(before: total.map { $0 / 2 }, after: total.map { $0 - $0 / 2 })
    }
}

extension Tensor {
    /// A two-dimensional convolution (cross-correlation, as the field says).
    ///
    /// - Shapes: `[N, H, W, I]` with weight `[O, I / groups, kh, kw]` and bias `[O]` → `[N, H', W', O]`.
    public func convolved(
        with weight: Tensor, bias: Tensor? = nil, stride: Int = 1, padding: Padding = Padding(0), dilation: Int = 1,
        groups: Int = 1
    ) -> Tensor {
        convolved(
            with: weight, bias: bias, stride: [stride, stride], padding: padding, dilation: [dilation, dilation],
            groups: groups)
    }

    /// A two-dimensional convolution whose strides and dilations may differ along height and width.
    ///
    /// - Shapes: `[N, H, W, I]` with weight `[O, I / groups, kh, kw]` and bias `[O]` → `[N, H', W', O]`.
    public func convolved(
        with weight: Tensor, bias: Tensor? = nil, stride: [Int], padding: Padding = Padding(0),
        dilation: [Int] = [1, 1], groups: Int = 1
    ) -> Tensor {
        require(
            rank == 4 && weight.rank == 4, "convolution: input \(shape) and weight \(weight.shape) need four axes each")
        require(
            groups >= 1 && shape[3] == weight.shape[1] * groups && weight.shape[0] % groups == 0,
            "convolution: input \(shape) with \(groups) groups does not fit weight \(weight.shape) [out, in / groups, h, w]"
        )
        require(
            elementType == weight.elementType && elementType.isFloatingPoint,
            "convolution: input is \(elementType), weight \(weight.elementType), expected one floating-point type")
        require(
            bias.map { $0.shape == [weight.shape[0]] } ?? true,
            "convolution: bias has shape \(bias?.shape ?? []), expected [\(weight.shape[0])]")
        require(weight.elementCount > 0, "convolution: weight \(weight.shape) has no elements")
        let window = PrimitiveRecipe.Window(
            kernel: Array(weight.shape[2...]), stride: stride, dilation: dilation, paddingBefore: padding.before,
            paddingAfter: padding.after)
        window.validate("convolution")
        return .applying(Convolution(window: window, groups: groups), to: [self, weight] + (bias.map { [$0] } ?? []))
    }
}

extension PrimitiveRecipe.Window {
    /// Stops the program unless all sizes are ones that a window can have.
    func validate(_ operation: String) {
        require(
            [kernel, stride, dilation].allSatisfy { $0.count == 2 && $0.allSatisfy { $0 >= 1 } },
            "\(operation): kernel \(kernel), stride \(stride) and dilation \(dilation) must be two positive sizes each")
        require(
            (paddingBefore + paddingAfter).allSatisfy { $0 >= 0 },
            "\(operation): padding \(paddingBefore) and \(paddingAfter) is negative")
    }

    /// Height and width after the window has passed over `[N, H, W, C]`.
    func outputSize(_ shape: [Int]) -> [Int] {
        (0..<2).map { axis in
            let reach = dilation[axis] * (kernel[axis] - 1) + 1
            let room = shape[1 + axis] + paddingBefore[axis] + paddingAfter[axis] - reach
            require(
                room >= 0,
                "a window of \(kernel) with dilation \(dilation) does not fit a map of shape \(shape)")
            return room / stride[axis] + 1
        }
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
        let output = Tensor(uninitialized: outputShape(input.shape, weight.shape), input.elementType)
        guard output.elementCount > 0 else { return output }
        let primitive = PrimitiveCache.shared.primitive(
            .convolution(
                window, source: .channelsLast(input.shape, input.elementType),
                weights: weightLayout(weight.shape, input.elementType),
                bias: bias.map { .rowMajor($0.shape, .float32) },
                destination: .channelsLast(output.shape, output.elementType), []))
        let packed = Packed(weight, weightStrides(weight.shape), for: primitive, DNNL_ARG_WEIGHTS)
        withExtendedLifetime((input.storage, weight.storage, bias?.storage, packed)) {
            if let bias {
                primitive.run(
                    (DNNL_ARG_SRC, input.rawPointer), (DNNL_ARG_WEIGHTS, packed.pointer),
                    (DNNL_ARG_BIAS, bias.rawPointer), (DNNL_ARG_DST, output.rawPointer))
            } else {
                primitive.run(
                    (DNNL_ARG_SRC, input.rawPointer), (DNNL_ARG_WEIGHTS, packed.pointer),
                    (DNNL_ARG_DST, output.rawPointer))
            }
        }
        return output
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let type = gradient.elementType
        let gradient = gradient.contiguous()
        let (inputShape, weightShape) = (saved.inputShapes[0], saved.inputShapes[1])
        let source = Layout.channelsLast(inputShape, type)
        let weights = weightLayout(weightShape, type)
        let destination = Layout.channelsLast(gradient.shape, type)
        var gradients: [Tensor?] = [nil, nil]
        if saved.wanted[0] {
            let result = Tensor(uninitialized: inputShape, type)
            let primitive = PrimitiveCache.shared.primitive(
                .convolutionBackwardData(window, source: source, weights: weights, destination: destination))
            let weight = saved.input(1).contiguous()
            let packed = Packed(weight, weightStrides(weightShape), for: primitive, DNNL_ARG_WEIGHTS)
            withExtendedLifetime((gradient.storage, weight.storage, packed)) {
                primitive.run(
                    (DNNL_ARG_DIFF_DST, gradient.rawPointer), (DNNL_ARG_WEIGHTS, packed.pointer),
                    (DNNL_ARG_DIFF_SRC, result.rawPointer))
            }
            gradients[0] = result
        }
        if saved.wanted[1] {
            let input = saved.input(0).contiguous()
            let primitive = PrimitiveCache.shared.primitive(
                .convolutionBackwardWeights(window, source: source, weights: weights, destination: destination))
            let result = Tensor(uninitialized: weightShape, type)
            let unpacked = Unpacked(into: result, weightStrides(weightShape), from: primitive, DNNL_ARG_DIFF_WEIGHTS)
            withExtendedLifetime((input.storage, gradient.storage)) {
                primitive.run(
                    (DNNL_ARG_SRC, input.rawPointer), (DNNL_ARG_DIFF_DST, gradient.rawPointer),
                    (DNNL_ARG_DIFF_WEIGHTS, unpacked.pointer))
            }
            unpacked.finish()
            gradients[1] = result
        }
        if saved.wanted.count > 2 {
            gradients.append(saved.wanted[2] ? gradient.sum(along: [0, 1, 2]) : nil)
        }
        return gradients
    }

    func keeps(_ wanted: [Bool]) -> Kept { .some((wanted[0] ? [1] : []) + (wanted[1] ? [0] : [])) }

    func outputShape(_ input: [Int], _ weight: [Int]) -> [Int] {
        [input[0]] + window.outputSize(input) + [weight[0]]
    }

    /// Arrangement left to oneDNN.
    func weightLayout(_ shape: [Int], _ type: ElementType) -> Layout {
        Layout(weightDimensions(shape), type)
    }

    /// `[O, I, h, w]`, or `[G, O / G, I, h, w]` when grouped.
    func weightDimensions(_ shape: [Int]) -> [Int] {
        groups == 1 ? shape : [groups, shape[0] / groups] + shape[1...]
    }

    /// A checkpoint's own arrangement.
    func weightStrides(_ shape: [Int]) -> Layout {
        .rowMajor(weightDimensions(shape), .float32)
    }
}
