import ArgumentParser
import Foundation
import PandoData

/// Measures Pando and its peers at the same works, in turns, and prints how they compare.
struct CompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Measure Pando against PyTorch and OpenVINO, in one run on this machine.",
        discussion: """
            Each work is measured in turns, round by round: Pando, a peer, the next peer, and again. Figures are medians, \
            with half of the way from the slower to the faster quarter behind ±. The ratio is Pando's figure over the \
            best peer's; of seconds and memory, less is better.

            Example: ./run bench --only "forward mobilenet_v2"
            """)

    @Option(help: "The Python that has PyTorch and OpenVINO.")
    var python = ".bench/bin/python3"

    @Option(help: "The script that measures the peers.")
    var peers = "Benchmarks/peers.py"

    @Option(help: "A folder of PNGs, or a file with a path a line: the files that features are extracted of.")
    var images = "/usr/share/openclipart/png"

    @Option(help: "Where features are kept from one run to the next.")
    var features = ".bench/features"

    @Option(help: "How many files of a folder are taken.")
    var sample = 120

    @Option(
        help: ArgumentHelp(
            "Only works whose line in the table begins like this, where * stands for anything: 'training', 'forward vit*bf16'.",
            valueName: "pattern"))
    var only: String?

    @Flag(help: "Shorter and less exact.")
    var quick = false

    @Flag(help: "Measure every forward pass on a machine with one core kept busy, not only a few.")
    var busy = false

    @Flag(name: .customLong("no-peers"), help: "Measure Pando alone.")
    var noPeers = false

    @Flag(help: "Print JSON: the machine, and a row for each line of the table.")
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
        let works = try chosen(
            from: Work.all(
                images: files, workers: machine.cores, everyBusy: busy, features: URL(fileURLWithPath: features)))

        let bystanders = Bystanders()
        var meeting = Meeting(
            stopwatch: quick ? .quick : .usual,
            options: noPeers ? nil : .init(python: python, peers: peers, imageList: list))
        let begin = Stopwatch.now
        var comparisons: [Comparison] = []
        for (index, work) in works.enumerated() {
            let minutes = (Stopwatch.now - begin) / 60
            tell("\(index + 1) of \(works.count), after \(minutes.formatted(digits: 1)) min")
            do {
                comparisons += try work.measure(&meeting).filter { isChosen($0.key) }
            } catch {
                meeting.note("\(work.keys[0].description): \(error)")
            }
        }
        try meeting.dismiss()
        let report = Report(
            machine: machine, complaint: bystanders.complaint, comparisons: comparisons, failures: meeting.failures)
        print(json ? try report.json() : report.text)
    }

    private func isChosen(_ key: Work.Key) -> Bool {
        only.map { fnmatch($0 + "*", key.description, 0) == 0 } ?? true
    }

    private func chosen(from works: [Work]) throws -> [Work] {
        let found = works.filter { $0.keys.contains(where: isChosen) }
        if found.isEmpty {
            throw ValidationError(
                "no work begins with '\(only ?? "")'; there are\n"
                    + works.flatMap(\.keys).map { "  " + $0.description }.joined(separator: "\n"))
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
