/// Why an ONNX model cannot be used: everything that is wrong with it, by place.
public struct ONNXError: Error, CustomStringConvertible, Sendable {
    /// One thing that is wrong.
    public struct Problem: Sendable, Hashable, CustomStringConvertible {
        /// What kind of fault it is, for callers who treat some of them apart.
        public enum Kind: String, Sendable, Hashable {
            /// The file, or a file of weights that it names, cannot be read or is no ONNX model.
            case file
            /// The model uses something that is not supported: an operator, an element type, an operator set.
            case unsupported
            /// The graph contradicts itself: names, order, attributes.
            case graph
            /// Stored values contradict their description.
            case values
            /// Shapes or element types do not fit an operator, or the inputs do not fit the model.
            case shape
        }

        public let kind: Kind
        /// The node's name, or its first output if it has none.
        public let node: String?
        /// The operator, with its domain unless that is ONNX's own.
        public let `operator`: String?
        /// The value or tensor that is meant.
        public let tensor: String?
        /// What was expected, and what was found.
        public let text: String

        init(_ kind: Kind, node: String? = nil, operator: String? = nil, tensor: String? = nil, _ text: String) {
            self.kind = kind
            self.node = node
            self.operator = `operator`
            self.tensor = tensor
            self.text = text
        }

        public var description: String {
            var place = [`operator`, node.map { "node \"\($0)\"" }].compactMap(\.self).joined(separator: " at ")
            if let tensor { place += (place.isEmpty ? "" : ", ") + "value \"\(tensor)\"" }
            return place.isEmpty ? text : "\(place): \(text)"
        }
    }

    /// The model's file.
    public let path: String
    public let problems: [Problem]

    init(path: String, _ problems: [Problem]) {
        self.path = path
        self.problems = problems
    }

    public var description: String {
        if problems.count == 1 { return "cannot use the ONNX model \(path): \(problems[0])" }
        return "cannot use the ONNX model \(path):\n" + problems.map { "  - \($0)" }.joined(separator: "\n")
    }
}
