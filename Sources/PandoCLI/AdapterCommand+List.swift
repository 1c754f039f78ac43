import ArgumentParser
import Foundation
import Pando

extension AdapterCommand {
    /// `pando adapter list`: the words after `adapter:` in a plan, and what may be said of each.
    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the kinds of adapters that a plan can name, and their options.",
            discussion: """
                  pando adapter list
                  pando adapter list unipt lora

                A reading adapter learns beside the frozen backbone, a late one in its last part, an inline one all \
                through it. In a plan: adapter: unipt, or adapter: {kind: unipt, width: 96}.
                """)
        @Argument(help: "Kinds, with their options (default: all kinds, without).")
        var kinds: [String] = []
        @OptionGroup var printing: OutputOptions

        struct Kind: Encodable {
            struct Option: Encodable {
                let name: String
                /// What may be written, in words.
                let values: String
                let meaning: String
            }

            let kind: String
            let place: AdapterPlace
            let summary: String
            let options: [Option]
        }

        func run() throws {
            let chosen = try AdapterCatalog.kinds(named: kinds).map { $0.kind }
            let all = AdapterPlace.allCases.flatMap { place in
                AdapterCatalog.kinds(place).map { Self.kind(of: $0, place) }
            }
            let listed = kinds.isEmpty ? all : all.filter { chosen.contains($0.kind) }
            if printing.json { return try Console.print(json: listed) }
            if kinds.isEmpty { return print(Self.table(of: listed)) }
            print(listed.map(Self.text).joined(separator: "\n\n"))
        }

        private static func table(of kinds: [Kind]) -> Table {
            var table = Table([.init("kind"), .init("place"), .init("summary"), .init("options")], widestCell: 100)
            for kind in kinds {
                table.add(kind.kind, kind.place.rawValue, kind.summary, kind.options.map(\.name).joined(separator: ", "))
            }
            return table
        }

        /// One kind with its options.
        private static func text(_ kind: Kind) -> String {
            let title = "\(kind.kind) (\(kind.place.rawValue)): \(kind.summary)"
            if kind.options.isEmpty { return title + "\n\nno options" }
            var table = Table([.init("option"), .init("values"), .init("meaning")], widestCell: 100)
            for option in kind.options { table.add(option.name, option.values, option.meaning) }
            return "\(title)\n\n\(table)"
        }

        private static func kind<Configuration: AdapterConfiguration>(
            of type: Configuration.Type, _ place: AdapterPlace
        ) -> Kind {
            Kind(
                kind: type.kind, place: place, summary: type.summary,
                options: type.options.map { .init(name: $0.name, values: $0.valuesInWords, meaning: $0.meaning) })
        }
    }
}

extension PlanOption {
    /// What may be written after its name.
    fileprivate var valuesInWords: String {
        switch value {
        case .integer(let range, _): "\(range.lowerBound) to \(range.upperBound)"
        case .number(let range, _): "\(Console.short(range.lowerBound)) to \(Console.short(range.upperBound))"
        case .flag: "true or false"
        case .choice(let names, _): names.joined(separator: ", ")
        case .texts: "a list of names"
        }
    }
}
