import ArgumentParser
import Foundation
import PandoData

/// Measures Pando and its peers at the same works, in turns, and prints how they compare.
@main
struct PandoBenchmarks: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "PandoBenchmarks",
        abstract: "Measure Pando against PyTorch and OpenVINO, in one run on this machine.",
        discussion: """
            Each work is measured in turns: Pando, a peer, Pando, the next peer, Pando. Rates are medians, with half of \
            the way from the slower to the faster repeats behind ±. A peer's rate is followed by Pando's over it.

            Example: ./run bench --only "forward mobilenet_v2"
            """)

    @Option(help: "The Python that has PyTorch and OpenVINO.")
    var python = ".bench/bin/python3"

    @Option(help: "The script that measures the peers.")
    var peers = "Benchmarks/peers.py"

    @Option(help: "A folder of PNGs, or a file with a path a line: the files that features are extracted of.")
    var images = "/usr/share/openclipart/png"

    @Option(help: "How many files of a folder are taken.")
    var sample = 240

    @Option(help: "Only works whose line in the table begins like this, such as 'head' or 'forward mobilenet_v2 bf16'.")
    var only: String?

    @Flag(help: "Shorter and less exact.")
    var quick = false

    @Flag(name: .customLong("no-peers"), help: "Measure Pando alone.")
    var noPeers = false

    @Flag(help: "Print JSON: the machine, and a row for each work and peer.")
    var json = false

    func validate() throws {
        if sample < 1 { throw ValidationError("--sample takes a number from 1 on, got \(sample)") }
    }

    func run() throws {
        // A peer that ends early must not take the benchmark with it.
        signal(SIGPIPE, SIG_IGN)
        let machine = Machine()
        let files = try imageFiles()
        let list = FileManager.default.temporaryDirectory.appendingPathComponent("pando-images-\(getpid()).txt")
        try Data(files.map { $0.path + "\n" }.joined().utf8).write(to: list)
        defer { unlink(list.path) }
        let works = try chosen(from: Work.all(images: files, workers: machine.cores))

        let bystanders = Bystanders()
        var meeting = Meeting(
            stopwatch: quick ? .quick : .usual,
            options: noPeers ? nil : .init(python: python, peers: peers, imageList: list, quick: quick))
        let comparisons = try works.map { try meeting.compare($0) }
        try meeting.close()
        let complaint = bystanders.complaint
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            let report = Report(
                machine: machine, complaint: complaint, comparisons: comparisons, failures: meeting.failures)
            print(String(decoding: try encoder.encode(report), as: UTF8.self))
        } else {
            print(([machine.description, complaint].compactMap { $0 } + ["", table(comparisons)]).joined(separator: "\n"))
            for failure in meeting.failures { print("no figures from \(failure)") }
        }
    }

    private func chosen(from works: [Work]) throws -> [Work] {
        guard let only else { return works }
        let found = works.filter { $0.key.description.hasPrefix(only) }
        if found.isEmpty {
            throw ValidationError(
                "no work begins with '\(only)'; there are\n" + works.map { "  " + $0.key.description }.joined(separator: "\n"))
        }
        return found
    }

    /// The files of the list, or every n-th of the folder in the order of their paths; none where nothing is.
    private func imageFiles() throws -> [URL] {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: images, isDirectory: &isFolder) else {
            tell("no images at \(images): extraction is not measured")
            return []
        }
        if !isFolder.boolValue {
            let text = try String(contentsOfFile: images, encoding: .utf8)
            return text.split(separator: "\n").map { URL(fileURLWithPath: String($0)) }
        }
        let root = URL(fileURLWithPath: images)
        let paths = (FileManager.default.enumerator(atPath: images)?.compactMap { $0 as? String } ?? [])
            .filter { $0.hasSuffix(".png") }
            .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        let count = min(quick ? sample / 4 : sample, paths.count)
        return (0..<count).map { root.appendingPathComponent(paths[$0 * paths.count / count]) }
    }
}

/// Says something that is not a result.
func tell(_ text: String) { FileHandle.standardError.write(Data("bench: \(text)\n".utf8)) }
