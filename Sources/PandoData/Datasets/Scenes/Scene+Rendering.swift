import Glibc
import PandoTensor

extension Scene {
    /// Draws the scene as a square image.
    ///
    /// Edges are anti-aliased: a pixel's coverage is its distance to the outline, in pixels, clamped to half a pixel.
    /// - Parameter side: in pixels.
    public func image(side: Int) -> Image {
        var image = Image(width: side, height: side, filledWith: .white)
        draw(background, on: &image)
        for object in objects { draw(object, on: &image) }
        return image
    }

    private func draw(_ background: Background, on image: inout Image) {
        var generator = SeededGenerator(seed: seed)
        let (right, down) = (cosf(background.angle), sinf(background.angle))
        for y in 0..<image.height {
            for x in 0..<image.width {
                let (u, v) = ((Float(x) + 0.5) / Float(image.width), (Float(y) + 0.5) / Float(image.height))
                let share: Float
                switch background.pattern {
                case .plain: share = 0
                case .gradient: share = 0.5 + ((u - 0.5) * right + (v - 0.5) * down) / 1.42
                case .stripes: share = isOdd((u * right + v * down) / background.period) ? 1 : 0
                case .checks: share = isOdd(u / background.period) != isOdd(v / background.period) ? 1 : 0
                }
                let color = background.first.blended(with: background.second, coverage: share)
                let bits = generator.next()
                func noisy(_ value: UInt8, _ shift: UInt64) -> UInt8 {
                    let spread = Float((bits >> shift) & 0xFFFF) / 65535 - 0.5
                    return UInt8(min(max(Float(value) + 2 * background.noise * spread, 0), 255).rounded())
                }
                image[x, y] = Color(
                    red: noisy(color.red, 0), green: noisy(color.green, 16), blue: noisy(color.blue, 32))
            }
        }
    }

    private func isOdd(_ value: Float) -> Bool { Int(value.rounded(.down)) & 1 != 0 }

    private func draw(_ object: SceneObject, on image: inout Image) {
        let outline = SceneOutline(object)
        let side = Float(image.width)
        let box = outline.box
        /// The pixels that a stretch touches, and one more at each end for the soft edge.
        func pixels(_ start: Float, _ length: Float, of count: Int) -> Range<Int> {
            let first = min(max(Int(start * side) - 1, 0), count)
            return first..<max(first, min(Int((start + length) * side) + 2, count))
        }
        for y in pixels(box.y, box.height, of: image.height) {
            for x in pixels(box.x, box.width, of: image.width) {
                let distance = outline.distance((Float(x) + 0.5) / side, (Float(y) + 0.5) / side) * side
                if distance < 0.5 {
                    image[x, y] = image[x, y].blended(with: object.color, coverage: 0.5 - distance)
                }
            }
        }
    }
}
