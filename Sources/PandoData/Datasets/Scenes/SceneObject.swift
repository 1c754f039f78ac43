import PandoTensor

/// One figure in a scene.
public struct SceneObject: Sendable, Hashable, Codable {
    public enum Shape: String, Sendable, Codable, CaseIterable {
        case circle, square, triangle, diamond, hexagon, star, cross, ring
    }

    public enum Paint: String, Sendable, Codable, CaseIterable {
        case red, orange, yellow, green, blue, purple, pink, brown

        /// The colour that figures of this name vary about.
        var color: Color {
            switch self {
            case .red: Color(red: 214, green: 32, blue: 32)
            case .orange: Color(red: 245, green: 138, blue: 20)
            case .yellow: Color(red: 248, green: 218, blue: 30)
            case .green: Color(red: 36, green: 158, blue: 60)
            case .blue: Color(red: 36, green: 84, blue: 214)
            case .purple: Color(red: 128, green: 40, blue: 172)
            case .pink: Color(red: 250, green: 140, blue: 190)
            case .brown: Color(red: 122, green: 74, blue: 36)
            }
        }
    }

    public enum Size: String, Sendable, Codable, CaseIterable {
        case small, medium, large

        /// The name for a radius, as a share of the image's side.
        init(radius: Float) { self = radius < 0.1 ? .small : radius < 0.17 ? .medium : .large }
    }

    public var shape: Shape
    public var paint: Paint
    /// The exact colour, near the named one.
    public var color: Color
    /// The middle, as shares of the image's width and height, from the left and from the top.
    public var x, y: Float
    /// Of the circle around the figure, as a share of the image's side.
    public var radius: Float
    /// Clockwise, in radians; at most 15 degrees either way, so that a square never looks like a diamond.
    public var angle: Float

    public var size: Size { Size(radius: radius) }

    /// The box around what is drawn, in shares of the image: left, top, width, height.
    public var box: (x: Float, y: Float, width: Float, height: Float) { SceneOutline(self).box }

    /// As in "large red circle".
    public var phrase: String { "\(size.rawValue) \(paint.rawValue) \(shape.rawValue)" }
}
