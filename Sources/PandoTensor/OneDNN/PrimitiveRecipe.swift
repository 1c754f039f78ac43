import COneDNN

/// Everything that determines a oneDNN primitive; the key of the cache.
enum PrimitiveRecipe: Hashable, Sendable {
    case matmul(source: Layout, weights: Layout, bias: Layout?, destination: Layout, [PostOperation])
    case convolution(Window, source: Layout, weights: Layout, bias: Layout?, destination: Layout, [PostOperation])
    case convolutionBackwardData(Window, source: Layout, weights: Layout, destination: Layout)
    case convolutionBackwardWeights(Window, source: Layout, weights: Layout, destination: Layout)
    case pooling(Window, Pooling, source: Layout, destination: Layout)
    case poolingBackward(Window, Pooling, source: Layout, destination: Layout)
    case activation(Activation, Layout)
    case activationBackward(Activation, Layout)
    case softmax(logarithm: Bool, axis: Int, Layout)
    case softmaxBackward(logarithm: Bool, axis: Int, Layout)
    case layerNorm(epsilon: Float, keepsStatistics: Bool, Layout)
    case layerNormBackward(epsilon: Float, Layout)
    /// With given statistics.
    case batchNorm(epsilon: Float, Layout)
    case reduction(Reduction, source: Layout, destination: Layout)

    /// How a kernel slides over one, two or three axes. Dilation 1 means neighbouring pixels.
    struct Window: Hashable, Sendable, CustomStringConvertible {
        var kernel: [Int] = []
        var stride: [Int]
        var dilation: [Int]
        var paddingBefore: [Int]
        var paddingAfter: [Int]

        var description: String {
            "window \(kernel) stride \(stride) dilation \(dilation) padding \(paddingBefore) and \(paddingAfter)"
        }
    }

    /// The maximum that keeps positions is the one that has a gradient.
    enum Pooling: Hashable, Sendable { case max, maxKeepingPositions, average, averageCountingPadding }

    enum Reduction: Hashable, Sendable { case sum, mean, max, min }

    /// - Parameter scaling: of 8-bit arguments, for matrix products and convolutions.
    func make(scaling: [ArgumentScaling] = []) -> Primitive? {
        let engine = CPUEngine.handle
        switch self {
        case .matmul(let source, let weights, let bias, let destination, let operations):
            let descriptors = [source, weights, destination].map(MemoryDescriptor.init)
            let bias = bias.map(MemoryDescriptor.init)
            return Primitive(for: "\(self)", attributes: operations, scaling: scaling) {
                dnnl_matmul_primitive_desc_create(
                    $0, engine, descriptors[0].handle, descriptors[1].handle, bias?.handle, descriptors[2].handle, $1)
            }
        case .convolution(let window, let source, let weights, let bias, let destination, let operations):
            let descriptors = [source, weights, destination].map(MemoryDescriptor.init)
            let bias = bias.map(MemoryDescriptor.init)
            return Primitive(for: "\(self)", attributes: operations, scaling: scaling) {
                dnnl_convolution_forward_primitive_desc_create(
                    $0, engine, dnnl_forward_inference, dnnl_convolution_direct, descriptors[0].handle,
                    descriptors[1].handle, bias?.handle, descriptors[2].handle, window.stride64, window.dilation64,
                    window.before64, window.after64, $1)
            }
        case .convolutionBackwardData(let window, let source, let weights, let destination):
            guard let forward = forwardConvolution(window, source, weights, destination) else { return nil }
            let descriptors = [source, weights, destination].map(MemoryDescriptor.init)
            return Primitive(for: "\(self)", forward: forward) {
                dnnl_convolution_backward_data_primitive_desc_create(
                    $0, engine, dnnl_convolution_direct, descriptors[0].handle, descriptors[1].handle,
                    descriptors[2].handle, window.stride64, window.dilation64, window.before64, window.after64,
                    forward.descriptor, $1)
            }
        case .convolutionBackwardWeights(let window, let source, let weights, let destination):
            guard let forward = forwardConvolution(window, source, weights, destination) else { return nil }
            let descriptors = [source, weights, destination].map(MemoryDescriptor.init)
            return Primitive(for: "\(self)", forward: forward) {
                dnnl_convolution_backward_weights_primitive_desc_create(
                    $0, engine, dnnl_convolution_direct, descriptors[0].handle, descriptors[1].handle, nil,
                    descriptors[2].handle, window.stride64, window.dilation64, window.before64, window.after64,
                    forward.descriptor, $1)
            }
        case .pooling(let window, let kind, let source, let destination):
            return pooling(window, kind, source, destination)
        case .poolingBackward(let window, let kind, let source, let destination):
            guard let forward = pooling(window, kind, source, destination) else { return nil }
            let descriptors = [source, destination].map(MemoryDescriptor.init)
            return Primitive(for: "\(self)", forward: forward) {
                dnnl_pooling_backward_primitive_desc_create(
                    $0, engine, kind.algorithm, descriptors[0].handle, descriptors[1].handle, window.stride64,
                    window.kernel64, window.dilation64, window.before64, window.after64, forward.descriptor, $1)
            }
        case .activation(let function, let layout):
            return activation(function, layout)
        case .activationBackward(let function, let layout):
            guard let forward = activation(function, layout) else { return nil }
            let descriptor = MemoryDescriptor(layout)
            return Primitive(for: "\(self)", forward: forward) {
                dnnl_eltwise_backward_primitive_desc_create(
                    $0, engine, function.algorithm, descriptor.handle, descriptor.handle, descriptor.handle,
                    function.alpha, function.beta, forward.descriptor, $1)
            }
        case .softmax(let logarithm, let axis, let layout):
            return softmax(logarithm, axis, layout)
        case .softmaxBackward(let logarithm, let axis, let layout):
            guard let forward = softmax(logarithm, axis, layout) else { return nil }
            let descriptor = MemoryDescriptor(layout)
            return Primitive(for: "\(self)", forward: forward) {
                dnnl_softmax_backward_primitive_desc_create(
                    $0, engine, logarithm ? dnnl_softmax_log : dnnl_softmax_accurate, descriptor.handle,
                    descriptor.handle, descriptor.handle, Int32(axis), forward.descriptor, $1)
            }
        case .layerNorm(let epsilon, let keepsStatistics, let layout):
            return layerNorm(epsilon, keepsStatistics, layout)
        case .layerNormBackward(let epsilon, let layout):
            guard let forward = layerNorm(epsilon, true, layout) else { return nil }
            let descriptor = MemoryDescriptor(layout)
            let statistics = MemoryDescriptor(.rowMajor(Array(layout.dimensions.dropLast()), .float32))
            return Primitive(for: "\(self)", forward: forward) {
                dnnl_layer_normalization_backward_primitive_desc_create(
                    $0, engine, dnnl_backward, descriptor.handle, descriptor.handle, descriptor.handle,
                    statistics.handle, epsilon, Self.scaleAndShift, forward.descriptor, $1)
            }
        case .batchNorm(let epsilon, let layout):
            return batchNorm(epsilon, layout)
        case .reduction(let kind, let source, let destination):
            let descriptors = [source, destination].map(MemoryDescriptor.init)
            return Primitive(for: "\(self)") {
                dnnl_reduction_primitive_desc_create(
                    $0, engine, kind.algorithm, descriptors[0].handle, descriptors[1].handle, 0, 0, $1)
            }
        }
    }

    private static let scaleAndShift = dnnl_use_scale.rawValue | dnnl_use_shift.rawValue

    private func forwardConvolution(_ window: Window, _ source: Layout, _ weights: Layout, _ destination: Layout)
        -> Primitive?
    {
        PrimitiveRecipe.convolution(
            window, source: source, weights: weights, bias: nil, destination: destination, []
        ).make()
    }

    private func pooling(_ window: Window, _ kind: Pooling, _ source: Layout, _ destination: Layout) -> Primitive? {
        let descriptors = [source, destination].map(MemoryDescriptor.init)
        let training = kind == .maxKeepingPositions
        return Primitive(for: "\(self)") {
            dnnl_pooling_forward_primitive_desc_create(
                $0, CPUEngine.handle, training ? dnnl_forward_training : dnnl_forward_inference, kind.algorithm,
                descriptors[0].handle, descriptors[1].handle, window.stride64, window.kernel64, window.dilation64,
                window.before64, window.after64, $1)
        }
    }

    private func activation(_ function: Activation, _ layout: Layout) -> Primitive? {
        let descriptor = MemoryDescriptor(layout)
        return Primitive(for: "\(self)") {
            dnnl_eltwise_forward_primitive_desc_create(
                $0, CPUEngine.handle, dnnl_forward_training, function.algorithm, descriptor.handle,
                descriptor.handle, function.alpha, function.beta, $1)
        }
    }

    private func softmax(_ logarithm: Bool, _ axis: Int, _ layout: Layout) -> Primitive? {
        let descriptor = MemoryDescriptor(layout)
        return Primitive(for: "\(self)") {
            dnnl_softmax_forward_primitive_desc_create(
                $0, CPUEngine.handle, dnnl_forward_training, logarithm ? dnnl_softmax_log : dnnl_softmax_accurate,
                descriptor.handle, descriptor.handle, Int32(axis), $1)
        }
    }

    private func layerNorm(_ epsilon: Float, _ keepsStatistics: Bool, _ layout: Layout) -> Primitive? {
        let descriptor = MemoryDescriptor(layout)
        let statistics = MemoryDescriptor(.rowMajor(Array(layout.dimensions.dropLast()), .float32))
        return Primitive(for: "\(self)") {
            dnnl_layer_normalization_forward_primitive_desc_create(
                $0, CPUEngine.handle, keepsStatistics ? dnnl_forward_training : dnnl_forward_inference,
                descriptor.handle, descriptor.handle, statistics.handle, epsilon, Self.scaleAndShift, $1)
        }
    }

    private func batchNorm(_ epsilon: Float, _ layout: Layout) -> Primitive? {
        let descriptor = MemoryDescriptor(layout)
        let flags = Self.scaleAndShift | dnnl_use_global_stats.rawValue
        return Primitive(for: "\(self)") {
            dnnl_batch_normalization_forward_primitive_desc_create(
                $0, CPUEngine.handle, dnnl_forward_inference, descriptor.handle,
                descriptor.handle, epsilon, flags, $1)
        }
    }
}

extension PrimitiveRecipe.Window {
    fileprivate var kernel64: [Int64] { kernel.map(Int64.init) }
    fileprivate var stride64: [Int64] { stride.map(Int64.init) }
    /// oneDNN counts the pixels left out between two taps.
    fileprivate var dilation64: [Int64] { dilation.map { Int64($0 - 1) } }
    fileprivate var before64: [Int64] { paddingBefore.map(Int64.init) }
    fileprivate var after64: [Int64] { paddingAfter.map(Int64.init) }
}

extension PrimitiveRecipe.Pooling {
    fileprivate var algorithm: dnnl_alg_kind_t {
        switch self {
        case .max, .maxKeepingPositions: dnnl_pooling_max
        case .average: dnnl_pooling_avg_exclude_padding
        case .averageCountingPadding: dnnl_pooling_avg_include_padding
        }
    }
}

extension PrimitiveRecipe.Reduction {
    fileprivate var algorithm: dnnl_alg_kind_t {
        switch self {
        case .sum: dnnl_reduction_sum
        case .mean: dnnl_reduction_mean
        case .max: dnnl_reduction_max
        case .min: dnnl_reduction_min
        }
    }
}
