import ArgumentParser
import Foundation
import Pando
import PandoLoad
import Synchronization

/// `pando bench-serve`: how a server does under load.
struct BenchServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench-serve",
        abstract: "Load a server with requests, and tell how it does.",
        discussion: """
            With --rate requests are sent when they are due, whether or not answers have come, and latency counts from \
            that moment; what finds none of --connections free in time is counted as not sent. With --closed so many \
            clients ask again as soon as they are answered, which finds what the server can do at most. --steps finds \
            that by itself, then reports at shares of it.

              pando bench-serve http://127.0.0.1:8080 drawings/*.png --rate 200 --seconds 30
              pando bench-serve http://127.0.0.1:8080 drawings/*.png --closed 16
              pando bench-serve http://127.0.0.1:8080 --texts texts.txt --rate 500 --tasks section --compute 0.5
              pando bench-serve http://127.0.0.1:8080 drawings/*.png --steps --seconds 10
              pando bench-serve http://127.0.0.1:8000 photo.jpg --path /classify --body multipart --closed 16
            """)

    @Argument(help: "The server's address, such as http://127.0.0.1:8080.")
    var address: String

    @Argument(help: "Pictures that are sent in turns.")
    var pictures: [String] = []

    @Option(help: ArgumentHelp("Send the lines of this file, a text a request, instead of pictures.", valueName: "file"))
    var texts: String?

    @Option(help: "Requests a second, whether or not answers have come.")
    var rate: Double?

    @Option(help: ArgumentHelp("Clients that each ask again when they are answered.", valueName: "clients"))
    var closed: Int?

    @Flag(help: "Find the saturation, then report at 10, 50, 80, 95, 100 and 300 % of it.")
    var steps = false

    @Option(help: "How requests follow each other at a rate: constant or poisson.")
    var arrivals: Arrivals = .constant

    @Option(help: "How long; with --steps each step. At most 3600.")
    var seconds: Double = 30

    @Option(help: "Requests that can be under way.")
    var connections: Int = 256

    @Option(help: "Seconds after which an answer does not matter any more.")
    var patience: Double = 10

    @Option(help: "Ask only for these tasks, separated by commas.")
    var tasks: String?

    @Option(help: "Ask for this compute level.")
    var compute: Double?

    @Option(help: "The path of predictions, for servers of other kinds (default: the address's own, or /predict).")
    var path: String?

    @Option(help: "How a body is wrapped: raw or multipart.")
    var body: LoadBody.Form = .raw

    @Flag(help: "Give every JPEG a comment of its own, so that a server which remembers answers computes each.")
    var distinct = false

    @Flag(help: "Take an address that is not this machine's own.")
    var allowRemote = false

    @OptionGroup var output: OutputOptions

    func validate() throws {
        if [rate != nil, closed != nil, steps].count(where: { $0 }) != 1 {
            throw ValidationError("take one of --rate, --closed and --steps")
        }
        if pictures.isEmpty == (texts == nil) { throw ValidationError("name pictures, or a file of --texts") }
        if let rate, !(rate > 0 && rate <= Load.highestRate) {
            throw ValidationError("--rate is above 0 and at most \(Int(Load.highestRate)), not \(rate)")
        }
        if let closed, !(1...Load.mostConnections).contains(closed) {
            throw ValidationError("--closed is 1 to \(Load.mostConnections), not \(closed)")
        }
        if !(1...Load.mostConnections).contains(connections) {
            throw ValidationError("--connections is 1 to \(Load.mostConnections), not \(connections)")
        }
        if !(seconds > 0 && seconds <= Load.longestSeconds) {
            throw ValidationError("--seconds is above 0 and at most \(Int(Load.longestSeconds)), not \(seconds)")
        }
        if !(patience > 0 && patience <= Load.longestSeconds) {
            throw ValidationError("--patience is above 0 and at most \(Int(Load.longestSeconds)), not \(patience)")
        }
    }

    func run() async throws {
        var query: [(name: String, value: String)] = []
        if let tasks { query.append(("tasks", tasks)) }
        if let compute { query.append(("compute", "\(compute)")) }
        let address = try LoadAddress(address, path: path, query: query, allowsRemote: allowRemote)
        let bodies = try texts.map { try LoadBody.texts(in: $0, as: body) } ?? LoadBody.pictures(pictures, as: body)
        var load = Load(address, bodies: bodies, pace: .closed(clients: closed ?? 1), seconds: seconds)
        if let rate { load.pace = .open(rate: rate, arrivals) }
        (load.connections, load.patience, load.areDistinct) = (connections, patience, distinct)
        let display = LoadDisplay(isQuiet: output.quiet)
        if steps {
            let found = try await load.steps(arrivals: arrivals, onStep: display.begin, onSecond: display.show)
            return try output.json ? Console.print(json: found) : print(LoadText.table(found))
        }
        let report = try await load.run(onSecond: display.show)
        try output.json ? Console.print(json: report) : print(LoadText.text(report))
    }
}

extension Arrivals: ExpressibleByArgument {}
extension LoadBody.Form: ExpressibleByArgument {}

/// A line a second on standard error.
private final class LoadDisplay: Sendable {
    private let isQuiet: Bool
    private let last = Mutex<Load.Progress?>(nil)

    init(isQuiet: Bool) { self.isQuiet = isQuiet }

    /// Says at which share of the saturation, or that this is looked for.
    @Sendable func begin(_ share: Double?) {
        last.withLock { $0 = nil }
        guard !isQuiet else { return }
        Console.note(share.map { "at \(Int(($0 * 100).rounded())) % of the saturation" } ?? "looking for the saturation")
    }

    @Sendable func show(_ progress: Load.Progress) {
        guard !isQuiet else { return }
        let since = last.withLock { last in
            defer { last = progress }
            return last.map { progress.seconds > $0.seconds ? progress.since($0) : progress } ?? progress
        }
        var parts = ["sent \(since.sent)", "answered \(since.accepted)"]
        for (count, what) in [(since.refused, "refused"), (since.otherAnswers, "other answers"), (since.failed, "failed")]
        where count > 0 { parts.append("\(what) \(count)") }
        Console.note(String(format: "%4.0f s  ", progress.seconds) + parts.joined(separator: ", "))
    }
}

extension Load.Progress {
    /// What came since an earlier state.
    fileprivate func since(_ earlier: Self) -> Self {
        var difference = self
        difference.sent -= earlier.sent
        difference.accepted -= earlier.accepted
        difference.refused -= earlier.refused
        difference.otherAnswers -= earlier.otherAnswers
        difference.failed -= earlier.failed
        return difference
    }
}
