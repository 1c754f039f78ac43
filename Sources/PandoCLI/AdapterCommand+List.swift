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
            let kind: String
            let place: AdapterPlace
            let summary: String
            let options: [PlanOptionText]
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
            "\(kind.kind) (\(kind.place.rawValue)): \(kind.summary)\n\n\(PlanOptionText.table(of: kind.options))"
        }

        private static func kind<Configuration: AdapterConfiguration>(
            of type: Configuration.Type, _ place: AdapterPlace
        ) -> Kind {
            Kind(
                kind: type.kind, place: place, summary: type.summary,
                options: type.options.map(PlanOptionText.init))
        }
    }
}
