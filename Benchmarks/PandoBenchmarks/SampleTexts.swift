import Foundation
import PandoData

/// Texts of 50 classes in a file that both sides read: Debian's packages and sections, or made up where the machine has
/// no package index.
enum SampleTexts {
    static let column = "section"
    private static let training = 512
    /// Of each class, for training and for the other splits, which are hardly looked at.
    private static let perClass = 12

    private struct Line: Encodable {
        let text, section, split: String
    }

    /// Writes JSON lines, `{text, section, split}`, one class after another and again.
    static func write(to file: URL) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        var lines = Data()
        for (index, text) in texts().enumerated() {
            let split: Split = index < training ? .train : index % 2 == 0 ? .validation : .test
            lines += try encoder.encode(Line(text: text.text, section: text.section, split: split.rawValue))
            lines += Data("\n".utf8)
        }
        try lines.write(to: file)
    }

    private static func texts() -> [(text: String, section: String)] {
        let dataset: Dataset
        do throws(DatasetError) { dataset = try Debian.dataset() } catch {
            tell("texts are made up: \(error)")
            return (0..<50 * perClass).map { index in
                ("package-\(index): tools for the work number \(index * 7919 % 1000)", "class \(index % 50)")
            }
        }
        var bySection: [String: [String]] = [:]
        for example in dataset.examples {
            guard case .category(let section) = example.labels[Debian.sectionColumn], let text = example.text else {
                continue
            }
            bySection[section, default: []].append(text)
        }
        // From all over the alphabet.
        let sections = bySection.keys.sorted()
        return (0..<perClass).flatMap { round in
            sections.map { section in
                let texts = bySection[section]!
                return (texts[round * texts.count / perClass], section)
            }
        }
    }
}
