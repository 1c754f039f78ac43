import ArgumentParser
import Foundation
import Pando

/// `pando import`: anybody's backbone as a folder of ours.
struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Turn a checkpoint into a backbone folder, checked tensor by tensor.",
        discussion: """
            Sources are those of pando inspect. The folder is what a plan names:

              pando import dinov2-small/ -o backbones/dinov2
              pando import resnet50-0676ba61.pth -o backbones/resnet50
              pando import vit-base/ --adapter my-lora/ -o backbones/vit-adapted
              pando import vit-base/ --image-size 384 -o backbones/vit-384
              pando import exported.onnx --preprocessing resnet50 -o backbones/exported

            then `backbone: backbones/dinov2` in a plan. An adapter of PEFT's is merged into the weights.
            """)

    @Argument(help: "The file or folder.")
    var source: String

    @Option(name: [.customShort("o"), .long], help: ArgumentHelp("The folder to write.", valueName: "folder"))
    var output: String

    @Option(help: "The network's published name, where the source does not tell it.")
    var name: String?

    @Option(help: ArgumentHelp("For pictures of this size; position embeddings are resampled.", valueName: "pixels"))
    var imageSize: Int?

    @Option(help: ArgumentHelp("A folder of PEFT's, a LoRA, that is merged into the weights.", valueName: "folder"))
    var adapter: String?

    @Option(
        help: ArgumentHelp(
            "How pictures are fed to it, where the source does not say: as to a published network, or as a file says.",
            valueName: "name or preprocessor_config.json"))
    var preprocessing: String?

    @OptionGroup var printing: OutputOptions

    private func settings(_ name: String) throws -> Preprocessing {
        if name.hasSuffix(".json") { return try Preprocessing(configuration: URL(fileURLWithPath: name)) }
        guard let settings = try Catalog.architecture(named: name).configuration.preprocessing else {
            throw ValidationError("--preprocessing: a \(name) sees no pictures")
        }
        return settings
    }

    private struct Report: Encodable {
        let network: String
        let folder: String
        let parameters: Int
        let dialect: String
        let ignored: [String]
    }

    func run() throws {
        var source = try BackboneSource(URL(fileURLWithPath: source), named: name)
        if let preprocessing { source = source.fed(as: try settings(preprocessing)) }
        var opened = try source.open(forPicturesOf: imageSize)
        if let adapter { opened = try opened.merged(withAdapterIn: URL(fileURLWithPath: adapter, isDirectory: true)) }
        try opened.write(to: URL(fileURLWithPath: output, isDirectory: true))
        let report = Report(
            network: opened.architecture.name, folder: output,
            parameters: opened.network.namedTensors.reduce(0) { $0 + $1.tensor.elementCount },
            dialect: opened.dialect, ignored: opened.ignored)
        if printing.json { return try Console.print(json: report) }
        print("\(report.network), \(Console.count(report.parameters)) numbers, written to \(output)")
        if !report.ignored.isEmpty { print("not needed, and left out: \(report.ignored.joined(separator: ", "))") }
        if opened.network is any ImageBackbone, opened.preprocessing == nil {
            print("nothing says how pictures are fed to it; before it can be used, import it again with --preprocessing")
        }
        print("use it as `backbone: \(output)` in a plan; pando inspect \(output) shows its taps")
    }
}
