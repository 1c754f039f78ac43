import Foundation
import Logging
import NIOPosix
import PandoBranches
import PandoData
import PandoTraining
import Synchronization

/// Answers requests from a bundle: decodes on threads of its own, gathers examples into batches, runs one pass for all tasks
/// that are asked, and puts a new bundle in the place of the old one without dropping anything.
public final class ServingRuntime: Sendable {
    /// How it runs.
    public struct Configuration: Sendable {
        public var bundle: URL
        public var limits = ServingLimits()
        /// Examples of a batch, at most.
        public var batchSize = 16
        /// How long the first example of a batch waits for others.
        public var batchDelay = Duration.zero
        /// Threads that compute, and as many that decode.
        public var workers = MachineResources.allowedCores
        /// Bounds of the compute level of requests that name none.
        public var levels = ClosedRange(uncheckedBounds: (try! ComputeLevel(0.01), ComputeLevel.whole))  // 0.01 is a level
        /// How long an example may wait before the compute level of requests that name none goes down.
        public var patience = Duration.milliseconds(100)
        /// How long an answer is good for the same example.
        public var reuseWindow = Duration.seconds(1)
        /// Folder that keeps what elastic bundles take on this machine.
        public var costCache: URL
        public var gallery: Gallery?

        public init(bundle: URL, costCache: URL) { (self.bundle, self.costCache) = (bundle, costCache) }
    }

    private struct State {
        var served: ServedBundle?
        var controller: ComputeController?
        /// Tasks that an operator put out of service.
        var unloaded: Set<String> = []
        /// Why the bundle on disk is not the one that is served.
        var problem: String?
        var isLoading = false
        var isDraining = false
        /// What an example took lately.
        var timePerExample = Duration.zero
    }

    public let configuration: Configuration
    let metrics = ServingMetrics()
    let statistics = ModelStatistics()
    private let logger: Logger
    private let state = Mutex(State())
    private let queue: JobQueue
    private let decoders: NIOThreadPool
    private let recent: RecentAnswers
    private let engine: Engine

    public init(_ configuration: Configuration, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
        let (queue, recent) = (JobQueue(limit: configuration.limits.queueLength), RecentAnswers(window: configuration.reuseWindow))
        let observer = BatchObserver()
        (self.queue, self.recent) = (queue, recent)
        decoders = NIOThreadPool(numberOfThreads: configuration.workers)
        decoders.start()
        engine = Engine(
            queue, batching: .init(size: configuration.batchSize, delay: configuration.batchDelay),
            workers: configuration.workers
        ) { batch in
            recent.remember(batch)
            observer.tell(batch)
        }
        observer.runtime.withLock { $0 = WeakRuntime(self) }
    }

    deinit { decoders.shutdownGracefully { _ in } }

    // MARK: - The bundle

    /// The bundle that is served.
    public var served: ServedBundle? { state.withLock { $0.served } }
    /// Whether predictions are answered.
    public var isReady: Bool { state.withLock { $0.served != nil && !$0.isDraining } }
    /// Why the bundle on disk is not the one that is served.
    public var problem: String? { state.withLock { $0.problem } }
    var isLoading: Bool { state.withLock { $0.isLoading } }
    var isDraining: Bool { state.withLock { $0.isDraining } }

    /// Opens the bundle anew, and serves it from the moment it is warm. If that fails, what was served before stays.
    ///
    /// - Throws: why it cannot be served.
    public func load() async throws {
        let began = state.withLock { state in
            defer { state.isLoading = true }
            return !state.isLoading
        }
        guard began else { throw ServingError.unavailable("the bundle is being loaded already") }
        defer { state.withLock { $0.isLoading = false } }
        let configuration = configuration
        do {
            let served = try await decoders.runIfActive {
                try ServedBundle(
                    at: configuration.bundle, costCache: configuration.costCache, gallery: configuration.gallery,
                    workers: configuration.workers)
            }
            let controller = controller(for: served)
            state.withLock { state in
                (state.served, state.controller, state.problem) = (served, controller, nil)
                state.timePerExample = .zero
            }
            recent.forget()
            metrics.loaded("success")
            logger.info("bundle loaded", metadata: ["bundle": "\(served.name)", "version": "\(served.version)"])
        } catch {
            state.withLock { $0.problem = "\(error)" }
            metrics.loaded("failure")
            logger.error("bundle not loaded", metadata: ["error": "\(error)"])
            throw error
        }
    }

    /// Serves nothing until the bundle is loaded again. Requests under way are answered.
    func unload() {
        state.withLock { state in (state.served, state.controller) = (nil, nil) }
        logger.info("bundle unloaded")
    }

    /// Puts a task out of service, or back into it.
    func setServed(_ task: String, _ isServed: Bool) {
        state.withLock { state in
            if isServed { state.unloaded.remove(task) } else { state.unloaded.insert(task) }
        }
    }

    /// Whether a task is in service.
    func isServed(_ task: String) -> Bool { state.withLock { !$0.unloaded.contains(task) } }

    /// Refuses what comes from now on; what is under way is answered.
    public func drain() { state.withLock { $0.isDraining = true } }

    private func controller(for served: ServedBundle) -> ComputeController? {
        let shares = served.levels.map { served.share(of: $0) }
        let levels = shares.compactMap { try? ComputeLevel(min($0, 1)) }  // a share above 1 is noise of measuring
            .filter { configuration.levels.contains($0) }
        if shares.isEmpty { return nil }
        // Where no level lies between the bounds, the best one below the upper bound is run.
        return ComputeController(
            levels: levels.isEmpty ? [configuration.levels.upperBound] : levels, patience: configuration.patience)
    }

    /// The compute level of requests that name none.
    var level: ComputeLevel { state.withLock { $0.controller?.level ?? .whole } }

    fileprivate func observe(_ batch: Engine.Batch) {
        metrics.computed(batchOf: batch.jobs.count)
        let waiting = queue.waiting
        state.withLock { state in
            let time = batch.time / batch.jobs.count
            state.timePerExample = state.timePerExample == .zero ? time : (state.timePerExample * 7 + time) / 8
            state.controller?.observe(waiting: waiting, timePerExample: state.timePerExample, at: .now)
        }
    }

    /// Seconds until those who wait have been answered.
    private var retryAfter: Int {
        let time = state.withLock { $0.timePerExample } * queue.admitted
        return max(1, Int((time.milliseconds / 1000).rounded(.up)))
    }

    /// Brings gauges up to date and writes all metrics as Prometheus reads them.
    func metricsText() -> String {
        metrics.gauge("pando_queue_length", Double(queue.waiting))
        metrics.gauge("pando_examples_in_flight", Double(queue.admitted))
        metrics.gauge("pando_compute_level", level.share)
        metrics.gauge("pando_resident_memory_bytes", Double(ServingMetrics.residentBytes))
        metrics.gauge("pando_ready", isReady ? 1 : 0)
        return metrics.registry.text()
    }

    /// Runs `body` on a thread that decodes, apart from those that all requests share.
    /// - Throws: what `body` throws, or `ServingError` once the server is ending.
    func apart<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await decoders.runIfActive(body)
    }

    // MARK: - Requests

    /// What a request asks for.
    struct Request: Sendable {
        /// Names of tasks; `nil` for all that are in service.
        var tasks: [String]?
        /// `nil` for the level that is in force.
        var level: ComputeLevel?
        /// From now to the request's turn.
        var timeout: Duration?
        /// Whether nobody listens any more.
        var isGone: @Sendable () -> Bool = { false }
    }

    /// What a request gets.
    struct Response: Sendable {
        let served: ServedBundle
        /// Tasks by their places in the bundle, in the order in which they were asked for.
        let tasks: [Int]
        let answers: [ExampleAnswer]
        let decodeTime: Duration
        let level: ComputeLevel
        /// Sentences for who asked.
        let notices: [String]
    }

    /// Whether there is room for another request. Asked before its body is read, so that a refusal costs little.
    func checkRoom() throws(ServingError) {
        if isDraining { throw .unavailable("the server is ending; ask another one") }
        if queue.admitted >= configuration.limits.queueLength { throw .overloaded(retryAfter: retryAfter) }
    }

    /// What the tasks say of each example, all from one pass.
    ///
    /// - Throws: `ServingError`: an example cannot be read, a task is unknown or out of service, the queue is full, the
    ///   deadline passed, or nothing is served.
    func answer(_ examples: [RequestedExample], _ request: Request) async throws(ServingError) -> Response {
        try checkRoom()
        guard let served else { throw .unavailable(problem.map { "no bundle is served: \($0)" } ?? "no bundle is loaded") }
        let limits = configuration.limits
        guard !examples.isEmpty else { throw .invalid("there is nothing to answer about; send a picture or a text") }
        guard examples.count <= limits.examplesPerRequest else {
            throw .tooLarge("\(examples.count) examples, more than the limit of \(limits.examplesPerRequest) for one request")
        }
        let tasks = try places(of: request.tasks, in: served)
        let chosen = choice(at: request.level ?? level, asked: request.level != nil, in: served)
        guard queue.admit(examples.count) else { throw .overloaded(retryAfter: retryAfter) }
        defer { queue.leave(examples.count) }
        let deadline = ContinuousClock.now + (request.timeout ?? .seconds(limits.deadlineSeconds))
        let results = await withTaskGroup(of: (Int, Result<(ExampleAnswer, Duration), ServingError>).self) { group in
            for (place, example) in examples.enumerated() {
                group.addTask {
                    do throws(ServingError) {
                        return (
                            place,
                            .success(
                                try await self.answer(
                                    example, tasks, at: chosen.point, of: served, until: deadline, request.isGone))
                        )
                    } catch { return (place, .failure(error)) }
                }
            }
            var results = [Result<(ExampleAnswer, Duration), ServingError>?](repeating: nil, count: examples.count)
            for await (place, result) in group { results[place] = result }
            return results.compactMap(\.self)
        }
        var answers: [ExampleAnswer] = []
        var decodeTime = Duration.zero
        for result in results {
            let (answer, time) = try result.get()
            answers.append(answer)
            decodeTime = max(decodeTime, time)
        }
        record(answers, decodeTime: decodeTime)
        return Response(
            served: served, tasks: tasks, answers: answers, decodeTime: decodeTime, level: chosen.level,
            notices: chosen.notices)
    }

    private func record(_ answers: [ExampleAnswer], decodeTime: Duration) {
        metrics.phase("decode", decodeTime)
        for answer in answers {
            if answer.batchSize == 0 {
                metrics.reused()
                continue
            }
            metrics.phase("queue", answer.queueTime)
            metrics.phase("backbone", answer.backboneTime)
            metrics.phase("heads", answer.headTime)
        }
    }

    /// One example's answer, and what decoding it took.
    private func answer(
        _ example: RequestedExample, _ tasks: [Int], at point: OperatingPoint?, of served: ServedBundle,
        until deadline: ContinuousClock.Instant, _ isGone: @escaping @Sendable () -> Bool
    ) async throws(ServingError) -> (ExampleAnswer, Duration) {
        let (recent, limits) = (recent, configuration.limits)
        let decoded: Result<Decoded, ServingError>
        do {
            decoded = try await decoders.runIfActive {
                Result { () throws(ServingError) in
                    let begin = ContinuousClock.now
                    let digest = example.digest
                    let key = RecentAnswers.Key(bundle: ObjectIdentifier(served), digest: digest, point: point)
                    if let known = recent.outputs(for: key, tasks: tasks) { return .known(known) }
                    let example = try DecodedExample(example, for: served.bundle.backbone.reading, limits: limits)
                    return .fresh(example, digest: digest, time: .now - begin)
                }
            }
        } catch { throw .unavailable("the server is ending; ask another one") }
        switch try decoded.get() {
        case .known(let outputs): return (ExampleAnswer(outputs: outputs), .zero)
        case .fresh(let example, let digest, let time):
            let result = await withCheckedContinuation { continuation in
                let waiter = Job.Waiter(tasks: tasks, deadline: deadline, isGone: isGone) { continuation.resume(returning: $0) }
                let job = Job(served: served, example: example, digest: digest, point: point, waiters: [waiter])
                if queue.append(job) { Task { await engine.drain() } }
            }
            return (try result.get(), time)
        }
    }

    private enum Decoded: Sendable {
        case known([Int: [Float]])
        case fresh(DecodedExample, digest: String, time: Duration)
    }

    /// The places of tasks that are in service.
    private func places(of names: [String]?, in served: ServedBundle) throws(ServingError) -> [Int] {
        let bundle = served.bundle
        guard let names else {
            let places = bundle.tasks.indices.filter { isServed(bundle.tasks[$0].name) }
            if places.isEmpty { throw .unavailable("every task is out of service") }
            return Array(places)
        }
        var places: [Int] = []
        for name in names {
            guard let place = bundle.tasks.firstIndex(where: { $0.name == name }) else {
                do throws(BundleError) { _ = try bundle.task(name) } catch {
                    throw .unknown(error.problems.joined(separator: "; "))
                }
                throw .unknown("there is no task '\(name)'")
            }
            guard isServed(name) else { throw .unavailable("the task '\(name)' is out of service") }
            if !places.contains(place) { places.append(place) }
        }
        if places.isEmpty { throw .invalid("no task is named; leave the list out to ask all") }
        return places
    }

    /// The operating point for a level, the level that is used then, and what is to be said about it.
    private func choice(
        at level: ComputeLevel, asked: Bool, in served: ServedBundle
    ) -> (point: OperatingPoint?, level: ComputeLevel, notices: [String]) {
        guard let costs = served.costs else {
            let notice = "this bundle runs at one cost only, its full one"
            return (nil, .whole, asked && level < .whole ? [notice] : [])
        }
        let choice = costs.table.choice(at: level)
        let share = (try? ComputeLevel(min(choice.share, 1))) ?? .whole  // a share above 1 is noise of measuring
        return (choice.entry.point, share, asked ? [choice.notice].compactMap(\.self) : [])
    }
}

/// Tells the runtime of batches, without keeping it alive.
private final class BatchObserver: Sendable {
    let runtime = Mutex<WeakRuntime?>(nil)

    func tell(_ batch: Engine.Batch) { runtime.withLock { $0 }?.value?.observe(batch) }
}

private struct WeakRuntime: Sendable {
    weak let value: ServingRuntime?

    init(_ value: ServingRuntime) { self.value = value }
}
