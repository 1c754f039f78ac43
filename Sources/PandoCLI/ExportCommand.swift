import ArgumentParser
import Foundation
import Pando

/// `pando export`: a bundle for other programs.
struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write a bundle's network and tasks as one ONNX file.",
        discussion: """
              pando export out/clipart --onnx clipart.onnx
              pando export out/clipart --onnx category.onnx --tasks category --batch 1
              pando export out/clipart --onnx clipart.onnx --example clipart.safetensors

            The model takes `pictures`, float32 [N, 3, H, W]: red, green, blue, prepared as its metadata says under \
            `preprocessing`. It gives `features`, the vectors that tasks read, and an output for each task: probabilities \
            of its labels, a number, or the vector that retrieval compares with texts'. The labels are in the metadata, \
            under `tasks.NAME.labels`.
            """)

    @Argument(help: "The bundle, a folder that pando train wrote.")
    var bundle: String

    @Option(help: ArgumentHelp("Where to write the model.", valueName: "file"))
    var onnx: String

    @Option(help: "Only these tasks, separated by commas.")
    var tasks: String?

    @Option(help: ArgumentHelp("Pictures at once: a number, or dynamic for any.", valueName: "n|dynamic"))
    var batch = "dynamic"

    @Option(
        help: "Version of ONNX's operators, \(ONNXExport.operatorSets.lowerBound) to \(ONNXExport.operatorSets.upperBound).")
    var opset = ONNXExport.defaultOperatorSet

    @Flag(help: "Take pixels of 0 to 255 and normalise them in the model. Resizing and cropping stay outside.")
    var withPreprocessing = false

    @Option(
        help: ArgumentHelp(
            "Also write random pictures and the bundle's answers, to check another program against.",
            valueName: "file.safetensors"))
    var example: String?

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        guard ONNXExport.operatorSets.contains(opset) else {
            throw ValidationError(
                "--opset is \(ONNXExport.operatorSets.lowerBound) to \(ONNXExport.operatorSets.upperBound), not \(opset)")
        }
        if batch != "dynamic", !(Int(batch).map { (1...65_536).contains($0) } ?? false) {
            throw ValidationError("--batch is 1 to 65536 or dynamic, not \(batch)")
        }
    }

    func run() throws {
        var options = BundleExport()
        options.tasks = tasks?.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        if let count = Int(batch) { options.batch = .fixed(count) }
        options.operatorSet = opset
        options.takesPixels = withPreprocessing
        options.example = example.map { URL(fileURLWithPath: $0) }
        let bundle = try Bundle(at: URL(fileURLWithPath: bundle, isDirectory: true))
        let summary = try bundle.writeONNX(to: URL(fileURLWithPath: onnx), options)
        if printing.json { return try Console.print(json: summary) }
        var table = Table([.init(""), .init("name"), .init("shape")])
        for (title, ports) in [("input", summary.inputs), ("output", summary.outputs)] {
            for port in ports {
                table.add([title, port.name, "[" + port.shape.map { $0.map(String.init) ?? "N" }.joined(separator: ", ") + "]"])
            }
        }
        print(table)
        let files = [onnx] + (summary.weightsFile.map { [$0] } ?? [])
        print(
            "wrote \(files.joined(separator: " and ")): \(Console.bytes(summary.byteCount)), \(summary.nodeCount) nodes, operator set \(summary.operatorSet)"
        )
        if let example { print("wrote \(example)") }
    }
}
