/// Names beside points, so that none covers another or a point, as far as there is room.
struct PlotLabels {
    struct Box: Equatable {
        let left, top, right, bottom: Double

        /// How much of another box this one covers.
        func overlap(_ other: Box) -> Double {
            max(0, min(right, other.right) - max(left, other.left)) * max(0, min(bottom, other.bottom) - max(top, other.top))
        }

        var area: Double { (right - left) * (bottom - top) }

        /// The point of it that is nearest to another one.
        func nearest(to point: (x: Double, y: Double)) -> (x: Double, y: Double) {
            (min(max(point.x, left), right), min(max(point.y, top), bottom))
        }
    }

    private let area: Box
    private var taken: [Box]

    /// About the width of a letter, and the height of a line, at 12 pixels.
    private static let letter = (width: 6.6, height: 13.0)

    init(area: Box, avoiding points: [(x: Double, y: Double)]) {
        self.area = area
        taken = points.map { Box(left: $0.x - 6, top: $0.y - 6, right: $0.x + 6, bottom: $0.y + 6) }
    }

    /// The first of the places around a point that is free, or the least covered one.
    mutating func place(_ name: String, beside point: (x: Double, y: Double)) -> Box {
        let (width, height) = (Double(name.count) * Self.letter.width, Self.letter.height)
        var best: (box: Box, cost: Double)?
        for distance in [0.0, 12, 24, 36, 48] {
            for (across, up) in [(1.0, 0.0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)] {
                let left = point.x + across * (9 + distance / 2) - (across < 0 ? width : across == 0 ? width / 2 : 0)
                let middle = point.y - up * (13 + distance)
                let box = Box(left: left, top: middle - height / 2, right: left + width, bottom: middle + height / 2)
                let cost = taken.reduce(box.area - box.overlap(area)) { $0 + $1.overlap(box) }
                if cost < best?.cost ?? .infinity { best = (box, cost) }
            }
            if best?.cost == 0 { break }
        }
        let box = best?.box ?? Box(left: point.x, top: point.y, right: point.x, bottom: point.y)
        taken.append(box)
        return box
    }
}
