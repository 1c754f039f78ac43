/// Collects what sizes contradict, for `BackboneConfiguration.problems`.
struct SizeCheck {
    private(set) var problems: [String] = []

    /// Every one of `values` is to lie in `range`.
    mutating func check(_ name: String, _ values: [Int], in range: ClosedRange<Int>) {
        for value in values where !range.contains(value) {
            problems.append("\(name): \(value) is outside \(range.lowerBound)...\(range.upperBound)")
            return
        }
    }

    mutating func expect(_ condition: Bool, _ problem: @autoclosure () -> String) {
        if !condition { problems.append(problem()) }
    }
}
