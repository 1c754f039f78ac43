import ArgumentParser
import Foundation
import Pando

/// `pando features`: computes features of pictures and videos, and looks after the feature store.
struct FeaturesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "features",
        abstract: "Compute features of pictures and videos; show, check and clean stored features.",
        discussion: """
              pando features clip.mp4 --count 16 -o clip.safetensors

            Features that training computes are stored, so that the backbone sees each picture once. Deleting them costs
            only time.

              pando features info
              pando features verify
              pando features clean --identity 3f9a
            """,
        subcommands: [ExtractFeatures.self, Info.self, Verify.self, Clean.self], defaultSubcommand: ExtractFeatures.self)

    struct Folder: ParsableArguments {
        @Option(help: ArgumentHelp("Folder of stored features (default: \(Locations.features.path)).", valueName: "folder"))
        var features: String?

        func store() throws -> FeatureStore {
            try FeatureStore(directory: features.map { URL(fileURLWithPath: $0, isDirectory: true) } ?? Locations.features)
        }
    }

    struct Info: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List what is stored: backbone, preprocessing, rows, bytes.",
            discussion: "Example: pando features info --json")
        @OptionGroup var folder: Folder
        @OptionGroup var output: OutputOptions

        func run() throws {
            let entries = try folder.store().info()
            if output.json { return try Console.print(json: entries) }
            if entries.isEmpty { return print("nothing is stored yet") }
            var table = Table([
                .init("identity"), .init("backbone"), .init("precision"), .init("features"), .init("rows", .right),
                .init("shards", .right), .init("size", .right),
            ])
            for entry in entries {
                let features = entry.identity.features.sorted { $0.key < $1.key }.map { name, shape in
                    "\(name) \(shape)\(entry.identity.varying.contains(name) ? " at most" : "")"
                        + (entry.identity.codecs[name].map { " as \($0)" } ?? "")
                }
                table.add([
                    String(entry.digest.prefix(12)), String(entry.identity.backbone.prefix(12)),
                    entry.identity.precision, features.joined(separator: ", "), "\(entry.rowCount)",
                    "\(entry.shardCount)", Console.bytes(entry.byteCount),
                ])
            }
            print(table)
        }
    }

    struct Verify: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Read every shard and compare it with its checksum.",
            discussion: "Exits with 1 if something is damaged. Example: pando features verify")
        @OptionGroup var folder: Folder
        @OptionGroup var output: OutputOptions

        func run() throws {
            let report = try folder.store().verify()
            if output.json {
                try Console.print(json: report)
            } else {
                print("\(report.shardCount) shards, \(report.rowCount) rows, \(Console.bytes(report.byteCount))")
                for damage in report.damages { print("damaged: \(damage.path): \(damage.text) (\(damage.rowCount) rows)") }
                for orphan in report.orphans { print("left over: \(orphan)") }
                if report.damages.isEmpty {
                    print("every shard is whole")
                } else {
                    print("pando features clean --damaged removes them; they are computed again when needed")
                }
            }
            if !report.damages.isEmpty { throw ExitCode.failure }
        }
    }

    struct Clean: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove what no row needs, damaged shards, or all features of one identity.",
            discussion: """
                  pando features clean                    files left over by killed processes
                  pando features clean --damaged          also shards that fail their checksum
                  pando features clean --identity 3f9a    everything of one identity
                """)
        @OptionGroup var folder: Folder
        @OptionGroup var output: OutputOptions
        @Flag(help: "Also remove shards that are not what was written.")
        var damaged = false
        @Option(help: "Remove everything of the identity that begins so (see info).")
        var identity: String?

        func run() throws {
            let store = try folder.store()
            var removals: [FeatureStoreRemoval] = []
            if let identity { removals.append(try store.remove(identity: identity)) }
            if damaged { removals.append(try store.removeDamaged()) }
            removals.append(try store.removeOrphans())
            let total = removals.reduce(into: FeatureStoreRemoval()) { total, removal in
                total.fileCount += removal.fileCount
                total.byteCount += removal.byteCount
                total.rowCount += removal.rowCount
            }
            if output.json { return try Console.print(json: total) }
            print("removed \(total.fileCount) files, \(total.rowCount) rows, \(Console.bytes(total.byteCount))")
        }
    }
}
