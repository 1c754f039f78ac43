/// What a data set holds, counted: by split, by column, by class.
public struct DatasetStatistics: Sendable, Hashable, Codable {
    public struct Column: Sendable, Hashable, Codable {
        public var name: String
        public var kind: LabelKind
        /// How many examples of each split are labelled.
        public var labelled: [Split.RawValue: Int]
        /// For classes: how many examples of each split have each, the most frequent class first.
        public var classes: [ClassCount]
        /// For numbers.
        public var numbers: NumberRange?
        /// For texts: words of the shortest, of the longest, and on average.
        public var words: NumberRange?
    }

    public struct ClassCount: Sendable, Hashable, Codable {
        public var name: String
        public var counts: [Split.RawValue: Int]

        public var total: Int { counts.values.reduce(0, +) }
    }

    public struct NumberRange: Sendable, Hashable, Codable {
        public var minimum, maximum, mean, deviation: Double

        init?(_ values: [Double]) {
            guard let minimum = values.min(), let maximum = values.max() else { return nil }
            self.minimum = minimum
            self.maximum = maximum
            let mean = values.reduce(0, +) / Double(values.count)
            self.mean = mean
            deviation = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)).squareRoot()
        }
    }

    /// The texts of examples that are texts.
    public struct Texts: Sendable, Hashable, Codable, CustomStringConvertible {
        public var count: Int
        /// Of the shortest, of the longest, and on average.
        public var characters, words: NumberRange
        /// How many hold nothing but white space.
        public var emptyCount: Int
        /// How many are the same as an earlier one.
        public var repeatedCount: Int
        /// How many of validation and test are also in train.
        public var leakedCount: Int

        public var description: String {
            func range(_ numbers: NumberRange) -> String {
                "\(Int(numbers.minimum)) to \(Int(numbers.maximum)) (\(Int(numbers.mean.rounded())) on average)"
            }
            return "\(count) texts of \(range(words)) words, \(range(characters)) characters; \(repeatedCount) repeat "
                + "an earlier one"
        }
    }

    public var name: String
    /// How many examples each split has; all three are there.
    public var splits: [Split.RawValue: Int]
    /// Nil when no example has a text.
    public var texts: Texts?
    /// By name.
    public var columns: [Column]

    public init(of dataset: Dataset) {
        name = dataset.name
        splits = Dictionary(uniqueKeysWithValues: Split.allCases.map { ($0.rawValue, 0) })
        for example in dataset.examples { splits[example.split.rawValue, default: 0] += 1 }
        texts = Texts(of: dataset.examples)
        columns = dataset.columns.sorted { $0.key < $1.key }.map { name, kind in
            Column(name: name, kind: kind, examples: dataset.examples)
        }
    }
}

extension DatasetStatistics.Texts {
    init?(of examples: [Example]) {
        let texts = examples.compactMap(\.text)
        let wordCounts = texts.map(DatasetStatistics.wordCount)
        guard let words = DatasetStatistics.NumberRange(wordCounts.map(Double.init)),
            let characters = DatasetStatistics.NumberRange(texts.map { Double($0.count) })
        else { return nil }
        count = texts.count
        self.words = words
        self.characters = characters
        emptyCount = wordCounts.count { $0 == 0 }
        repeatedCount = count - Set(texts).count
        let learned = Set(examples.lazy.filter { $0.split == .train }.compactMap(\.text))
        leakedCount = examples.count { $0.split != .train && $0.text.map(learned.contains) == true }
    }
}

extension DatasetStatistics {
    static func wordCount(_ text: String) -> Int { text.split(whereSeparator: \.isWhitespace).count }
}

extension DatasetStatistics.Column {
    init(name: String, kind: LabelKind, examples: [Example]) {
        self.name = name
        self.kind = kind
        labelled = [:]
        var counts: [String: [Split.RawValue: Int]] = [:]
        var (values, lengths): ([Double], [Double]) = ([], [])
        for example in examples {
            guard let label = example.labels[name] else { continue }
            let split = example.split.rawValue
            labelled[split, default: 0] += 1
            switch label {
            case .category(let name): counts[name, default: [:]][split, default: 0] += 1
            case .categories(let names): for name in names { counts[name, default: [:]][split, default: 0] += 1 }
            case .number(let value): values.append(value)
            case .text(let text): lengths.append(Double(DatasetStatistics.wordCount(text)))
            }
        }
        classes = counts.map { DatasetStatistics.ClassCount(name: $0.key, counts: $0.value) }
            .sorted { ($1.total, $0.name) < ($0.total, $1.name) }
        numbers = DatasetStatistics.NumberRange(values)
        words = DatasetStatistics.NumberRange(lengths)
    }
}
