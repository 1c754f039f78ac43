import ArgumentParser
import Foundation

/// The `pando` command.
@main
struct PandoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pando",
        abstract: "One pretrained backbone, many tasks.",
        discussion: """
            A plan names a backbone, data and tasks; training writes a bundle; a bundle predicts, searches, is measured and served.

              pando train Examples/clipart.yaml -o out/clipart
              pando add out/clipart more.yaml
              pando predict out/clipart drawing.png
              pando search out/clipart "red apple" --in drawings/
              pando serve out/clipart

            pando doctor tells whether this machine is ready.
            """,
        subcommands: [
            TrainCommand.self, AddCommand.self, RemoveCommand.self, AdviseCommand.self, AffinityCommand.self,
            BudgetCommand.self, EvaluateCommand.self, PredictCommand.self, SearchCommand.self, ServeCommand.self,
            CompareCommand.self, FeaturesCommand.self, ImportCommand.self, InspectCommand.self, AdapterCommand.self,
            SharingCommand.self, ExportCommand.self, DataCommand.self, RunsCommand.self, ReproduceCommand.self,
            BenchServeCommand.self, DoctorCommand.self,
        ])

    static func main() async {
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            try Console.flush()
        } catch {
            exit(withError: FoundationFailure(error) ?? error)
        }
    }
}

/// An error of Foundation in words: it names the file and the system's reason, where it knows them.
private struct FoundationFailure: Error, CustomStringConvertible {
    let description: String

    /// `nil` for errors that tell their own story.
    init?(_ error: any Error) {
        guard error is CocoaError || error is POSIXError || type(of: error) == NSError.self else { return nil }
        let information = (error as NSError).userInfo
        let path = information[NSFilePathErrorKey] as? String ?? (information[NSURLErrorKey] as? URL)?.path
        let reason = (information[NSUnderlyingErrorKey] as? any Error)?.localizedDescription ?? error.localizedDescription
        description = path.map { "\($0): \(reason)" } ?? reason
    }
}
