import ArgumentParser

/// The `pando` command.
@main
struct PandoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pando",
        abstract: "One pretrained backbone, many tasks.",
        discussion: """
            A plan names a backbone, data and tasks; training writes a bundle; a bundle predicts, searches and is measured.

              pando train Examples/clipart.yaml -o out/clipart
              pando predict out/clipart drawing.png
              pando search out/clipart "red apple" --in drawings/

            pando doctor tells whether this machine is ready.
            """,
        subcommands: [
            TrainCommand.self, EvaluateCommand.self, PredictCommand.self, SearchCommand.self, CompareCommand.self,
            FeaturesCommand.self, DataCommand.self, RunsCommand.self, DoctorCommand.self,
        ])
}
