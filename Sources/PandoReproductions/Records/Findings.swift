/// What was measured: a table of methods, and the parts of the claim.
public struct Findings: Sendable, Hashable, Codable {
    public var columns: [Column]
    public var rows: [Row]
    public var checks: [Check]

    /// What a number of the table is.
    public struct Column: Sendable, Hashable, Codable {
        public let title: String
        public let unit: Unit

        public init(_ title: String, _ unit: Unit) { (self.title, self.unit) = (title, unit) }
    }

    /// A method, and its numbers by column; `nil` where there is nothing to measure.
    public struct Row: Sendable, Hashable, Codable {
        public let method: String
        public let cells: [Sample?]

        public init(_ method: String, _ cells: [Sample?]) { (self.method, self.cells) = (method, cells) }
    }

    /// - Precondition: every row has a cell for each column.
    public init(_ columns: [Column], _ rows: [Row], _ checks: [Check]) {
        (self.columns, self.rows, self.checks) = (columns, rows, checks)
    }

    /// Whether every part of the claim holds.
    public var holds: Bool { !checks.isEmpty && checks.allSatisfy(\.holds) }
}

/// A number as each seed gave it.
public struct Sample: Sendable, Hashable, Codable {
    public let values: [Double]

    /// - Precondition: there is a value.
    public init(_ values: [Double]) { self.values = values }
    public init(_ value: Double) { self.init([value]) }

    public var mean: Double { values.reduce(0, +) / Double(values.count) }

    /// Of the values about their mean, with one degree of freedom less; 0 of a single value.
    public var deviation: Double {
        guard values.count > 1 else { return 0 }
        let mean = mean
        return (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1)).squareRoot()
    }
}

/// One part of a claim: a sentence, what was measured, and what it is held against.
public struct Check: Sendable, Hashable, Codable {
    public enum Relation: String, Sendable, Codable { case atLeast, atMost }

    public let sentence: String
    public let measured: Double
    public let relation: Relation
    public let bound: Double
    public let unit: Unit

    public init(_ sentence: String, _ measured: Double, _ relation: Relation, _ bound: Double, _ unit: Unit) {
        (self.sentence, self.measured, self.relation) = (sentence, measured, relation)
        (self.bound, self.unit) = (bound, unit)
    }

    /// By how much it holds; less than 0 if it does not.
    public var margin: Double { relation == .atLeast ? measured - bound : bound - measured }

    /// A number that is none holds nothing.
    public var holds: Bool { margin >= 0 }
}
