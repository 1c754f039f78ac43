import ArgumentParser

/// The `pando` command.
@main
struct PandoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pando",
        abstract: "One pretrained backbone, many tasks.")
}
