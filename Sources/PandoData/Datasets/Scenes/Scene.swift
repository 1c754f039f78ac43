import PandoTensor

/// A drawn scene, as data: a background and figures on it, each with its ground truth.
public struct Scene: Sendable, Hashable, Codable {
    /// What lies behind the figures: pale, so that every paint stands out.
    public struct Background: Sendable, Hashable, Codable {
        public enum Pattern: String, Sendable, Codable, CaseIterable { case plain, gradient, stripes, checks }

        public var pattern: Pattern
        public var first, second: Color
        /// Width of a stripe or a check, as a share of the image's side.
        public var period: Float
        /// Direction of the gradient or the stripes, in radians.
        public var angle: Float
        /// Spread of the noise on each channel, 0...255.
        public var noise: Float
    }

    public var background: Background
    /// From the back to the front: later ones cover earlier ones. The largest is `largest`; no other has its radius.
    public var objects: [SceneObject]
    /// For the noise.
    public var seed: UInt64

    /// The figure with the greatest radius.
    public var largest: SceneObject { objects.max { $0.radius < $1.radius }! }

    /// The figure with the second greatest radius.
    public var second: SceneObject? {
        objects.count < 2 ? nil : objects.sorted { $0.radius > $1.radius }[1]
    }

    /// Which of the four triangles between the image's diagonals the largest figure's middle lies in.
    public var position: String {
        let (right, down) = (largest.x - 0.5, largest.y - 0.5)
        return abs(right) > abs(down) ? (right < 0 ? "left" : "right") : (down < 0 ? "top" : "bottom")
    }

    /// As in "a large red circle left of a small blue square".
    public var caption: String {
        guard let second else { return "a \(largest.phrase)" }
        let (right, down) = (largest.x - second.x, largest.y - second.y)
        let relation =
            abs(right) > abs(down) ? (right < 0 ? "left of" : "right of") : (down < 0 ? "above" : "below")
        return "a \(largest.phrase) \(relation) a \(second.phrase)"
    }

    /// Labels for the tasks that one can learn from scenes.
    public var labels: [String: Label] {
        let names = Set(objects.flatMap { [$0.paint.rawValue, $0.shape.rawValue] })
        return [
            "shape": .category(largest.shape.rawValue), "color": .category(largest.paint.rawValue),
            "objects": .categories(names.sorted()), "count": .number(Double(objects.count)),
            "position": .category(position), "caption": .text(caption),
        ]
    }

    // MARK: - Making one

    /// A scene that `generator` decides: one to six figures, the largest well off the diagonals.
    init(using generator: inout SeededGenerator) {
        background = Background(using: &generator)
        var figures = [Self.largestObject(using: &generator)]
        for _ in 1..<Int.random(in: 1...6, using: &generator) {
            if let figure = Self.object(beside: figures, using: &generator) { figures.append(figure) }
        }
        figures.shuffle(using: &generator)
        objects = figures
        seed = generator.next()
    }

    private static func largestObject(using generator: inout SeededGenerator) -> SceneObject {
        while true {
            let radius = Float.random(in: 0.12...0.26, using: &generator)
            let object = object(radius: radius, using: &generator)
            let (right, down) = (abs(object.x - 0.5), abs(object.y - 0.5))
            // Well inside one of the four triangles, so that its name is not a matter of pixels.
            if max(right, down) > 0.08 && abs(right - down) > 0.05 { return object }
        }
    }

    /// A smaller figure that leaves most of each other one visible; nil when no place was found.
    private static func object(
        beside others: [SceneObject], using generator: inout SeededGenerator
    ) -> SceneObject? {
        let limit = min(0.2, others[0].radius * 0.8)
        let radius = Float.random(in: 0.06...limit, using: &generator)
        for _ in 0..<20 {
            let object = object(radius: radius, using: &generator)
            let isFree = others.allSatisfy { other in
                let (right, down) = (object.x - other.x, object.y - other.y)
                let room = 0.9 * (object.radius + other.radius)
                return right * right + down * down > room * room && other.radius != radius
            }
            if isFree { return object }
        }
        return nil
    }

    private static func object(radius: Float, using generator: inout SeededGenerator) -> SceneObject {
        let paint = SceneObject.Paint.allCases.randomElement(using: &generator)!
        func near(_ value: UInt8) -> UInt8 {
            UInt8(min(max(Int(value) + Int.random(in: -14...14, using: &generator), 0), 255))
        }
        let room = radius + 0.01
        return SceneObject(
            shape: SceneObject.Shape.allCases.randomElement(using: &generator)!, paint: paint,
            color: Color(red: near(paint.color.red), green: near(paint.color.green), blue: near(paint.color.blue)),
            x: Float.random(in: room...1 - room, using: &generator),
            y: Float.random(in: room...1 - room, using: &generator), radius: radius,
            angle: Float.random(in: -0.26...0.26, using: &generator))
    }
}

extension Scene.Background {
    init(using generator: inout SeededGenerator) {
        func pale() -> Color {
            Color(
                red: .random(in: 185...250, using: &generator), green: .random(in: 185...250, using: &generator),
                blue: .random(in: 185...250, using: &generator))
        }
        pattern = Pattern.allCases.randomElement(using: &generator)!
        first = pale()
        second = pale()
        period = .random(in: 0.05...0.2, using: &generator)
        angle = .random(in: 0...Float.pi, using: &generator)
        noise = .random(in: 0...12, using: &generator)
    }
}
