/// Where each value of a program stands in one block of memory, so that values that never live together share bytes.
struct Arena {
    private(set) var byteCount = 0
    private var placed: [(start: Int, bytes: Int, life: ClosedRange<Int>)] = []

    static let alignment = 64

    /// The lowest place that is free during `life`, a range of steps.
    mutating func place(_ bytes: Int, during life: ClosedRange<Int>) -> Int {
        let bytes = max((bytes + Self.alignment - 1) / Self.alignment, 1) * Self.alignment
        var start = 0
        for neighbour in placed.filter({ $0.life.overlaps(life) }).sorted(by: { $0.start < $1.start }) {
            if start + bytes <= neighbour.start { break }
            start = max(start, neighbour.start + neighbour.bytes)
        }
        placed.append((start, bytes, life))
        byteCount = max(byteCount, start + bytes)
        return start
    }

    /// Keeps the bytes at `start` taken until `end` too, for a value that replaces another in place at step `now`.
    mutating func extend(_ start: Int, from now: Int, to end: Int) {
        for index in placed.indices where placed[index].start == start && placed[index].life.contains(now) {
            placed[index].life = placed[index].life.lowerBound...max(placed[index].life.upperBound, end)
        }
    }
}
