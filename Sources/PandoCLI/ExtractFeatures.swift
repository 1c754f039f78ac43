import ArgumentParser
import Foundation
import Pando

/// `pando features FILE...`: runs a backbone over pictures and the frames of videos.
struct ExtractFeatures: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "extract",
        abstract: "Compute features of pictures and of the frames of videos.",
        discussion: """
            Writes a safetensors file: `pooled`, a row for each picture and each frame; a tensor for each tap;
            `timestamps`, the seconds from the start of the video; `source`, which of the files a row is of. The files,
            and what could not be read of them, are listed in its metadata. `extract` may be left out.

              pando features clip.mp4
              pando features clip.mp4 --segments 8 --start 60 --end 90 -o minute.safetensors
              pando features drawings/ --backbone efficientnet_lite0 --taps _blocks.7 -o drawings.safetensors
            """)

    @Argument(help: "Pictures, videos, and folders of them.")
    var sources: [String]

    @Option(help: ArgumentHelp("A network's name, or a file or folder of weights.", valueName: "name|path"))
    var backbone = "mobilenet_v2"

    @Option(help: "Frames a second of each video (default: 1).")
    var rate: Double?

    @Option(help: "So many frames of each video, evenly placed from the first to the last.")
    var count: Int?

    @Option(help: "The middle frame of each of so many parts of each video.")
    var segments: Int?

    @Flag(help: "Every frame.")
    var every = false

    @Option(help: "Seconds at which the part of each video begins that is looked at.")
    var start = 0.0

    @Option(help: "Seconds at which it ends.")
    var end: Double?

    @Option(help: "Taps to return besides the pooled vector, with commas between.")
    var taps: String?

    @Flag(help: "Return the mean of each tap over the picture instead of all its places.")
    var poolTaps = false

    @Option(name: .shortAndLong, help: ArgumentHelp("Where to write.", valueName: "file"))
    var output = "features.safetensors"

    @OptionGroup var pictures: PictureOptions
    @OptionGroup var printing: OutputOptions

    func validate() throws {
        if sources.isEmpty { throw ValidationError("name at least one picture, video or folder") }
        let chosen = [rate != nil, count != nil, segments != nil, every].count { $0 }
        if chosen > 1 { throw ValidationError("--rate, --count, --segments and --every exclude one another") }
        if let rate, !(rate > 0 && rate <= 1000) { throw ValidationError("--rate is above 0 and at most 1000, not \(rate)") }
        for (name, number) in [("--count", count), ("--segments", segments)] {
            if let number, !(1...1_000_000).contains(number) {
                throw ValidationError("\(name) is 1 to 1000000, not \(number)")
            }
        }
        if !(start >= 0 && start.isFinite) { throw ValidationError("--start is 0 or more seconds, not \(start)") }
        if let end, !(end > start) { throw ValidationError("--end is after --start (\(start)), not \(end)") }
    }

    private var sampling: VideoSampling {
        if every { return .every }
        if let count { return .count(count) }
        if let segments { return .segments(segments) }
        return .rate(rate ?? 1)
    }

    func run() throws {
        let files = try sources.flatMap { source in
            let found = try MediaFile.files(at: URL(fileURLWithPath: source))
            if found.isEmpty { throw ValidationError("there are no pictures or videos in \(source)") }
            return found
        }
        let extraction = try extraction()
        let display = SessionDisplay(isQuiet: printing.quiet)
        let features = try Interruption.watching(display, stopped: "nothing was written") { flag in
            try extraction.extract(files, cancellation: flag) { done, total in
                display.show(.progress(title: "features", unit: "pictures and frames", done: done, total: total))
            }
        }
        let place = URL(fileURLWithPath: output)
        try features.write(to: place, backbone: backbone)
        for file in features.unreadable { Console.note(file.error) }
        for source in features.sources {
            for problem in source.problems {
                Console.note("\(source.path): at \(Console.short(problem.time)) s: \(problem.text)")
            }
        }
        if printing.json {
            try Console.print(json: Report(features, in: place))
        } else {
            show(features)
        }
        if !features.unreadable.isEmpty { throw ExitCode.failure }
    }

    private func extraction() throws -> MediaExtraction {
        let (network, preprocessing) = try openBackbone()
        let names = taps?.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) } ?? []
        let known = network.taps.map(\.name)
        for name in names where !known.contains(name) {
            throw ValidationError("\(backbone) has no tap \(name); it has \(known.joined(separator: ", "))")
        }
        let precision: ElementType = Processor.hasNativeBFloat16 ? .bfloat16 : .float32
        let whole = FeatureRequest(taps: poolTaps ? [] : names, vector: true)
        return MediaExtraction(
            FrozenBackbone(network, precision: precision, for: whole, summarizing: poolTaps ? names : []),
            preprocessing: preprocessing, sampling: sampling, start: start, end: end, imageDecoder: pictures.decoder,
            videoDecoder: VideoDecoder(pixelLimit: pictures.maxMegapixels * 1_000_000), workers: pictures.workerCount,
            isStrict: pictures.strict)
    }

    /// A file or folder if there is one of that name, else a network whose weights the set-up fetched.
    private func openBackbone() throws -> (any ImageBackbone, Preprocessing) {
        let opened: OpenedBackbone
        if FileManager.default.fileExists(atPath: backbone) {
            opened = try BackboneSource(URL(fileURLWithPath: backbone)).open()
        } else {
            let architecture = try Catalog.architecture(named: backbone)
            opened = try BackboneSource(architecture.fetchedWeights(), named: architecture.name).open()
        }
        guard let preprocessing = opened.preprocessing else {
            throw ValidationError("nothing tells how pictures are fed to \(backbone); expected a preprocessor_config.json")
        }
        return (try opened.imageBackbone(), preprocessing)
    }

    /// What `--json` prints.
    private struct Report: Encodable {
        let file: String
        let pooled: [Int]
        let taps: [String: [Int]]
        let sources: [MediaFeatures.Source]
        let unreadable: [MediaFeatures.Unreadable]

        init(_ features: MediaFeatures, in place: URL) {
            file = place.path
            pooled = features.pooled.shape
            taps = features.taps.mapValues(\.shape)
            (sources, unreadable) = (features.sources, features.unreadable)
        }
    }

    private func show(_ features: MediaFeatures) {
        var table = Table([.init("file"), .init("rows", .right), .init("what")])
        for source in features.sources {
            table.add([source.path, "\(source.rowCount)", source.video.map(Self.inWords) ?? source.kind])
        }
        print(table)
        let taps = features.taps.sorted { $0.key < $1.key }.map { ", \($0.key) \($0.value.shape)" }.joined()
        print("wrote \(output): pooled \(features.pooled.shape)\(taps)")
    }

    /// `h264 640 x 360, 25 frames/s, 12.5 s`.
    private static func inWords(_ header: VideoHeader) -> String {
        var words = "\(header.codec) \(header.size.width) x \(header.size.height)"
        if let rate = header.frameRate { words += ", \(Console.short(rate)) frames/s" }
        if let duration = header.duration { words += ", \(Console.short(duration)) s" }
        return words
    }
}
