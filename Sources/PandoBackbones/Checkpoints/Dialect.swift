import PandoTensor

/// How one library names the weights of a network that we name otherwise.
///
/// A table of rules, read in both directions: a checkpoint or an adapter of that library is taken in, and ours is
/// written for it. Rules are about modules, so `blocks.*.attn.proj` speaks of `weight`, `bias` and `lora_A.weight`
/// alike. A name that no rule knows is the same on both sides.
public struct Dialect: Sendable {
    /// The library, as users call it.
    public let name: String
    /// What may stand before every name, the longest first: `vit.`, `module.`.
    public let prefixes: [String]
    public let rules: [Rule]
    /// Modules that this library stores and the network does without: counters, tables that are computed, heads of
    /// pretraining. Templates, as in rules; `num_batches_tracked` and the like are in all of them.
    public let ignored: [Template]

    /// Their modules, which together are one of ours.
    public struct Rule: Sendable {
        /// How their tensors are shaped where ours are not. Axes of one element are no matter when weights are read.
        public enum Form: Hashable, Sendable {
            case same
            /// Matrices `[O, I]` are convolutions of one place, `[O, I, 1, 1]`.
            case kernels
            /// Vectors have axes of one element before and after their own.
            case vectors(before: Int, after: Int)
        }

        /// Concatenated along the first axis they are ours; one, unless a projection is fused.
        public let theirs: [Template]
        public let ours: Template
        /// Whether their matrix is stored the other way round.
        public let isTransposed: Bool
        /// How long they are along the first axis, one measured by another; all alike where empty.
        public let shares: [Int]
        /// How many axes they have, where ours has more of size 1 before them.
        public let axisCount: Int?
        public let form: Form

        /// Theirs is ours under another name.
        public init(
            _ theirs: String, _ ours: String, transposed: Bool = false, axisCount: Int? = nil, form: Form = .same
        ) {
            self.init([theirs], ours, transposed: transposed, axisCount: axisCount, form: form)
        }

        /// Ours is theirs, concatenated along the first axis.
        /// - Parameter shares: for each of theirs, its part of the first axis; all alike if not given.
        public init(
            _ theirs: [String], _ ours: String, transposed: Bool = false, shares: [Int] = [], axisCount: Int? = nil,
            form: Form = .same
        ) {
            self.theirs = theirs.map(Template.init)
            self.ours = Template(ours)
            isTransposed = transposed
            self.shares = shares
            self.axisCount = axisCount
            self.form = form
        }
    }

    /// - Parameter prefixes: in any order.
    public init(_ name: String, prefixes: [String] = [], rules: [Rule] = [], ignoring ignored: [String] = []) {
        self.name = name
        self.prefixes = (prefixes + ["module."]).sorted { $0.utf8.count > $1.utf8.count }
        self.rules = rules
        self.ignored = (ignored + ["**.num_batches_tracked"]).map(Template.init)
    }

    /// The network's own names.
    public static let own = Dialect("pando")
}

/// A place in a tree of modules, with numbers left open: `blocks.*.attn.qkv`.
///
/// `*` stands for a number, also after a word (`layer_*`), `*+1` for the same number and one more, and `**` at the
/// beginning for anything.
public struct Template: Sendable {
    private enum Segment: Sendable {
        case word(Substring)
        case number(after: Substring, offset: Int)
        case anything
    }

    private let segments: [Segment]
    public let text: String

    public init(_ text: String) {
        self.text = text
        segments = text.split(separator: ".", omittingEmptySubsequences: false).map { part in
            if part == "**" { return .anything }
            guard let star = part.firstIndex(of: "*") else { return .word(part) }
            return .number(after: part[..<star], offset: Int(part[part.index(after: star)...]) ?? 0)
        }
    }

    /// The numbers at the open places and what follows in `name`, if `name` begins so.
    func match(_ name: [Substring]) -> (numbers: [Int], rest: ArraySlice<Substring>)? {
        var numbers: [Int] = []
        var place = 0
        for (index, segment) in segments.enumerated() {
            switch segment {
            case .anything:
                let tail = segments.count - index - 1
                guard name.count >= place + tail else { return nil }
                place = name.count - tail
            case .word(let word):
                guard place < name.count, name[place] == word else { return nil }
                place += 1
            case .number(let word, let offset):
                guard place < name.count, name[place].hasPrefix(word),
                    let number = Int(name[place].dropFirst(word.count)), number >= offset, number < 100_000
                else { return nil }
                numbers.append(number - offset)
                place += 1
            }
        }
        return (numbers, name[place...])
    }

    /// The place with the numbers filled in, and `rest` after it.
    func filled(_ numbers: [Int], _ rest: ArraySlice<Substring>) -> String {
        var numbers = numbers[...]
        let parts = segments.map { segment -> String in
            switch segment {
            case .anything: ""
            case .word(let word): String(word)
            case .number(let word, let offset): word + String((numbers.popFirst() ?? 0) + offset)
            }
        }
        return (parts + rest.map(String.init)).joined(separator: ".")
    }
}

extension Dialect {
    /// A name of ours, and which of how many parts of it theirs is.
    package struct Place: Hashable, Sendable {
        package var name: String
        package var part = 0
        package var partCount = 1
        package var isTransposed = false
    }

    /// The name without what may stand before it.
    package func unprefixed(_ name: String) -> Substring {
        for prefix in prefixes where name.hasPrefix(prefix) { return name.dropFirst(prefix.utf8.count) }
        return name[...]
    }

    /// What their name is called here.
    package func ours(_ name: String) -> Place {
        let bare = unprefixed(name)
        let parts = bare.split(separator: ".", omittingEmptySubsequences: false)
        for rule in rules {
            for (index, template) in rule.theirs.enumerated() {
                guard let (numbers, rest) = template.match(parts) else { continue }
                return Place(
                    name: rule.ours.filled(numbers, rest), part: index, partCount: rule.theirs.count,
                    isTransposed: rule.isTransposed)
            }
        }
        return Place(name: String(bare))
    }

    /// What our name is called there: several names where ours is fused, in their order along the first axis.
    package func theirs(_ name: String) -> (names: [String], rule: Rule?) {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        for rule in rules {
            guard let (numbers, rest) = rule.ours.match(parts) else { continue }
            return (rule.theirs.map { $0.filled(numbers, rest) }, rule)
        }
        return ([name], nil)
    }

    /// Whether the network does without their tensor.
    func ignores(_ name: String) -> Bool {
        let parts = unprefixed(name).split(separator: ".", omittingEmptySubsequences: false)
        return ignored.contains { $0.match(parts) != nil }
    }
}
