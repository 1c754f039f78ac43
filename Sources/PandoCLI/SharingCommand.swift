import ArgumentParser
import Foundation
import Pando

/// `pando sharing`: what tasks can share, and how their losses are balanced.
struct SharingCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sharing",
        abstract: "Show what a plan's tasks can share, and how their losses can be balanced.",
        discussion: """
              pando sharing
              pando sharing mmoe pcgrad

            In a plan: sharing: mmoe, or sharing: {kind: mmoe, experts: 8, balancing: pcgrad, stages: three-stage}.
            """)
    @Argument(help: "Kinds of sharing or balancing, with their options (default: all kinds, without).")
    var kinds: [String] = []
    @OptionGroup var printing: OutputOptions

    struct Kind: Encodable {
        enum Use: String, Encodable { case sharing, balancing }

        let kind: String
        let use: Use
        let summary: String
        let options: [PlanOptionText]
    }

    func run() throws {
        let all = SharingCatalog.kinds.map { Self.kind(of: $0) } + BalancingCatalog.kinds.map { Self.kind(of: $0) }
        for name in kinds where !all.contains(where: { $0.kind == name }) {
            throw ValidationError(
                "no sharing or balancing is called '\(name)'" + Suggestion.hint(for: name, among: all.map(\.kind)))
        }
        let listed = kinds.isEmpty ? all : all.filter { kinds.contains($0.kind) }
        if printing.json { return try Console.print(json: listed) }
        if !kinds.isEmpty {
            let texts = listed.map { "\($0.kind) (\($0.use.rawValue)): \($0.summary)\n\n\(PlanOptionText.table(of: $0.options))" }
            return print(texts.joined(separator: "\n\n"))
        }
        var table = Table([.init("kind"), .init("use"), .init("summary"), .init("options")], widestCell: 100)
        for kind in listed {
            table.add(kind.kind, kind.use.rawValue, kind.summary, kind.options.map(\.name).joined(separator: ", "))
        }
        print(table)
    }

    private static func kind<Configuration: SharingConfiguration>(of type: Configuration.Type) -> Kind {
        Kind(kind: type.kind, use: .sharing, summary: type.summary, options: type.options.map(PlanOptionText.init))
    }

    private static func kind<Configuration: BalancingConfiguration>(of type: Configuration.Type) -> Kind {
        Kind(kind: type.kind, use: .balancing, summary: type.summary, options: type.options.map(PlanOptionText.init))
    }
}
