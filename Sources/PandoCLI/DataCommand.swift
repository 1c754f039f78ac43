import ArgumentParser
import Foundation
import Pando

/// `pando data`: what a data set holds, and where to get one.
struct DataCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data",
        abstract: "Describe data sets and fetch known ones.",
        discussion: """
              pando data info Examples/clipart.yaml
              pando data fetch clipart
            """,
        subcommands: [Info.self, Fetch.self])

    struct Info: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Count a plan's examples and labels by split, and name what is wrong with them.",
            discussion: "Exits with 1 if a task of the plan cannot be trained. Example: pando data info Examples/scenes.yaml")
        @Argument(help: "The plan (YAML) whose data to describe.")
        var plan: String
        @OptionGroup var output: OutputOptions

        struct Report: Encodable {
            let statistics: DatasetStatistics
            let warnings: [DatasetReport.Finding]
        }

        func run() throws {
            let plan = try Plan(contentsOf: URL(fileURLWithPath: plan))
            let dataset = try plan.data.dataset()
            let statistics = DatasetStatistics(of: dataset)
            // What is more than worth a warning depends on the plan's options too, and is told by the tasks below.
            let warnings = DatasetReport(checking: dataset, columns: plan.tasks.map(\.column)).warnings
            if output.json {
                try Console.print(json: Report(statistics: statistics, warnings: warnings))
            } else {
                show(statistics)
                for finding in warnings {
                    print("\(finding.severity.rawValue): \(finding.column.map { "\($0): " } ?? "")\(finding.message)")
                }
            }
            _ = try TaskData.prepare(plan, on: dataset)
        }

        private func show(_ statistics: DatasetStatistics) {
            print("\(statistics.name): " + Split.allCases.map { "\(statistics.splits[$0.rawValue] ?? 0) \($0.rawValue)" }.joined(separator: ", "))
            if let texts = statistics.texts { print(texts) }
            var table = Table([
                .init("column"), .init("kind"), .init("train", .right), .init("validation", .right), .init("test", .right),
                .init("holds"),
            ])
            for column in statistics.columns {
                let holds: String
                if let numbers = column.numbers {
                    holds = "\(Console.short(numbers.minimum)) to \(Console.short(numbers.maximum)), mean \(Console.short(numbers.mean))"
                } else if column.classes.isEmpty {
                    holds = column.words.map { "texts of \(Console.short($0.mean)) words on average" } ?? ""
                } else {
                    let largest = column.classes.max { ($0.total, $1.name) < ($1.total, $0.name) }
                    holds = "\(column.classes.count) labels" + (largest.map { ", most often \($0.name) (\($0.total))" } ?? "")
                }
                table.add(
                    [column.name, column.kind.rawValue] + Split.allCases.map { "\(column.labelled[$0.rawValue] ?? 0)" } + [holds])
            }
            print(table)
        }
    }

    struct Fetch: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Install a known data set, or say how.",
            discussion: "Example: pando data fetch clipart")

        enum Name: String, CaseIterable, ExpressibleByArgument { case clipart, debian, scenes }

        @Argument(
            help: """
                clipart (Open Clip Art, 8,121 drawings, from Debian), debian (63,440 short texts, from the package index \
                of bookworm) or scenes (generated, nothing to fetch).
                """)
        var name: Name

        func run() throws {
            switch name {
            case .scenes: print("scenes are generated as they are needed; there is nothing to fetch")
            case .clipart:
                if let dataset = try? Clipart.dataset() {
                    return print("Open Clip Art is here: \(dataset.examples.count) drawings in \(Clipart.defaultRoot.path)")
                }
                let command = ["apt-get", "install", "--yes", "--no-install-recommends", "openclipart-png", "openclipart-svg"]
                guard getuid() == 0 else {
                    throw ValidationError("installing needs root; run: sudo \(command.joined(separator: " "))")
                }
                try run(command)
                print("Open Clip Art is here: \(try Clipart.dataset().examples.count) drawings")
            case .debian:
                do throws(DatasetError) {
                    return show(try Debian.dataset())
                } catch {
                    let command = ["apt-get", "update"]
                    guard getuid() == 0 else {
                        throw ValidationError("\(error)\nfetching the index needs root; run: sudo \(command.joined(separator: " "))")
                    }
                    try run(command)
                    show(try Debian.dataset())
                }
            }
        }

        private func show(_ dataset: Dataset) {
            print("Debian's package index is here: \(dataset.examples.count) packages, \(dataset.columns.count) columns")
        }

        private func run(_ command: [String]) throws {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = command
            try process.run()
            process.waitUntilExit()
            guard process.terminationStatus == 0 else {
                throw ValidationError("\(command.joined(separator: " ")) failed with status \(process.terminationStatus)")
            }
        }
    }
}
