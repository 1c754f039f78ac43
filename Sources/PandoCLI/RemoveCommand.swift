import ArgumentParser
import Foundation
import Pando
import struct PandoTraining.Bundle

/// `pando remove`: a bundle without some of its tasks.
struct RemoveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Take tasks out of a bundle.",
        discussion: """
              pando remove out/clipart tags

            All else in the bundle stays as it is, byte for byte; the new one takes its place in one step. Tasks that share \
            weights with others stay, and so does a bundle's last task.
            """)

    @Argument(help: "The bundle, a folder that pando train wrote.")
    var bundle: String

    @Argument(help: "The tasks' names.")
    var tasks: [String]

    @OptionGroup var printing: OutputOptions

    struct Report: Encodable {
        /// All tasks that are left.
        let tasks: [String]
    }

    func run() throws {
        let left = try Bundle.remove(tasks, from: URL(fileURLWithPath: bundle, isDirectory: true))
        if printing.json { return try Console.print(json: Report(tasks: left)) }
        print("\(bundle) is left with \(left.joined(separator: ", "))")
    }
}
