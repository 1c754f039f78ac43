import ArgumentParser
import Foundation
import Logging
import NIOCore
import Pando
import PandoServing

/// `pando serve`: a bundle over HTTP.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve a bundle over HTTP: all tasks from one pass.",
        discussion: """
            A page to look at stands at /, a plain interface at /predict, the Open Inference Protocol V2 (tritonclient) at /v2, \
            Prometheus metrics at /metrics, and their description at /openapi.json. A bundle that changes on disk is loaded \
            without dropping a request; SIGTERM lets requests under way finish.

              pando serve out/clipart
              curl --data-binary @drawing.png 'http://127.0.0.1:8080/predict?top=3'

              pando serve out/clipart --gallery drawings/             with POST /search
              pando serve out/clipart --host 0.0.0.0 --tokens tokens.txt
              pando serve out/debian --minimum-compute 0.25           lower cost when the queue grows
            """)

    @Argument(help: "The bundle, a folder that pando train wrote.")
    var bundle: String

    @Option(help: "Address to listen at; 0.0.0.0 for everybody.")
    var host: String = "127.0.0.1"

    @Option(help: "Port to listen at; 0 for any that is free.")
    var port: Int = 8080

    @Option(help: ArgumentHelp("Certificate chain in PEM; with --tls-key, clients speak TLS.", valueName: "file"))
    var tlsCertificate: String?

    @Option(help: ArgumentHelp("Private key of the certificate, in PEM.", valueName: "file"))
    var tlsKey: String?

    @Option(
        help: ArgumentHelp(
            "Bearer tokens, one a line: a token, a space, the tasks it opens separated by commas, or *.", valueName: "file"))
    var tokens: String?

    @Option(help: "Threads that compute (default: the cores this process may use).")
    var workers: Int?

    @Option(help: "Examples of one pass, at most.")
    var batch: Int = 16

    @Option(help: ArgumentHelp("How long the first example of a batch waits for others.", valueName: "milliseconds"))
    var batchDelay: Double = 0

    @Option(help: "Examples that may wait; further requests are refused with 429.")
    var queue: Int = ServingLimits().queueLength

    @Option(help: ArgumentHelp("How long a request may wait for its turn, unless it says so itself.", valueName: "seconds"))
    var deadline: Double = ServingLimits().deadlineSeconds

    @Option(help: "Connections at a time.")
    var connections: Int = ServingLimits().connections

    @Option(help: ArgumentHelp("How long a client may take to send a request, or stay silent.", valueName: "seconds"))
    var clientTimeout: Int = ServingLimits().headSeconds

    @Option(help: "Megabytes of a request, at most.")
    var maxBody: Int = ServingLimits().bodyBytes >> 20

    @Option(help: "Pictures of more pixels than this, in millions, are refused undecoded.")
    var maxMegapixels: Int = ServingLimits().picturePixels / 1_000_000

    @Option(help: ArgumentHelp("Lowest compute level that a growing queue may lead to.", valueName: "share"))
    var minimumCompute: String = "0.01"

    @Option(help: ArgumentHelp("Compute level of requests that name none, while the queue is short.", valueName: "share"))
    var maximumCompute: String = "1"

    @Option(help: ArgumentHelp("Wait at which the compute level goes down.", valueName: "milliseconds"))
    var patience: Double = 100

    @Option(help: ArgumentHelp("How long an answer is good for the same example; 0 for never.", valueName: "seconds"))
    var reuse: Double = 1

    @Option(help: ArgumentHelp("Pictures that POST /search looks through.", valueName: "folder"))
    var gallery: String?

    @Option(help: ArgumentHelp("Folder of stored features, for --gallery (default: \(Locations.features.path)).", valueName: "folder"))
    var features: String?

    @Flag(help: "Do not load a bundle that changes on disk.")
    var noWatch = false

    @Option(help: ArgumentHelp("How long to answer on after SIGTERM, while balancers look elsewhere.", valueName: "seconds"))
    var drainDelay: Double = 0

    @Option(help: ArgumentHelp("What to log: trace, debug (every request), info, warning, error.", valueName: "level"))
    var logLevel: String = "info"

    @Option(help: ArgumentHelp("text or json.", valueName: "format"))
    var logFormat: String = "text"

    func validate() throws {
        func check(_ holds: Bool, _ text: @autoclosure () -> String) throws { if !holds { throw ValidationError(text()) } }
        try check((0...65_535).contains(port), "--port is 0 to 65535, not \(port)")
        try check((tlsCertificate == nil) == (tlsKey == nil), "--tls-certificate and --tls-key go together")
        try check(workers.map((1...1024).contains) ?? true, "--workers is 1 to 1024")
        try check((1...256).contains(batch), "--batch is 1 to 256, not \(batch)")
        try check((0...10_000).contains(batchDelay), "--batch-delay is 0 to 10000 milliseconds, not \(batchDelay)")
        try check((1...100_000).contains(queue), "--queue is 1 to 100000, not \(queue)")
        try check((0.001...3600).contains(deadline), "--deadline is 0.001 to 3600 seconds, not \(deadline)")
        try check((1...1_000_000).contains(connections), "--connections is 1 to 1000000, not \(connections)")
        try check((1...3600).contains(clientTimeout), "--client-timeout is 1 to 3600 seconds, not \(clientTimeout)")
        try check((1...1024).contains(maxBody), "--max-body is 1 to 1024 megabytes, not \(maxBody)")
        try check((1...1000).contains(maxMegapixels), "--max-megapixels is 1 to 1000, not \(maxMegapixels)")
        try check((1...60_000).contains(patience), "--patience is 1 to 60000 milliseconds, not \(patience)")
        try check((0...3600).contains(reuse), "--reuse is 0 to 3600 seconds, not \(reuse)")
        try check((0...600).contains(drainDelay), "--drain-delay is 0 to 600 seconds, not \(drainDelay)")
        try check(Logger.Level(rawValue: logLevel) != nil, "--log-level is trace, debug, info, warning or error, not '\(logLevel)'")
        try check(LogLines.Format(rawValue: logFormat) != nil, "--log-format is text or json, not '\(logFormat)'")
        _ = try levels
    }

    private var levels: ClosedRange<ComputeLevel> {
        get throws {
            let (low, high) = (
                try level(minimumCompute, "--minimum-compute"), try level(maximumCompute, "--maximum-compute")
            )
            if low > high { throw ValidationError("--minimum-compute \(low) is above --maximum-compute \(high)") }
            return low...high
        }
    }

    private func level(_ text: String, _ option: String) throws -> ComputeLevel {
        do { return try ComputeLevel(parsing: text) } catch { throw ValidationError("\(option): \(error)") }
    }

    func run() async throws {
        guard let level = Logger.Level(rawValue: logLevel), let format = LogLines.Format(rawValue: logFormat) else { return }
        let logger = Logger(label: "pando") { _ in LogLines(format, level: level) }
        let runtime = ServingRuntime(try runtimeConfiguration(), logger: logger)
        var server = PandoServer.Configuration()
        (server.host, server.port, server.watchesBundle) = (host, port, !noWatch)
        server.drainDelay = .seconds(drainDelay)
        if let tlsCertificate, let tlsKey {
            server.certificate = (URL(fileURLWithPath: tlsCertificate), URL(fileURLWithPath: tlsKey))
        }
        server.tokens = try tokens.map { try AccessTokens(file: URL(fileURLWithPath: $0)) }
        if server.tokens == nil, !["127.0.0.1", "localhost", "::1"].contains(host) {
            Console.note("everybody who reaches \(host) may ask and unload tasks; --tokens says who may")
        }
        try await runtime.load()
        let address = "\(tlsCertificate == nil ? "http" : "https")://\(host.contains(":") ? "[\(host)]" : host)"
        do {
            try await PandoServer(runtime, server, logger: logger).run { port in
                guard let served = runtime.served else { return }
                let tasks = served.bundle.tasks.map(\.name).joined(separator: ", ")
                Console.note("serving \(served.name) \(served.bundle.version) (\(tasks)) at \(address):\(port)")
            }
        } catch let error as IOError {
            throw ValidationError("cannot listen at \(host), port \(port): \(String(cString: strerror(error.errnoCode)))")
        }
    }

    private func runtimeConfiguration() throws -> ServingRuntime.Configuration {
        var configuration = ServingRuntime.Configuration(
            bundle: URL(fileURLWithPath: bundle, isDirectory: true), costCache: Locations.costs)
        (configuration.batchSize, configuration.batchDelay) = (batch, .seconds(batchDelay / 1000))
        if let workers { configuration.workers = workers }
        configuration.levels = try levels
        configuration.patience = .seconds(patience / 1000)
        configuration.reuseWindow = .seconds(reuse)
        configuration.limits.queueLength = queue
        configuration.limits.deadlineSeconds = deadline
        configuration.limits.connections = connections
        (configuration.limits.headSeconds, configuration.limits.bodySeconds) = (clientTimeout, clientTimeout)
        configuration.limits.bodyBytes = maxBody << 20
        configuration.limits.picturePixels = maxMegapixels * 1_000_000
        configuration.limits.heldPixels = min(configuration.limits.heldPixels, maxMegapixels * 1_000_000)
        if let gallery {
            let folder = features.map { URL(fileURLWithPath: $0, isDirectory: true) } ?? Locations.features
            configuration.gallery = try Gallery(
                in: URL(fileURLWithPath: gallery, isDirectory: true), store: FeatureStore(directory: folder))
        }
        return configuration
    }
}
