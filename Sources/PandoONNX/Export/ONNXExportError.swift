/// Why a function cannot be written as an ONNX model: everything that stands in the way.
public struct ONNXExportError: Error, CustomStringConvertible, Sendable {
    /// One sentence each, naming the operation.
    public let problems: [String]

    init(_ problems: [String]) { self.problems = problems }

    init(_ problem: String) { self.init([problem]) }

    public var description: String {
        problems.count == 1
            ? "cannot be exported as ONNX: \(problems[0])"
            : "cannot be exported as ONNX:\n" + problems.map { "  - \($0)" }.joined(separator: "\n")
    }
}
