import ArgumentParser
import Foundation
import Pando

/// `pando search`: pictures for words.
struct SearchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "search",
        abstract: "Find the pictures in a folder that fit a text.",
        discussion: """
            Needs a bundle with a retrieval task. Features of pictures are kept, so that the next search is quick.

              pando search out/clipart "red apple" --in drawings/
            """)

    @Argument(help: "The bundle, a folder that pando train wrote.")
    var bundle: String

    @Argument(help: "What to look for.")
    var query: String

    @Option(name: .customLong("in"), help: ArgumentHelp("Where to look; with all folders inside.", valueName: "folder"))
    var folder: String

    @Option(help: "How many pictures to show.")
    var top: Int = 10

    @Option(help: ArgumentHelp("Draw the pictures found on one PNG.", valueName: "file"))
    var sheet: String?

    @OptionGroup var features: FeatureOptions
    @OptionGroup var printing: OutputOptions

    func validate() throws {
        if !(1...10_000).contains(top) { throw ValidationError("--top is 1 to 10000, not \(top)") }
        if query.allSatisfy(\.isWhitespace) { throw ValidationError("the text to look for is empty") }
    }

    func run() throws {
        let bundle = try Bundle(at: URL(fileURLWithPath: bundle, isDirectory: true))
        let images = try ImageFolder.images(in: URL(fileURLWithPath: folder, isDirectory: true))
        guard !images.isEmpty else { throw ValidationError("there are no pictures in \(folder)") }
        let display = SessionDisplay(isQuiet: printing.quiet)
        let matches = try Interruption.watching(display) { flag in
            try bundle.search(
                query, in: images, limit: top, store: try features.store(), decoder: features.pictures.decoder,
                workers: features.pictures.workerCount, isStrict: features.pictures.strict, cancellation: flag,
                display.show)
        }
        if let sheet {
            let captions = matches.map { [String(format: "%.3f", $0.score)] }
            try features.pictures.draw(matches.map(\.image), captions: captions, on: sheet)
        }
        if printing.json { return try Console.print(json: matches) }
        for match in matches { print(String(format: "%.3f  %@", match.score, match.image)) }
        if let sheet { print("wrote \(sheet)") }
    }
}
