import ArgumentParser

/// Measures Pando and its peers at the same works, in turns, and prints how they compare.
@main
struct PandoBenchmarks: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "PandoBenchmarks",
        abstract: "Measure Pando against PyTorch and OpenVINO, in one run on this machine.",
        subcommands: [CompareCommand.self, ServeCommand.self], defaultSubcommand: CompareCommand.self)
}
