import PandoTensor

/// Images of figures, drawn on demand from a seed: data that every machine has.
///
/// | column | what |
/// |---|---|
/// | `shape`, `color` | class: of the largest figure |
/// | `objects` | list of classes: the colours and the shapes there are |
/// | `count` | number: of figures, 1...6 |
/// | `position` | class: left, right, top or bottom; where the largest figure is |
/// | `caption` | text: "a large red circle left of a small blue square", the two largest |
///
/// Scene `i` of a seed is always the same, however many there are. Splits follow `SplitRule`.
public struct Scenes: Sendable, Hashable, Codable {
    public var seed: UInt64
    public var count: Int
    /// Width and height of each image, in pixels.
    public var side: Int

    /// - Precondition: `count` is positive, `side` at least 32.
    public init(seed: UInt64 = 1, count: Int = 2000, side: Int = 160) {
        require(count > 0 && side >= 32, "Scenes: expected count > 0 and side >= 32, got \(count), \(side)")
        self.seed = seed
        self.count = count
        self.side = side
    }

    public func scene(_ index: Int) -> Scene {
        var generator = SeededGenerator(seed: seed).split("scene \(index)")
        return Scene(using: &generator)
    }

    public func dataset() -> Dataset {
        let examples = (0..<count).map { index in
            let scene = scene(index)
            let digits = String(index)
            let id = "scene-" + String(repeating: "0", count: max(0, 6 - digits.count)) + digits
            return Example(
                id: id, split: SplitRule.split(of: id),
                // The first word changes when the drawing does.
                image: .rendered(key: "scenes-1/\(seed)/\(side)/\(index)") { [side] in scene.image(side: side) },
                labels: scene.labels)
        }
        return Dataset(name: "scenes", examples: examples)
    }
}
