import ArgumentParser
import Foundation
import Pando
import struct PandoTraining.Bundle

/// `pando inspect`: what a file or folder holds.
struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Show a backbone or a bundle: network, taps, shapes, parameters, and whether its weights fit; tasks and costs.",
        discussion: """
            A source is a folder of Hugging Face's, timm's or ours, a file of weights (.pth, .bin, .safetensors), or an \
            ONNX model. Exits with 1 if the weights do not fit the network. Of a bundle it shows the tasks, and what --compute \
            chooses from if it runs at several costs.

              pando inspect dinov2-small/
              pando inspect resnet50-0676ba61.pth
              pando inspect weights.safetensors --name convnext_tiny
              pando inspect out/clipart
              pando inspect --list
            """)

    @Argument(help: "The file or folder.")
    var source: String?

    @Option(help: "The network's published name, where the source does not tell it.")
    var name: String?

    @Option(help: ArgumentHelp("Show it for pictures of this size.", valueName: "pixels"))
    var imageSize: Int?

    @Flag(help: "List the networks that have names.")
    var list = false

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        if list == (source != nil) { throw ValidationError("name a file or folder, or say --list") }
        if let imageSize, !(16...1024).contains(imageSize) {
            throw ValidationError("--image-size is 16 to 1024, not \(imageSize)")
        }
    }

    func run() throws {
        guard let source else { return try listNames() }
        let place = URL(fileURLWithPath: source)
        if Bundle.isBundle(place) { return try inspect(Bundle(at: place)) }
        let inspection = try Inspection(
            BackboneSource(place, named: name), forPicturesOf: imageSize)
        if printing.json {
            try Console.print(json: inspection)
        } else {
            show(inspection)
        }
        if !inspection.problems.isEmpty { throw ExitCode.failure }
    }

    private func inspect(_ bundle: Bundle) throws {
        if name != nil || imageSize != nil {
            throw ValidationError("--name and --image-size go with a backbone; \(bundle.url.path) is a bundle")
        }
        let inspection = try BundleInspection(bundle)
        if printing.json { return try Console.print(json: inspection) }
        inspection.show(front: bundle.elasticPolicy == nil ? nil : try ComputeOptions.table(of: bundle))
    }

    private func show(_ inspection: Inspection) {
        var facts = [["network", "\(inspection.network) (\(inspection.family))"]]
        facts.append(["weights", weights(inspection)])
        facts.append(["parameters", Console.count(inspection.parameters)])
        facts.append(["multiply-adds", "\(Console.count(inspection.multiplyAdds)) for an input of \(inspection.input)"])
        facts.append(["pooled", "\(inspection.pooledFeatures) features"])
        if let preprocessing = inspection.preprocessing { facts.append(["pictures", words(for: preprocessing)]) }
        if inspection.hasTokenizer { facts.append(["tokenizer", "tokenizer.json"]) }
        if !inspection.ignored.isEmpty { facts.append(["not needed", shortened(inspection.ignored)]) }
        if let graph = inspection.graph {
            facts.append(["graph", "operator set \(graph.operatorSet), by \(graph.producer)"])
            facts.append(["operators", graph.operators.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")])
            facts.append(["pooled from", graph.pooledValue])
        }
        for fact in facts { print(fact[0].padding(toLength: 15, withPad: " ", startingAt: 0) + fact[1]) }
        print()
        var taps = Table([.init("tap"), .init("depth", .right), .init("shape", .right)])
        for tap in inspection.graph?.values ?? inspection.taps {
            taps.add([tap.name, "\(tap.depth)", tap.shape.map(String.init).joined(separator: " x ")])
        }
        print(taps)
        guard !inspection.problems.isEmpty else { return }
        Console.note("\nthe weights do not fit:\n" + inspection.problems.map { "  \($0)" }.joined(separator: "\n"))
    }

    private func weights(_ inspection: Inspection) -> String {
        let types = inspection.elementTypes.sorted { $0.value > $1.value }
            .map { "\(Console.count($0.value)) \($0.key)" }.joined(separator: ", ")
        return inspection.dialect == "unknown" ? types : "\(types), names of \(inspection.dialect)"
    }

    private func words(for preprocessing: Preprocessing) -> String {
        func listed(_ values: [Float]) -> String { values.map { String(format: "%.4g", $0) }.joined(separator: " ") }
        let size = preprocessing.outputSize
        return "\(size.width) x \(size.height), \(preprocessing.interpolation.rawValue), mean \(listed(preprocessing.mean)), deviation \(listed(preprocessing.deviation))"
    }

    private func shortened(_ names: [String]) -> String {
        names.prefix(3).joined(separator: ", ") + (names.count > 3 ? ", … (\(names.count) tensors)" : "")
    }

    private struct Named: Encodable {
        let name: String
        let family: String
    }

    private func listNames() throws {
        let names = Catalog.published.map { Named(name: $0.name, family: $0.family) }
        if printing.json { return try Console.print(json: names) }
        var table = Table([.init("family"), .init("networks")], widestCell: 400)
        for family in Catalog.families {
            let mine = names.filter { $0.family == family.family }.map(\.name)
            table.add([family.family, mine.joined(separator: ", ")])
        }
        print(table)
        print("\nmodel_type in a config.json: \(Catalog.modelTypes.joined(separator: ", "))")
    }
}
