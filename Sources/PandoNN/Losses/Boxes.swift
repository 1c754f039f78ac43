import PandoTensor

/// How well two boxes overlap.
///
/// Boxes are corners `[x₁, y₁, x₂, y₂]` with `x₁ < x₂` and `y₁ < y₂`, in any unit.
public enum BoxOverlap: Sendable, Hashable, CaseIterable {
    /// Intersection over union.
    case iou
    /// Less the share of the enclosing box that neither covers (Rezatofighi et al. 2019, arXiv:1902.09630).
    case generalized
    /// Less the squared distance of the centres over the enclosing box's squared diagonal (Zheng et al. 2020,
    /// arXiv:1911.08287, equation 7).
    case distance
    /// Less also a measure of how the aspect ratios differ (same, equation 10).
    case complete
}

/// One less the overlap of each predicted box with its target, averaged.
///
/// - Shapes: `predictions`, `targets` `[N, 4]` → scalar.
/// - Source: `BoxOverlap`; torchvision's losses, with their 1e-7 added to denominators. As there, the weight of the
///   aspect ratio is a constant.
public func boxLoss(_ predictions: Tensor, _ targets: Tensor, _ overlap: BoxOverlap = .generalized) -> Tensor {
    require(
        predictions.rank == 2 && predictions.shape == targets.shape && predictions.shape[1] == 4,
        "box loss: predictions \(predictions.shape), targets \(targets.shape), expected [N, 4]")
    let (first, second) = (Corners(predictions), Corners(targets))
    let common = Corners.intersection(first, second)
    let intersection = common.width.relu() * common.height.relu()
    let union = first.area + second.area - intersection
    let iou = intersection / (union + epsilon)
    if overlap == .iou { return 1 - iou.mean() }
    let hull = Corners.hull(first, second)
    if overlap == .generalized { return 1 - (iou - (hull.area - union) / (hull.area + epsilon)).mean() }
    let diagonal = hull.width.squared() + hull.height.squared() + epsilon
    let shift = (first.x1 + first.x2 - second.x1 - second.x2, first.y1 + first.y2 - second.y1 - second.y2)
    let near = 1 - iou + (shift.0.squared() + shift.1.squared()) * 0.25 / diagonal
    if overlap == .distance { return near.mean() }
    let angle = (second.width / second.height).arctangent() - (first.width / first.height).arctangent()
    let ratio = angle.squared() * (4 / (Float.pi * Float.pi))
    let weight = (ratio / (1 - iou + ratio + epsilon)).detached
    return (near + weight * ratio).mean()
}

private let epsilon: Float = 1e-7

/// The edges of boxes, each `[N]`.
private struct Corners {
    let x1, y1, x2, y2: Tensor

    init(_ boxes: Tensor) {
        let edges = (0..<4).map { boxes.slice($0..<$0 + 1, along: 1).reshaped(-1) }
        (x1, y1, x2, y2) = (edges[0], edges[1], edges[2], edges[3])
    }

    private init(x1: Tensor, y1: Tensor, x2: Tensor, y2: Tensor) {
        (self.x1, self.y1, self.x2, self.y2) = (x1, y1, x2, y2)
    }

    static func intersection(_ a: Corners, _ b: Corners) -> Corners {
        Corners(
            x1: .maximum(a.x1, b.x1), y1: .maximum(a.y1, b.y1), x2: .minimum(a.x2, b.x2), y2: .minimum(a.y2, b.y2))
    }

    static func hull(_ a: Corners, _ b: Corners) -> Corners {
        Corners(
            x1: .minimum(a.x1, b.x1), y1: .minimum(a.y1, b.y1), x2: .maximum(a.x2, b.x2), y2: .maximum(a.y2, b.y2))
    }

    var width: Tensor { x2 - x1 }
    var height: Tensor { y2 - y1 }
    var area: Tensor { width * height }
}
