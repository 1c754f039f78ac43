/// Why a matrix has no such decomposition, solution or inverse.
public struct LinearAlgebraError: Error, Hashable, CustomStringConvertible {
    public enum Reason: Hashable, Sendable {
        case singular
        case notPositiveDefinite
        /// It holds elements that are infinite or not numbers.
        case notFinite
        /// The iteration came to no end.
        case notConverged
    }

    /// What was asked for.
    public let operation: String
    public let reason: Reason
    /// Which matrix of a batch, counted row by row over the leading axes.
    public let matrix: Int
    public let shape: [Int]

    public var description: String {
        let why =
            switch reason {
            case .singular: "is singular"
            case .notPositiveDefinite: "is not positive definite"
            case .notFinite: "holds elements that are infinite or not numbers"
            case .notConverged: "led to no end of the iteration"
            }
        return "\(operation): matrix \(matrix) of shape \(shape) \(why)"
    }
}
