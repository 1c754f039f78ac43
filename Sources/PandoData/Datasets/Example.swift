import Foundation

/// What an example is for: to learn from, to choose by, or to judge by.
public enum Split: String, Sendable, Codable, CaseIterable {
    case train, validation, test

    /// The split that a folder or a column calls `name`; the usual short forms count.
    public init?(named name: String) {
        switch name.lowercased() {
        case "train", "training": self = .train
        case "validation", "valid", "val", "dev": self = .validation
        case "test", "testing": self = .test
        default: return nil
        }
    }
}

/// What one example says for one task.
public enum Label: Sendable, Hashable, Codable {
    /// One class.
    case category(String)
    /// Any number of classes, even none.
    case categories([String])
    case number(Double)
    case text(String)

    public var kind: LabelKind {
        switch self {
        case .category: .category
        case .categories: .categories
        case .number: .number
        case .text: .text
        }
    }
}

/// What a column's labels are.
public enum LabelKind: String, Sendable, Codable, CaseIterable {
    case category, categories, number, text

    public var explanation: String {
        switch self {
        case .category: "one class"
        case .categories: "a list of classes"
        case .number: "a number"
        case .text: "a text"
        }
    }
}

/// One item of a data set: a picture or a text, and what is known of it.
public struct Example: Sendable {
    /// Stable and unique in the data set, such as a relative path.
    public var id: String
    public var split: Split
    public var image: ImageSource?
    /// What a text backbone reads.
    public var text: String?
    /// What is known, by column. A missing column means "not labelled for it", which is not the same as a label
    /// that names nothing.
    public var labels: [String: Label]

    public init(id: String, split: Split, image: ImageSource?, labels: [String: Label], text: String? = nil) {
        self.id = id
        self.split = split
        self.image = image
        self.labels = labels
        self.text = text
    }
}
