/// One thing that a plan may say of an adapter, or of what tasks share.
public struct PlanOption<Configuration>: Sendable {
    /// How its value is written, and where it goes.
    public enum Value: Sendable {
        case integer(ClosedRange<Int>, @Sendable (inout Configuration, Int) -> Void)
        case number(ClosedRange<Double>, @Sendable (inout Configuration, Double) -> Void)
        case flag(@Sendable (inout Configuration, Bool) -> Void)
        case choice([String], @Sendable (inout Configuration, String) -> Void)
        case texts(@Sendable (inout Configuration, [String]) -> Void)
    }

    public let name: String
    /// What it does, in one line.
    public let meaning: String
    public let value: Value

    public init(_ name: String, _ meaning: String, _ value: Value) {
        (self.name, self.meaning, self.value) = (name, meaning, value)
    }
}
