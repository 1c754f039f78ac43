import ArgumentParser
import Foundation
import Pando

/// `pando adapter`: what adapters there are, and LoRA adapters in PEFT's format.
struct AdapterCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "adapter",
        abstract: "List adapters; check, convert and begin LoRA adapters in PEFT's format.",
        discussion: """
              pando adapter list unipt
              pando adapter info my-lora/ --backbone vit-base/
              pando adapter convert my-lora/ --backbone vit-base/ --names transformers -o my-lora-v4/
              pando adapter new --backbone vit-base/ --rank 8 -o fresh-lora/

            pando import BACKBONE --adapter my-lora/ merges one into the weights.
            """,
        subcommands: [List.self, Info.self, Convert.self, New.self])

    struct BackboneOptions: ParsableArguments {
        @Option(help: ArgumentHelp("The backbone that is adapted, in any form that pando inspect reads.", valueName: "source"))
        var backbone: String

        @Option(help: "The backbone's published name, where the source does not tell it.")
        var name: String?

        func opened() throws -> OpenedBackbone { try BackboneSource(URL(fileURLWithPath: backbone), named: name).open() }
    }

    struct Info: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show which layers an adapter changes, and check that it fits.",
            discussion: "Example: pando adapter info my-lora/ --backbone vit-base/")
        @Argument(help: "The adapter's folder.")
        var adapter: String
        @OptionGroup var base: BackboneOptions
        @OptionGroup var printing: OutputOptions

        private struct Report: Encodable {
            struct Layer: Encodable {
                let layer: String
                let rank: Int
                let parameters: Int
            }
            let names: String
            let parameters: Int
            let layers: [Layer]
            let replaced: [String]
            let additional: [String]
        }

        func run() throws {
            let set = try base.opened().adapter(in: URL(fileURLWithPath: adapter, isDirectory: true))
            let report = Report(
                names: set.dialect.name, parameters: set.parameterCount,
                layers: set.layers.map { .init(layer: $0.site.name, rank: $0.adapter.rank, parameters: $0.adapter.parameterCount) },
                replaced: set.replaced.keys.sorted(), additional: set.additional.keys.sorted())
            if printing.json { return try Console.print(json: report) }
            var table = Table([.init("layer"), .init("rank", .right), .init("parameters", .right)])
            for layer in report.layers { table.add([layer.layer, "\(layer.rank)", "\(layer.parameters)"]) }
            print(table)
            print("\n\(report.parameters) parameters, names of \(report.names)")
            if !report.replaced.isEmpty { print("replaced whole: \(report.replaced.joined(separator: ", "))") }
            if !report.additional.isEmpty { print("for a head: \(report.additional.joined(separator: ", "))") }
        }
    }

    struct Convert: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Store an adapter under the names that another library, or version, uses.",
            discussion: "Example: pando adapter convert my-lora/ --backbone vit-base/ --names transformers -o older/")
        @Argument(help: "The adapter's folder.")
        var adapter: String
        @OptionGroup var base: BackboneOptions
        @Option(help: "Whose names: for example transformers, 'transformers 5' or timm; a wrong one lists them.")
        var names: String
        @Option(help: "What stands before every module's name there, as in `vit.`")
        var prefix: String = ""
        @Option(name: [.customShort("o"), .long], help: ArgumentHelp("The folder to write.", valueName: "folder"))
        var output: String

        func run() throws {
            let opened = try base.opened()
            let dialect = try AdapterCommand.dialect(names, of: opened)
            let set = try opened.adapter(in: URL(fileURLWithPath: adapter, isDirectory: true))
            try AdapterCommand.write(try set.renamed(in: dialect, prefix: prefix), to: output)
        }
    }

    struct New: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write a fresh adapter, which changes nothing until it is trained.",
            discussion: """
                  pando adapter new --backbone vit-base/ --rank 8 -o fresh/
                  pando adapter new --backbone resnet50.pth --targets conv2 --rank 4 --dora -o fresh/
                """)
        @OptionGroup var base: BackboneOptions
        @Option(help: "Modules by the ends of their names, separated by commas (default: the network's usual ones).")
        var targets: String?
        @Option(help: "The factors' common size.")
        var rank: Int = 8
        @Option(help: "Strength: the update is multiplied by alpha / rank (default: the rank).")
        var alpha: Double?
        @Flag(help: "Train each row's length apart from its direction (DoRA).")
        var dora = false
        @Flag(help: "Multiply by alpha / √rank (rsLoRA).")
        var rslora = false
        @Option(help: "Whose names: as for pando adapter convert (default: those of the backbone's own checkpoint).")
        var names: String?
        @Option(help: "Seed of the random factors.")
        var seed: UInt64 = 0
        @Option(name: [.customShort("o"), .long], help: ArgumentHelp("The folder to write.", valueName: "folder"))
        var output: String

        func validate() throws {
            if !(1...65536).contains(rank) { throw ValidationError("--rank is 1 to 65536, not \(rank)") }
        }

        func run() throws {
            let opened = try base.opened()
            let named = targets?.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
            let dialect = try AdapterCommand.dialect(names ?? opened.dialect, of: opened)
            func fresh(_ network: some Module) throws -> LoRASet {
                let configuration = LoRAConfiguration(
                    rank: rank, alpha: alpha,
                    targets: try named.map { .names($0) } ?? LoRAConfiguration.usualTargets(of: network, in: dialect),
                    usesRankStabilizedScale: rslora, tracksMagnitude: dora)
                var generator = SeededGenerator(seed: seed)
                return try LoRASet(on: network, configuration, dialect: dialect, using: &generator)
            }
            let set = try fresh(opened.network)
            try AdapterCommand.write(set, to: output)
            print("\(set.sites.count) layers, \(set.parameterCount) parameters")
        }
    }

    /// The names of a library, as the backbone's network is known by.
    static func dialect(_ name: String, of opened: OpenedBackbone) throws -> Dialect {
        let dialects = opened.architecture.dialects + [.own]
        if let dialect = dialects.first(where: { $0.name == name }) { return dialect }
        let known = Array(Set(dialects.map(\.name))).sorted().joined(separator: ", ")
        throw ValidationError("--names: a \(opened.architecture.name) is not known by those of '\(name)'; it is by \(known)")
    }

    static func write(_ set: LoRASet, to path: String) throws {
        let folder = URL(fileURLWithPath: path, isDirectory: true)
        guard !FileManager.default.fileExists(atPath: folder.path) else {
            throw ValidationError("\(path): something stands there already; name another place, or remove it")
        }
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try set.write(to: folder)
    }
}
