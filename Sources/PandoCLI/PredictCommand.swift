import ArgumentParser
import Foundation
import Pando
import struct PandoTraining.Bundle

/// `pando predict`: what a bundle says of pictures or texts.
struct PredictCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "predict",
        abstract: "Predict every task of a bundle for pictures, or for texts.",
        discussion: """
            Takes pictures' files, or texts where the bundle's backbone reads texts; a - among those stands for the lines of \
            standard input.

              pando predict out/clipart drawing.png
              pando predict out/clipart drawings/*.png --tasks category --top 1
              pando predict out/clipart drawings/*.png --sheet sheet.png
              pando predict out/clipart drawing.png --compute 0.4 --prefer category=2 tags=1
              pando predict out/debian "mutt: text-based mailreader supporting MIME, GPG, PGP and threading"
            """)

    @Argument(help: "The bundle, a folder that pando train wrote.")
    var bundle: String

    @Argument(help: "Pictures, or texts.")
    var examples: [String]

    @Option(help: "Labels to show for each task.")
    var top: Int = 3

    @Option(help: "Only these tasks, separated by commas.")
    var tasks: String?

    @Option(help: ArgumentHelp("Draw the pictures with their predictions on one PNG.", valueName: "file"))
    var sheet: String?

    @OptionGroup var compute: ComputeOptions
    @OptionGroup var pictures: PictureOptions
    @OptionGroup var printing: OutputOptions

    func validate() throws {
        if !(1...1000).contains(top) { throw ValidationError("--top is 1 to 1000, not \(top)") }
        if examples.isEmpty { throw ValidationError("name at least one picture, or give at least one text") }
    }

    struct Report: Encodable {
        struct Unreadable: Encodable {
            let image: String
            let error: String
        }
        let predictions: [PicturePrediction]
        let unreadable: [Unreadable]
    }

    struct TextReport: Encodable {
        let predictions: [TextPrediction]
    }

    private var taskNames: [String]? {
        tasks?.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
    }

    func run() throws {
        let bundle = try compute.running(Bundle(at: URL(fileURLWithPath: bundle, isDirectory: true)))
        switch bundle.backbone.reading {
        case .pictures(let preprocessing): try predictPictures(bundle, preprocessing)
        case .texts: try predictTexts(bundle)
        }
    }

    private func predictTexts(_ bundle: Bundle) throws {
        if sheet != nil { throw ValidationError("--sheet draws pictures; this bundle reads texts") }
        var texts: [String] = []
        for example in examples {
            if example == "-" {
                while let line = readLine() { texts.append(line) }
            } else {
                texts.append(example)
            }
        }
        if let empty = texts.firstIndex(where: { $0.allSatisfy(\.isWhitespace) }) {
            throw ValidationError("text \(empty + 1) is empty")
        }
        let predictions = try bundle.predict(texts: texts, limit: top, tasks: taskNames, workers: pictures.workerCount)
        if printing.json { return try Console.print(json: TextReport(predictions: predictions)) }
        for prediction in predictions { show(prediction.text, prediction.tasks, bundle.tasks.map(\.name)) }
    }

    private func predictPictures(_ bundle: Bundle, _ preprocessing: Preprocessing) throws {
        let pipeline = ImagePipeline(
            preprocessing: preprocessing, batchSize: FrozenBackbone.sliceSize, workers: pictures.workerCount,
            decoder: pictures.decoder, isStrict: pictures.strict)
        let (predictions, unreadable) = try bundle.predict(
            examples.map { URL(fileURLWithPath: $0) }, limit: top, tasks: taskNames, pipeline: pipeline)
        let order = bundle.tasks.map(\.name)
        if let sheet {
            let captions = predictions.map { prediction in
                order.compactMap { task in prediction.tasks[task]?.caption(of: task) }
            }
            try pictures.draw(predictions.map(\.image), captions: captions, on: sheet)
        }
        if printing.json {
            try Console.print(
                json: Report(
                    predictions: predictions, unreadable: unreadable.map { .init(image: $0.id, error: "\($0.error)") }))
        } else {
            for prediction in predictions { show(prediction.image, prediction.tasks, order) }
            for image in unreadable { Console.note("\(image.error)") }
            if let sheet { print("wrote \(sheet)") }
        }
        if !unreadable.isEmpty { throw ExitCode.failure }
    }

    private func show(_ example: String, _ answers: [String: Prediction], _ order: [String]) {
        print(example)
        let width = order.map(\.count).max() ?? 0
        for task in order {
            guard let answer = answers[task] else { continue }
            print("  \(task.padding(toLength: width, withPad: " ", startingAt: 0))  \(answer.text)")
        }
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

    /// A line below a picture: labels speak for themselves, a number needs its task's name.
    func caption(of task: String) -> String {
        if case .number = self { "\(task) \(text)" } else { text }
    }
}
