import Glibc

/// A figure's outline: how far any point is from it.
///
/// Circle and ring by their radii, the others as polygons. Units are shares of the image's side.
struct SceneOutline {
    private let x, y, radius: Float
    /// Inner radius of a ring.
    private let hole: Float?
    /// Corners of a polygon, about (0, 0); empty for circle and ring.
    private let corners: [SIMD2<Float>]

    init(_ object: SceneObject) {
        (x, y, radius) = (object.x, object.y, object.radius)
        hole = object.shape == .ring ? object.radius * 0.55 : nil
        corners = Self.unitCorners(object.shape).map { corner in
            let (sine, cosine) = (sinf(object.angle), cosf(object.angle))
            return object.radius
                * SIMD2(corner.x * cosine - corner.y * sine, corner.x * sine + corner.y * cosine)
        }
    }

    /// The box around the figure: left, top, width, height.
    var box: (x: Float, y: Float, width: Float, height: Float) {
        guard !corners.isEmpty else { return (x - radius, y - radius, 2 * radius, 2 * radius) }
        let (across, down) = (corners.map(\.x), corners.map(\.y))
        let (left, top) = (across.min()!, down.min()!)
        return (x + left, y + top, across.max()! - left, down.max()! - top)
    }

    /// Distance from the point to the outline, negative inside.
    func distance(_ pointX: Float, _ pointY: Float) -> Float {
        let point = SIMD2(pointX - x, pointY - y)
        guard corners.isEmpty else { return polygonDistance(point) }
        let length = (point * point).sum().squareRoot()
        return hole.map { max(length - radius, $0 - length) } ?? (length - radius)
    }

    /// The least distance to an edge; a point is inside when a ray to the right crosses the edges an odd number of
    /// times.
    private func polygonDistance(_ point: SIMD2<Float>) -> Float {
        var nearest = Float.infinity
        var isInside = false
        var previous = corners[corners.count - 1]
        for corner in corners {
            let edge = corner - previous
            let offset = point - previous
            let along = min(max((edge * offset).sum() / (edge * edge).sum(), 0), 1)
            let gap = offset - edge * along
            nearest = min(nearest, (gap * gap).sum())
            if (previous.y > point.y) != (corner.y > point.y),
                point.x < previous.x + edge.x * (point.y - previous.y) / edge.y
            {
                isInside.toggle()
            }
            previous = corner
        }
        return isInside ? -nearest.squareRoot() : nearest.squareRoot()
    }

    /// Corners on or in the unit circle, y downwards.
    private static func unitCorners(_ shape: SceneObject.Shape) -> [SIMD2<Float>] {
        func regular(_ count: Int, from start: Float, radius: (Int) -> Float = { _ in 1 }) -> [SIMD2<Float>] {
            (0..<count).map { index in
                let turn = start + 2 * .pi * Float(index) / Float(count)
                return radius(index) * SIMD2(cosf(turn), sinf(turn))
            }
        }
        switch shape {
        case .circle, .ring: return []
        case .square: return regular(4, from: .pi / 4)
        case .triangle: return regular(3, from: -.pi / 2)
        case .diamond: return [SIMD2(0, -1), SIMD2(0.62, 0), SIMD2(0, 1), SIMD2(-0.62, 0)]
        case .hexagon: return regular(6, from: 0)
        case .star: return regular(10, from: -.pi / 2) { $0 % 2 == 0 ? 1 : 0.42 }
        case .cross:
            let (arm, tip): (Float, Float) = (0.3, 0.95)
            return [
                SIMD2(-arm, -tip), SIMD2(arm, -tip), SIMD2(arm, -arm), SIMD2(tip, -arm), SIMD2(tip, arm),
                SIMD2(arm, arm), SIMD2(arm, tip), SIMD2(-arm, tip), SIMD2(-arm, arm), SIMD2(-tip, arm),
                SIMD2(-tip, -arm), SIMD2(-arm, -arm),
            ]
        }
    }
}
