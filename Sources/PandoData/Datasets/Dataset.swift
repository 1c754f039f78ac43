/// Examples under a name.
public struct Dataset: Sendable {
    public var name: String
    public var examples: [Example]

    public init(name: String, examples: [Example]) {
        self.name = name
        self.examples = examples
    }

    /// The examples of one split, in order.
    public func examples(in split: Split) -> [Example] { examples.filter { $0.split == split } }

    /// Every column that some example is labelled in, with what its labels are.
    public var columns: [String: LabelKind] {
        var kinds: [String: LabelKind] = [:]
        for example in examples {
            for (column, label) in example.labels where kinds[column] == nil { kinds[column] = label.kind }
        }
        return kinds
    }

    /// The classes that occur in a column, sorted; empty for numbers and texts.
    public func classes(of column: String) -> [String] {
        var classes: Set<String> = []
        for example in examples {
            switch example.labels[column] {
            case .category(let name): classes.insert(name)
            case .categories(let names): classes.formUnion(names)
            case .number, .text, nil: break
            }
        }
        return classes.sorted()
    }

    /// The data set with only those labels of a column that `isKept` accepts: other classes of a list are taken out
    /// of it, other single classes leave the example without a label.
    public func keepingClasses(of column: String, where isKept: (String) -> Bool) -> Dataset {
        var result = self
        for index in result.examples.indices {
            switch result.examples[index].labels[column] {
            case .category(let name) where !isKept(name): result.examples[index].labels[column] = nil
            case .categories(let names): result.examples[index].labels[column] = .categories(names.filter(isKept))
            default: break
            }
        }
        return result
    }
}
