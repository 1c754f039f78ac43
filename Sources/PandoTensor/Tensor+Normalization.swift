// Softmax, layer norm and batch norm.

import COneDNN

extension Tensor {
    /// `exp(x) / Σ exp(x)` along `axis`.
    public func softmax(along axis: Int = -1) -> Tensor {
        requireFloatingPoint("softmax")
        return .applying(Softmax(logarithm: false, axis: normalized(axis)), to: self)
    }

    /// The logarithm of `softmax`, without the loss of precision.
    public func logSoftmax(along axis: Int = -1) -> Tensor {
        requireFloatingPoint("log-softmax")
        return .applying(Softmax(logarithm: true, axis: normalized(axis)), to: self)
    }

    /// `(x - mean) / √(variance + ε) · weight + bias` over the last axis.
    ///
    /// - Shapes: `[…, C]`, weight and bias `[C]` → `[…, C]`.
    public func layerNormalized(weight: Tensor, bias: Tensor, epsilon: Float) -> Tensor {
        require(
            rank >= 1 && weight.shape == [shape[rank - 1]] && bias.shape == weight.shape,
            "layer norm: weight \(weight.shape) and bias \(bias.shape) do not fit input \(shape)")
        requireFloatingPoint("layer norm")
        let rows = reshaped([shape.dropLast().reduce(1, *), shape[rank - 1]])
        return .applying(LayerNormalization(epsilon: epsilon), to: rows, weight, bias).reshaped(shape)
    }

    /// `(x - mean) / √(variance + ε) · weight + bias` with statistics that were gathered before.
    ///
    /// - Shapes: map `[N, …, C]`, the rest `[C]`.
    public func batchNormalized(mean: Tensor, variance: Tensor, weight: Tensor, bias: Tensor, epsilon: Float) -> Tensor
    {
        for value in [mean, variance, weight, bias] {
            require(
                rank >= 2 && value.shape == [shape[rank - 1]],
                "batch norm: statistics or parameters of shape \(value.shape) do not fit input \(shape)")
        }
        requireFloatingPoint("batch norm")
        return .applying(BatchNormalization(epsilon: epsilon), to: self, mean, variance, weight, bias)
    }

    /// `(x - mean) / √(variance + ε) · weight + bias` with this batch's own statistics, which are returned too.
    ///
    /// - Shapes: map `[N, …, C]`, the rest `[C]`. The variance is divided by the count: of places, over the batch.
    public func batchNormalized(weight: Tensor, bias: Tensor, epsilon: Float)
        -> (output: Tensor, mean: Tensor, variance: Tensor, count: Int)
    {
        require(
            rank >= 2 && weight.shape == [shape[rank - 1]] && bias.shape == weight.shape,
            "batch norm: weight \(weight.shape) and bias \(bias.shape) do not fit input \(shape)")
        requireFloatingPoint("batch norm")
        require(elementCount > 0, "batch norm: a batch of shape \(shape) has no statistics")
        require(!isTraced, "program: batch norm with the batch's own statistics is no frozen function")
        let (output, statistics) = Tensor.applyingForAuxiliaries(
            BatchStatistics(epsilon: epsilon), to: [self, weight, bias])
        return (output, statistics[0], statistics[1], BatchStatistics.placeCount(statistics))
    }
}

struct Softmax: Operation {
    let logarithm: Bool
    let axis: Int

    static let isComputedByKernels = true

    func forward(_ inputs: [Tensor]) -> Tensor {
        let input = inputs[0].contiguous()
        let output = Tensor(uninitialized: input.shape, input.elementType)
        guard input.elementCount > 0 else { return output }
        if logarithm {
            let values = input.cast(to: .float32)
            let shape = input.shape
            return values.logProbabilities(
                from: Softmax(logarithm: false, axis: axis).forward([values]), shape[..<axis].reduce(1, *),
                shape[axis], shape[(axis + 1)...].reduce(1, *)
            ).cast(to: input.elementType)
        }
        withExtendedLifetime(input.storage) {
            PrimitiveCache.shared.primitive(.softmax(logarithm: false, axis: 1, layout(input)))
                .run((DNNL_ARG_SRC, input.rawPointer), (DNNL_ARG_DST, output.rawPointer))
        }
        return output
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let result = saved.result
        let gradient = gradient.contiguous()
        let output = Tensor(uninitialized: result.shape, result.elementType)
        guard result.elementCount > 0 else { return [output] }
        withExtendedLifetime((result.storage, gradient.storage)) {
            PrimitiveCache.shared.primitive(.softmaxBackward(logarithm: logarithm, axis: 1, layout(result)))
                .run(
                    (DNNL_ARG_DST, result.rawPointer), (DNNL_ARG_DIFF_DST, gradient.rawPointer),
                    (DNNL_ARG_DIFF_SRC, output.rawPointer))
        }
        return [output]
    }

    func keeps(_ wanted: [Bool]) -> Kept { .output }

    /// Everything before and after the axis is one axis each.
    private func layout(_ tensor: Tensor) -> Layout {
        let shape = tensor.shape
        let (before, after) = (shape[..<axis].reduce(1, *), shape[(axis + 1)...].reduce(1, *))
        return .rowMajor(after == 1 ? [before, shape[axis]] : [before, shape[axis], after], tensor.elementType)
    }
}

/// `x` `[N, C]`, `weight` and `bias` `[C]` → `[N, C]`.
struct LayerNormalization: Operation {
    let epsilon: Float

    static let isComputedByKernels = true

    func forward(_ inputs: [Tensor]) -> Tensor { forwardKeeping(inputs).output }

    /// Auxiliaries: mean and variance of each row, `[N]`.
    func forwardKeeping(_ inputs: [Tensor]) -> (output: Tensor, auxiliaries: [Tensor]) {
        let input = inputs[0].contiguous()
        let (scale, shift) = (inputs[1].cast(to: .float32).contiguous(), inputs[2].cast(to: .float32).contiguous())
        let output = Tensor(uninitialized: input.shape, input.elementType)
        let (mean, variance) = (
            Tensor(uninitialized: [input.shape[0]], .float32), Tensor(uninitialized: [input.shape[0]], .float32)
        )
        guard input.elementCount > 0 else { return (output, [mean, variance]) }
        withExtendedLifetime((input.storage, scale.storage, shift.storage)) {
            PrimitiveCache.shared.primitive(.layerNorm(epsilon: epsilon, keepsStatistics: true, input.layout)).run(
                (DNNL_ARG_SRC, input.rawPointer), (DNNL_ARG_SCALE, scale.rawPointer),
                (DNNL_ARG_SHIFT, shift.rawPointer),
                (DNNL_ARG_MEAN, mean.rawPointer), (DNNL_ARG_VARIANCE, variance.rawPointer),
                (DNNL_ARG_DST, output.rawPointer))
        }
        return (output, [mean, variance])
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let input = saved.input(0).contiguous()
        let weight = saved.input(1).cast(to: .float32).contiguous()
        let shift = Tensor.zeros(weight.shape)  // asked for, though it has no part in the gradient
        let (mean, variance) = (saved.auxiliaries[0], saved.auxiliaries[1])
        let gradient = gradient.contiguous()
        let outputs = [
            Tensor(uninitialized: input.shape, input.elementType), .zeros(weight.shape), .zeros(weight.shape),
        ]
        guard input.elementCount > 0 else { return outputs }
        withExtendedLifetime((input.storage, weight.storage, shift.storage, gradient.storage)) {
            PrimitiveCache.shared.primitive(.layerNormBackward(epsilon: epsilon, input.layout)).run(
                (DNNL_ARG_SRC, input.rawPointer), (DNNL_ARG_SCALE, weight.rawPointer),
                (DNNL_ARG_SHIFT, shift.rawPointer), (DNNL_ARG_MEAN, mean.rawPointer),
                (DNNL_ARG_VARIANCE, variance.rawPointer),
                (DNNL_ARG_DIFF_DST, gradient.rawPointer), (DNNL_ARG_DIFF_SRC, outputs[0].rawPointer),
                (DNNL_ARG_DIFF_SCALE, outputs[1].rawPointer), (DNNL_ARG_DIFF_SHIFT, outputs[2].rawPointer))
        }
        return zip(outputs, saved.wanted).map { $1 ? $0 : nil }
    }

    func keeps(_ wanted: [Bool]) -> Kept { .some([0, 1]) }
}

/// Batch norm with given statistics: an affine map of each channel. Inputs: map, mean, variance, weight, bias.
struct BatchNormalization: Operation {
    let epsilon: Float

    static let isComputedByKernels = true

    func forward(_ inputs: [Tensor]) -> Tensor {
        let input = inputs[0].contiguous()
        let values = inputs[1...].map { $0.cast(to: .float32).contiguous() }
        let output = Tensor(uninitialized: input.shape, input.elementType)
        guard input.elementCount > 0 else { return output }
        withExtendedLifetime((input.storage, values)) {
            PrimitiveCache.shared.primitive(
                .batchNorm(epsilon: epsilon, input.channelLayout)
            ).run(
                (DNNL_ARG_SRC, input.rawPointer), (DNNL_ARG_MEAN, values[0].rawPointer),
                (DNNL_ARG_VARIANCE, values[1].rawPointer), (DNNL_ARG_SCALE, values[2].rawPointer),
                (DNNL_ARG_SHIFT, values[3].rawPointer), (DNNL_ARG_DST, output.rawPointer))
        }
        return output
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let inverse = (saved.input(2).cast(to: .float32) + epsilon).power(-0.5)
        require(!saved.wanted[1] && !saved.wanted[2], "batch norm: gathered statistics are not differentiated")
        return [
            saved.wanted[0]
                ? gradient * (inverse * saved.input(3).cast(to: .float32)).cast(to: gradient.elementType) : nil,
            nil, nil,
            saved.wanted[3]
                ? (gradient * (saved.input(0) - saved.input(1)) * inverse).summedOverPlaces() : nil,
            saved.wanted[4] ? gradient.summedOverPlaces() : nil,
        ]
    }

    func keeps(_ wanted: [Bool]) -> Kept { .some(wanted[3] ? [0, 1, 2, 3] : [2, 3]) }
}

extension Tensor {
    /// A map `[N, …, C]` as kernels of batch norm take it: all spatial axes as one.
    fileprivate var channelLayout: Layout {
        .channelsLast([shape[0], shape[1..<rank - 1].reduce(1, *), 1, shape[rank - 1]], elementType)
    }
}
