import ArgumentParser
import Foundation
import Pando

/// `pando predict`: what a bundle says of pictures.
struct PredictCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "predict",
        abstract: "Predict every task of a bundle for pictures.",
        discussion: """
              pando predict out/clipart drawing.png
              pando predict out/clipart drawings/*.png --tasks category --top 1
              pando predict out/clipart drawings/*.png --sheet sheet.png
            """)

    @Argument(help: "The bundle, a folder that pando train wrote.")
    var bundle: String

    @Argument(help: "Pictures.")
    var images: [String]

    @Option(help: "Labels to show for each task.")
    var top: Int = 3

    @Option(help: "Only these tasks, separated by commas.")
    var tasks: String?

    @Option(help: ArgumentHelp("Draw the pictures with their predictions on one PNG.", valueName: "file"))
    var sheet: String?

    @OptionGroup var features: FeatureOptions
    @OptionGroup var printing: OutputOptions

    func validate() throws {
        if !(1...1000).contains(top) { throw ValidationError("--top is 1 to 1000, not \(top)") }
        if images.isEmpty { throw ValidationError("name at least one picture") }
    }

    struct Report: Encodable {
        struct Unreadable: Encodable {
            let image: String
            let error: String
        }
        let predictions: [PicturePrediction]
        let unreadable: [Unreadable]
    }

    func run() throws {
        let bundle = try Bundle(at: URL(fileURLWithPath: bundle, isDirectory: true))
        let pipeline = ImagePipeline(
            preprocessing: bundle.preprocessing, batchSize: FrozenBackbone.sliceSize, workers: features.workerCount,
            decoder: features.decoder, isStrict: features.strict)
        let names = tasks?.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        let (predictions, unreadable) = try bundle.predict(
            images.map { URL(fileURLWithPath: $0) }, limit: top, tasks: names, pipeline: pipeline)
        if let sheet { try draw(predictions, on: URL(fileURLWithPath: sheet)) }
        if printing.json {
            try Console.print(
                json: Report(
                    predictions: predictions, unreadable: unreadable.map { .init(image: $0.id, error: "\($0.error)") }))
        } else {
            let order = bundle.tasks.map(\.name)
            for prediction in predictions { show(prediction, order) }
            for image in unreadable { Console.note("\(image.error)") }
            if let sheet { print("wrote \(sheet)") }
        }
        if !unreadable.isEmpty { throw ExitCode.failure }
    }

    private func show(_ prediction: PicturePrediction, _ order: [String]) {
        print(prediction.image)
        let width = order.map(\.count).max() ?? 0
        for task in order {
            guard let answer = prediction.tasks[task] else { continue }
            print("  \(task.padding(toLength: width, withPad: " ", startingAt: 0))  \(answer.text)")
        }
    }

    private func draw(_ predictions: [PicturePrediction], on file: URL) throws {
        let tiles = try predictions.map { prediction in
            let image = try features.decoder.image(
                .file(URL(fileURLWithPath: prediction.image)), fittedTo: .clipart(side: 160))
            let lines = prediction.tasks.sorted { $0.key < $1.key }.map { $0.value.text }
            return ContactSheet.Tile(image: image, caption: lines)
        }
        try ContactSheet(tiles: tiles).rendered().write(png: file)
    }
}

extension Prediction {
    /// `food 0.93, plants 0.04` or a number.
    var text: String {
        switch self {
        case .labels(let labels): labels.map { String(format: "%@ %.2f", $0.label, $0.score) }.joined(separator: ", ")
        case .number(let number): Console.number(Double(number))
        }
    }
}
