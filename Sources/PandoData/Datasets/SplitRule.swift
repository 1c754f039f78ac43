import Foundation

/// Who belongs to which split when nobody says so: 70 % train, 15 % validation, 15 % test, by name.
///
/// The first 8 hex digits of the SHA-256 of an example's id, modulo 100: below 70 train, below 85 validation, else
/// test. An example keeps its split whatever is added to or taken from the data set.
public enum SplitRule {
    public static func split(of id: String) -> Split {
        let digest = SHA256.hash(data: Data(id.utf8))
        let number = digest.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
        switch number % 100 {
        case ..<70: return .train
        case ..<85: return .validation
        default: return .test
        }
    }

    /// Gives each split that no example is in its share of train, by the rule; splits that exist stay as they are.
    /// - Parameter key: what the rule goes by.
    public static func complete(_ examples: inout [Example], by key: (Example) -> String = \.id) {
        let present = Set(examples.map(\.split))
        let missing = Set(Split.allCases).subtracting(present)
        guard present.contains(.train), !missing.isEmpty else { return }
        for index in examples.indices where examples[index].split == .train {
            let split = split(of: key(examples[index]))
            if missing.contains(split) { examples[index].split = split }
        }
    }
}
