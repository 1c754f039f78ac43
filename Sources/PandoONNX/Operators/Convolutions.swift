import PandoTensor

/// The window of a convolution or pool, as a node gives it.
struct ONNXWindow {
    var kernel: [Int]
    var stride: [Int]
    var dilation: [Int]
    var before: [Int]
    var after: [Int]

    var padding: Padding { Padding(before: before, after: after) }

    /// - Parameter size: pixels along each axis.
    init(_ call: OperatorCall, kernel: [Int], size: [Int]) throws {
        let axes = size.count
        func sizes(_ name: String) throws -> [Int] {
            let given = try call.node.integers(name) ?? [Int](repeating: 1, count: axes)
            try call.expect(
                given.count == axes && given.allSatisfy { (1...1 << 24).contains($0) },
                "\(name) \(given), expected \(axes) sizes of at least 1")
            return given
        }
        try call.expect(
            (1...3).contains(axes) && kernel.count == axes && kernel.allSatisfy { (1...1 << 24).contains($0) },
            "a kernel of \(kernel) for \(axes) axes, expected as many sizes of at least 1, for one to three axes")
        self.kernel = kernel
        stride = try sizes("strides")
        dilation = try sizes("dilations")
        let pads = try call.node.integers("pads") ?? [Int](repeating: 0, count: 2 * axes)
        try call.expect(
            pads.count == 2 * axes && pads.allSatisfy { (0...1 << 24).contains($0) },
            "pads \(pads), expected \(2 * axes), none negative")
        (before, after) = (Array(pads[..<axes]), Array(pads[axes...]))
        switch try call.node.string("auto_pad", default: "NOTSET") {
        case "NOTSET", "": break
        case "VALID": (before, after) = (size.map { _ in 0 }, size.map { _ in 0 })
        case let mode where mode == "SAME_UPPER" || mode == "SAME_LOWER":
            for axis in size.indices {
                let count = (size[axis] + stride[axis] - 1) / stride[axis]
                let total = max(0, (count - 1) * stride[axis] + reach(axis) - size[axis])
                (before[axis], after[axis]) = (total / 2, total - total / 2)
                if mode == "SAME_LOWER" { swap(&before[axis], &after[axis]) }
            }
        case let mode: throw call.fault("auto_pad \"\(mode)\" is not known", .graph)
        }
    }

    func reach(_ axis: Int) -> Int { dilation[axis] * (kernel[axis] - 1) + 1 }

    /// Checks that the window fits into a map of these sizes.
    func expectFits(_ call: OperatorCall, _ size: [Int]) throws {
        for axis in size.indices {
            try call.expect(
                size[axis] > 0 && size[axis] + before[axis] + after[axis] >= reach(axis),
                "a window of \(kernel) with dilation \(dilation) does not fit a map of \(size)")
        }
    }
}

extension OperatorTable {
    static func convolution(_ call: OperatorCall) throws -> [ONNXValue] {
        let (value, weights) = (try call.floats(0), try call.floats(1))
        let (shape, weight) = (value.shape, weights.tensor)
        try call.expect(
            shape.count >= 3 && weight.rank == shape.count, "input \(shape) and weight \(weight.shape) do not go together")
        let window = try ONNXWindow(call, kernel: Array(weight.shape[2...]), size: Array(shape[2...]))
        let groups = try call.node.integer("group", default: 1)
        try call.expect(
            groups >= 1 && weight.elementCount > 0 && weight.shape[0] % groups == 0
                && weight.shape[1].multipliedReportingOverflow(by: groups) == (shape[1], false),
            "input \(shape) with \(groups) groups does not fit weight \(weight.shape) [out, in / groups, …]")
        try window.expectFits(call, Array(shape[2...]))
        let bias = call.optional(2) == nil ? nil : try call.parameter(2, [weight.shape[0]])
        try call.expectRoom(
            [shape[0], weight.shape[0]]
                + window.kernel.indices.map {
                    (shape[2 + $0] + window.before[$0] + window.after[$0] - window.reach($0)) / window.stride[$0] + 1
                })
        return [
            ONNXValue(
                channelsLast: value.channelsLast.convolved(
                    with: weight, bias: bias, stride: window.stride, padding: window.padding,
                    dilation: window.dilation, groups: groups))
        ]
    }

    static func transposedConvolution(_ call: OperatorCall) throws -> [ONNXValue] {
        let (value, weights) = (try call.floats(0), try call.floats(1))
        let (shape, weight) = (value.shape, weights.tensor)
        try call.expect(
            shape.count >= 3 && weight.rank == shape.count && !shape[2...].contains(0),
            "input \(shape) and weight \(weight.shape) do not go together")
        let size = Array(shape[2...])
        var window = try ONNXWindow(call, kernel: Array(weight.shape[2...]), size: size)
        let groups = try call.node.integer("group", default: 1)
        try call.expect(
            groups >= 1 && weight.elementCount > 0 && weight.shape[0] == shape[1] && shape[1] % groups == 0
                && weight.shape[1].multipliedReportingOverflow(by: groups).partialValue <= 1 << 24,
            "input \(shape) with \(groups) groups does not fit weight \(weight.shape) [in, out / groups, …]")
        let extra = try call.node.integers("output_padding") ?? size.map { _ in 0 }
        try call.expect(
            extra.count == size.count && extra.allSatisfy { (0...1 << 24).contains($0) },
            "output_padding \(extra), expected \(size.count) sizes, none negative")
        let whole = size.indices.map { (size[$0] - 1) * window.stride[$0] + window.reach($0) }
        let mode = try call.node.string("auto_pad", default: "NOTSET")
        // Sizes that are asked for say how much is cut off.
        var asked = try call.node.integers("output_shape")
        if asked == nil, mode.hasPrefix("SAME") { asked = size.indices.map { size[$0] * window.stride[$0] } }
        if let asked {
            try call.expect(asked.count == size.count, "output_shape \(asked), expected \(size.count) sizes")
            for axis in size.indices {
                let total = whole[axis] + extra[axis] - asked[axis]
                let half = max(total, 0) / 2
                window.before[axis] = mode == "SAME_UPPER" ? half : max(total, 0) - half
                window.after[axis] = total - window.before[axis]
            }
        }
        let bias = call.optional(2) == nil ? nil : try call.parameter(2, [weight.shape[1] * groups])
        // All of it first; then padding cuts off, and what is asked for beyond is zeros that the bias fills.
        let result = size.indices.map { whole[$0] + extra[$0] - window.before[$0] - window.after[$0] }
        try call.expect(result.allSatisfy { $0 > 0 }, "input \(shape) with a window of \(window.kernel) leaves no output")
        try call.expectRoom([shape[0], weight.shape[1] * groups] + whole)
        try call.expectRoom([shape[0], weight.shape[1] * groups] + result)
        var map = value.channelsLast
        let cut = size.indices.map { min(window.after[$0], whole[$0]) - extra[$0] }
        let isPlain = zip(cut, size.indices).allSatisfy { $0 >= 0 && window.before[$1] < whole[$1] }
        map = map.transposedConvolved(
            with: weight, bias: isPlain ? bias : nil, stride: window.stride,
            padding: isPlain ? Padding(before: window.before, after: cut) : Padding(0), dilation: window.dilation,
            groups: groups)
        if !isPlain {
            for axis in size.indices {
                let end = min(window.before[axis] + result[axis], whole[axis])
                map = map.slice(min(window.before[axis], end)..<end, along: 1 + axis)
                var after = [Int](repeating: 0, count: map.rank)
                after[1 + axis] = result[axis] - map.shape[1 + axis]
                if after[1 + axis] > 0 { map = map.padded(before: after.map { _ in 0 }, after: after) }
            }
            if let bias { map = map + bias }
        }
        return [ONNXValue(channelsLast: map)]
    }

    static func pool(_ call: OperatorCall, isMaximum: Bool) throws -> [ONNXValue] {
        let value = try call.value(0)
        guard value.kind == .float else { throw call.fault("pooling of \(value.kind.name)", .unsupported) }
        try call.expect(value.rank >= 3, "shape \(value.shape) is no map [N, C, …]")
        guard let kernel = try call.node.integers("kernel_shape") else { throw call.fault("kernel_shape is missing", .graph) }
        guard call.node.outputs.dropFirst().allSatisfy(\.isEmpty) else {
            throw call.fault("the places of the maxima are not computed", .unsupported)
        }
        let size = Array(value.shape[2...])
        try call.expect(!value.shape.contains(0), "shape \(value.shape) has no elements")
        let window = try ONNXWindow(call, kernel: kernel, size: size)
        try window.expectFits(call, size)
        let roundsUp = try call.node.flag("ceil_mode")
        let map = value.channelsLast
        let isSmall = kernel.indices.allSatisfy { max(window.before[$0], window.after[$0]) < window.kernel[$0] }
        if isMaximum {
            // Padding never wins, and beyond a window it never counts.
            guard isSmall else { throw call.fault("pads \(window.before) leave windows without a pixel", .unsupported) }
            return [
                ONNXValue(
                    channelsLast: map.maxPooled(
                        kernel: kernel, stride: window.stride, padding: window.padding, dilation: window.dilation,
                        roundingUp: roundsUp))
            ]
        }
        let countsPadding = try call.node.flag("count_include_pad")
        if window.dilation.allSatisfy({ $0 == 1 }), isSmall {
            return [
                ONNXValue(
                    channelsLast: map.averagePooled(
                        kernel: kernel, stride: window.stride, padding: window.padding, countingPadding: countsPadding,
                        roundingUp: roundsUp))
            ]
        }
        guard !roundsUp else { throw call.fault("ceil_mode with dilation or wide padding", .unsupported) }
        // As a convolution with equal weights, divided by the pixels that it saw.
        try call.expectRoom([value.shape[1]] + kernel)
        func sums(_ map: Tensor) -> Tensor {
            let channels = map.shape[map.rank - 1]
            return map.convolved(
                with: .ones([channels, 1] + kernel), stride: window.stride, padding: window.padding,
                dilation: window.dilation, groups: channels)
        }
        let counts =
            countsPadding
            ? Tensor(Float(kernel.reduce(1, *))) : sums(.ones([1] + size + [1]))
        return [ONNXValue(channelsLast: sums(map) / counts)]
    }
}
