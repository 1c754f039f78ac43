import Foundation
import PandoTensor

extension OperatorTable {
    /// Maps brought to other sizes. What PyTorch's `interpolate` does goes its way, everything else as a product with
    /// a matrix of weights along each axis.
    static func resize(_ call: OperatorCall) throws -> [ONNXValue] {
        let value = try call.floats(0)
        let shape = value.shape
        let axes = try call.axes(call.node.integers("axes") ?? Array(0..<value.rank), rank: value.rank)
        var (target, scales) = (shape, [Double](repeating: 1, count: value.rank))
        if let sizes = try call.optionalIntegers(3), !sizes.isEmpty {
            try call.expect(sizes.count == axes.count && sizes.allSatisfy { $0 >= 0 }, "sizes \(sizes) for axes \(axes)")
            try keepingAspect(call, shape, axes, sizes, &target, &scales)
        } else if let given = call.optional(2), given.stored.elementCount > 0 {
            try call.expectKnown(given)
            try call.expect(given.kind == .float, "the scales are \(given.kind.name)")
            let factors = given.tensor.reshaped(-1).scalars()
            try call.expect(
                factors.count == axes.count && factors.allSatisfy { $0 > 0 && $0 < 0x1p20 }, "scales \(factors) for axes \(axes)")
            for (axis, factor) in Swift.zip(axes, factors) {
                scales[axis] = Double(factor)
                target[axis] = Int((Double(shape[axis]) * Double(factor) + 1e-6).rounded(.down))
            }
        } else {
            throw call.fault("neither sizes nor scales are given", .graph)
        }
        try call.expectRoom(target)
        try call.expect(!shape.contains(0) && !target.contains(0), "\(shape) to \(target) leaves nothing")
        let plan = try ResizePlan(call, isAlone: axes.filter { target[$0] != shape[$0] })
        let changed = (0..<value.rank).filter { target[$0] != shape[$0] || scales[$0] != 1 || plan.isCrop }
        if changed.isEmpty { return [value] }
        if let interpolation = plan.interpolation, value.rank >= 3, value.rank <= 5, changed.allSatisfy({ $0 >= 2 }),
            changed.allSatisfy({ scales[$0] == Double(target[$0]) / Double(shape[$0]) })
        {
            return [
                ONNXValue(
                    channelsLast: value.channelsLast.resized(
                        to: Array(target[2...]), by: interpolation, aligningCorners: plan.alignsCorners,
                        antialiased: plan.isAntialiased))
            ]
        }
        let compact = value.compact
        var tensor = compact.stored
        let regions = plan.isCrop ? try call.floats(1).tensor.reshaped(-1).scalars() : []
        for axis in changed {
            var region = (start: 0.0, end: 1.0)
            if plan.isCrop, let place = axes.firstIndex(of: axis) {
                try call.expect(regions.count == 2 * axes.count, "roi has \(regions.count) numbers for axes \(axes)")
                region = (Double(regions[place]), Double(regions[place + axes.count]))
                try call.expect(
                    abs(region.start) < 0x1p20 && abs(region.end) < 0x1p20, "roi \(regions) lies far outside of the map")
            }
            let weights = try plan.weights(
                call, from: shape[axis], to: target[axis], scale: scales[axis], region: region)
            let place = compact.place(of: axis)
            let matrix = Tensor(weights, shape: [target[axis], shape[axis]])
            // The axis last, multiplied, and back.
            let last = tensor.rank - 1
            tensor = place == last ? linear(tensor, weight: matrix)
                : linear(tensor.swapping(place, last), weight: matrix).swapping(place, last)
            if let outside = plan.outside(from: shape[axis], to: target[axis], scale: scales[axis], region: region) {
                var mask = [Int](repeating: 1, count: tensor.rank)
                mask[place] = target[axis]
                tensor = tensor.filled(with: plan.extrapolation, where: Tensor(outside, shape: mask))
            }
        }
        return [compact.with(tensor)]
    }

    /// Sizes that are asked for, or nearest to them with one scale for all.
    private static func keepingAspect(
        _ call: OperatorCall, _ shape: [Int], _ axes: [Int], _ sizes: [Int], _ target: inout [Int], _ scales: inout [Double]
    ) throws {
        let ratios = Swift.zip(axes, sizes).map { Double($1) / Double(max(shape[$0], 1)) }
        let policy = try call.node.string("keep_aspect_ratio_policy", default: "stretch")
        for (place, axis) in axes.enumerated() {
            switch policy {
            case "stretch": (target[axis], scales[axis]) = (sizes[place], ratios[place])
            case "not_larger", "not_smaller":
                let scale = (policy == "not_larger" ? ratios.min() : ratios.max()) ?? 1
                try call.expect(scale < 0x1p20, "sizes \(sizes) of shape \(shape)")
                target[axis] = Int((Double(shape[axis]) * scale).rounded())
                scales[axis] = scale
            default: throw call.fault("keep_aspect_ratio_policy \"\(policy)\" is not known", .graph)
            }
        }
    }
}

/// How pixels of a resized map are found.
private struct ResizePlan {
    let mode: String
    let transformation: String
    let rounding: String
    let cubic: Double
    let excludesOutside: Bool
    let isAntialiased: Bool
    let extrapolation: Float

    var alignsCorners: Bool { transformation == "align_corners" }
    var isCrop: Bool { transformation == "tf_crop_and_resize" }

    init(_ call: OperatorCall, isAlone axes: [Int]) throws {
        mode = try call.node.string("mode", default: "nearest")
        transformation = try call.node.string("coordinate_transformation_mode", default: "half_pixel")
        rounding = try call.node.string("nearest_mode", default: "round_prefer_floor")
        cubic = Double(try call.node.float("cubic_coeff_a", default: -0.75))
        excludesOutside = try call.node.flag("exclude_outside")
        isAntialiased = try call.node.flag("antialias")
        extrapolation = try call.node.float("extrapolation_value", default: 0)
        try call.expect(
            ["nearest", "linear", "cubic"].contains(mode)
                && [
                    "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric",
                    "tf_crop_and_resize",
                ].contains(transformation)
                && ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"].contains(rounding),
            "mode \(mode), transformation \(transformation) or rounding \(rounding) is not known")
    }

    /// PyTorch's function that does the same, if there is one.
    var interpolation: Interpolation? {
        switch (mode, transformation) {
        case ("nearest", "asymmetric") where rounding == "floor": .nearest
        case ("linear", "half_pixel") where !isAntialiased, ("linear", "align_corners") where !isAntialiased: .linear
        case ("cubic", "half_pixel") where !excludesOutside && cubic == -0.75 && !isAntialiased: .cubic
        default: nil
        }
    }

    private func position(_ output: Int, _ size: Int, _ target: Int, _ scale: Double, _ region: (start: Double, end: Double))
        -> Double
    {
        let x = Double(output)
        switch transformation {
        case "asymmetric": return x / scale
        case "align_corners":
            let whole = Double(size) * scale
            return whole > 1 ? x * Double(size - 1) / (whole - 1) : 0
        case "pytorch_half_pixel": return target > 1 ? (x + 0.5) / scale - 0.5 : 0
        case "half_pixel_symmetric":
            let adjustment = Double(target) / (scale * Double(size))
            return Double(size) / 2 * (1 - adjustment) + (x + 0.5) / scale - 0.5
        case "tf_crop_and_resize":
            return target > 1
                ? region.start * Double(size - 1) + x * (region.end - region.start) * Double(size - 1) / Double(target - 1)
                : 0.5 * (region.start + region.end) * Double(size - 1)
        default: return (x + 0.5) / scale - 0.5
        }
    }

    /// Which outputs lie outside of the map; `nil` if that makes no difference.
    func outside(from size: Int, to target: Int, scale: Double, region: (start: Double, end: Double)) -> [Bool]? {
        guard isCrop else { return nil }
        return (0..<target).map {
            let x = position($0, size, target, scale, region)
            return x < 0 || x > Double(size - 1)
        }
    }

    /// A row of weights for each output.
    func weights(
        _ call: OperatorCall, from size: Int, to target: Int, scale: Double, region: (start: Double, end: Double)
    ) throws -> [Float] {
        try call.expect(
            TensorReader.count([size, target], limit: 1 << 26) != nil, "\(size) pixels to \(target) needs too many weights")
        var matrix = [Float](repeating: 0, count: size * target)
        for output in 0..<target {
            let x = position(output, size, target, scale, region)
            var taps: [(pixel: Int, weight: Double)] = []
            switch mode {
            case "nearest":
                let nearest: Double =
                    switch rounding {
                    case "floor": x.rounded(.down)
                    case "ceil": x.rounded(.up)
                    case "round_prefer_ceil": (x + 0.5).rounded(.down)
                    default: (x - 0.5).rounded(.up)
                    }
                taps = [(Int(min(max(nearest, 0), Double(size - 1))), 1)]
            default:
                // Antialiased, a smaller map's pixel covers several.
                let spread = isAntialiased ? max(1, 1 / scale) : 1
                let reach = (mode == "linear" ? 1 : 2) * spread
                let (first, last) = (Int((x - reach).rounded(.down)), Int((x + reach).rounded(.up)))
                for pixel in first...last {
                    let distance = abs(Double(pixel) - x) / spread
                    let weight = mode == "linear" ? max(1 - distance, 0) : keys(distance)
                    if weight != 0 { taps.append((pixel, weight)) }
                }
                if excludesOutside || isAntialiased {
                    if excludesOutside { taps = taps.filter { (0..<size).contains($0.pixel) } }
                    let sum = taps.reduce(0) { $0 + $1.weight }
                    taps = taps.map { ($0.pixel, sum == 0 ? 0 : $0.weight / sum) }
                }
            }
            for tap in taps { matrix[output * size + min(max(tap.pixel, 0), size - 1)] += Float(tap.weight) }
        }
        return matrix
    }

    /// Keys's kernel at `x`.
    private func keys(_ x: Double) -> Double {
        if x <= 1 { return ((cubic + 2) * x - (cubic + 3)) * x * x + 1 }
        return x < 2 ? (((x - 5) * x + 8) * x - 4) * cubic : 0
    }
}
