import Foundation

/// Where numbers stand along a side of a plot, and which of them are written there.
struct PlotAxis {
    let title: String
    /// Numbers with a mark, and what is written beside it.
    let ticks: [(value: Double, text: String)]
    /// From 0 to 1 along the axis.
    private let lowest, highest: Double
    private let isLogarithmic: Bool
    /// What stands for zero on a logarithmic axis, a decade below the smallest number.
    private let zero: Double?

    /// Evenly spaced numbers.
    init(linear values: [Double], _ title: String) {
        let (low, high) = (values.min() ?? 0, values.max() ?? 1)
        let step = Self.step(max(high - low, 0.04) / 4)
        let alike: Double = high - low < step ? 1 : 0
        let (first, last) = ((low / step).rounded(.down) - alike, (high / step).rounded(.up) + alike)
        let digits = max(0, Int((-log10(step)).rounded(.up)))
        self.title = title
        (lowest, highest) = (first * step, last * step)
        ticks = (Int(first)...Int(last)).map { (Double($0) * step, String(format: "%.\(digits)f", Double($0) * step)) }
        (isLogarithmic, zero) = (false, nil)
    }

    /// Logarithms of numbers that are not negative; zero stands apart on the left.
    init(logarithmic values: [Double], _ title: String, text: (Double) -> String) {
        let positive = values.filter { $0 > 0 }
        let (low, high) = (positive.min() ?? 1, positive.max() ?? 1)
        var marks: [Double] = []
        let decades = Int(log10(low).rounded(.down))...Int(log10(high).rounded(.up))
        let factors: [Double] = decades.count > 4 ? [1] : decades.count > 2 ? [1, 3] : [1, 2, 5]
        for decade in decades { marks += factors.map { $0 * pow(10, Double(decade)) } }
        let start = marks.last { $0 <= low } ?? low
        let end = marks.first { $0 >= high && $0 > start } ?? start * 10
        let inside = marks.filter { (start...end).contains($0) }
        zero = positive.count < values.count ? start / 10 : nil
        self.title = title
        (lowest, highest, isLogarithmic) = (log10(zero ?? start), log10(end), true)
        ticks = (zero == nil ? [] : [(0, "0")]) + inside.map { ($0, text($0)) }
    }

    /// The place of a number, 0 to 1.
    func place(of value: Double) -> Double {
        let value = isLogarithmic ? log10(value > 0 ? value : zero ?? 1) : value
        return (value - lowest) / (highest - lowest)
    }

    /// 1, 2 or 5 times a power of ten, at least as large.
    private static func step(_ least: Double) -> Double {
        let power = pow(10, log10(least).rounded(.down))
        return [1, 2, 5, 10].map { $0 * power }.first { $0 >= least * 0.999 } ?? power
    }
}
