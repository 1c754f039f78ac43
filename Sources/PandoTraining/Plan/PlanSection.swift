import Yams

/// Gathers what is wrong with a plan while it is read on.
final class PlanProblems {
    private(set) var all: [PlanError.Problem] = []

    func add(_ path: String, _ node: Node?, _ message: String) {
        all.append(PlanError.Problem(path: path, line: node?.mark?.line, message: message))
    }
}

/// One mapping of a plan file, read strictly: what no reader asked for is a problem, and so is a value of another
/// kind than asked for. Each reader returns a usable value even so, so that reading goes on to the next problem.
final class PlanSection {
    let path: String
    let node: Node
    let problems: PlanProblems
    /// Keys and values in the order of the file.
    private let entries: [(key: String, keyNode: Node, value: Node)]
    private var known: [String] = []

    /// `nil`, and a problem, if `node` is not a mapping with plain keys.
    init?(_ node: Node, at path: String, problems: PlanProblems) {
        guard let mapping = node.mapping else {
            problems.add(path, node, "expected a mapping of keys and values, found \(node.kindInWords)")
            return nil
        }
        var entries: [(String, Node, Node)] = []
        for (keyNode, value) in mapping {
            guard let key = keyNode.scalar?.string else {
                problems.add(path, keyNode, "expected a plain key, found \(keyNode.kindInWords)")
                continue
            }
            entries.append((key, keyNode, value))
        }
        self.entries = entries
        self.node = node
        self.path = path
        self.problems = problems
    }

    /// The keys in the file, in its order.
    var keys: [String] { entries.map(\.key) }

    func path(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    /// The value under `key`, which is known from here on; `nil` if it is not there.
    func value(_ key: String) -> Node? {
        known.append(key)
        return entries.first { $0.key == key }?.value
    }

    func has(_ key: String) -> Bool { entries.contains { $0.key == key } }

    func problem(_ key: String?, _ message: String) {
        let at = key.flatMap { key in entries.first { $0.key == key }?.value } ?? node
        problems.add(key.map(path(of:)) ?? path, at, message)
    }

    /// Reports every key that no reader asked for. Call it when everything is read.
    func finish() {
        for entry in entries where !known.contains(entry.key) {
            problems.add(
                path(of: entry.key), entry.keyNode,
                "unknown key" + Suggestion.hint(for: entry.key, among: known.sorted()))
        }
    }

    // MARK: Values

    func section(_ key: String, required: Bool = false) -> PlanSection? {
        guard let value = value(key) else {
            if required { problem(nil, "'\(key)' is missing") }
            return nil
        }
        return PlanSection(value, at: path(of: key), problems: problems)
    }

    /// A non-empty text; numbers and truth values count as their text.
    func text(_ key: String, required: Bool = false) -> String? {
        guard let value = value(key) else {
            if required { problem(nil, "'\(key)' is missing") }
            return nil
        }
        guard let text = value.plainText, !text.isEmpty else {
            problem(key, "expected a text, found \(value.kindInWords)")
            return nil
        }
        return text
    }

    func integer(_ key: String, default fallback: Int, in range: ClosedRange<Int>) -> Int {
        optionalInteger(key, in: range) ?? fallback
    }

    func optionalInteger(_ key: String, in range: ClosedRange<Int>) -> Int? {
        guard let value = value(key) else { return nil }
        guard let text = value.unquotedText, let number = Int(text) else {
            problem(key, "expected a whole number, found \(value.kindInWords)")
            return nil
        }
        guard range.contains(number) else {
            problem(key, "expected a whole number \(range.inWords), found \(number)")
            return nil
        }
        return number
    }

    func number(_ key: String, default fallback: Double, in range: ClosedRange<Double>) -> Double {
        guard let value = value(key) else { return fallback }
        guard let text = value.unquotedText, let number = value.scalar.flatMap(Double.construct(from:)) ?? Double(text) else {
            problem(key, "expected a number, found \(value.kindInWords)")
            return fallback
        }
        guard number.isFinite, range.contains(number) else {
            problem(key, "expected a number \(range.inWords), found \(text)")
            return fallback
        }
        return number
    }

    /// `true` or `false`.
    func flag(_ key: String, default fallback: Bool) -> Bool {
        guard let value = value(key) else { return fallback }
        guard let text = value.unquotedText, let flag = value.scalar.flatMap(Bool.construct(from:)) ?? Bool(text) else {
            problem(key, "expected true or false, found \(value.kindInWords)")
            return fallback
        }
        return flag
    }

    func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ key: String, default fallback: Choice, required: Bool = false
    ) -> Choice {
        guard let text = text(key, required: required) else { return fallback }
        return choice(text, key: key) ?? fallback
    }

    /// The choice that `text`, found under `key`, names; `nil` and a problem if it names none.
    func choice<Choice: RawRepresentable<String> & CaseIterable>(_ text: String, key: String?) -> Choice? {
        if let choice = Choice(rawValue: text) { return choice }
        problem(key, "'\(text)' is not known" + Suggestion.hint(for: text, among: Choice.allCases.map(\.rawValue)))
        return nil
    }
}

extension Node {
    /// A scalar's text, unless it is empty or null.
    var plainText: String? {
        guard let scalar, !(scalar.style == .plain && ["", "~", "null"].contains(scalar.string)) else { return nil }
        return scalar.string
    }

    /// A scalar's text if it stands without quotes, so that it may be a number.
    var unquotedText: String? {
        guard let scalar, scalar.style == .plain else { return nil }
        return plainText
    }

    var kindInWords: String {
        switch self {
        case .scalar(let scalar): plainText == nil ? "nothing" : "'\(scalar.string)'"
        case .mapping: "a mapping"
        case .sequence: "a list"
        case .alias: "an alias"
        }
    }
}

extension ClosedRange<Int> {
    fileprivate var inWords: String { upperBound == .max ? "of at least \(lowerBound)" : "from \(lowerBound) to \(upperBound)" }
}
extension ClosedRange<Double> {
    fileprivate var inWords: String {
        upperBound == .greatestFiniteMagnitude ? "of at least \(lowerBound)" : "from \(lowerBound) to \(upperBound)"
    }
}
