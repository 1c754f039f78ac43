import Foundation
import HTTPTypes
import Hummingbird
import PandoBranches
import PandoData
import PandoTraining

/// The interface for people: a picture or a text in, answers in words out.
struct PlainRoutes: Sendable {
    let runtime: ServingRuntime

    /// Sides of the small pictures of a gallery.
    private static let thumbnailSide = 256

    func add(to routes: inout RouteTable) {
        routes.add("tasks", [.get: tasks])
        routes.add("predict", [.post: predict])
        routes.add("search", [.post: search])
        routes.add("gallery/:number", [.get: picture])
    }

    private func current() throws(ServingError) -> ServedBundle {
        guard let served = runtime.served else { throw .unavailable(runtime.problem ?? "no bundle is loaded") }
        return served
    }

    // MARK: - What there is

    private struct Description: Encodable {
        struct Bundle: Encodable {
            let name, version, backbone, reads: String
        }
        struct Metric: Encodable {
            let name: String
            let value: Double
        }
        struct Task: Encodable {
            let name, kind: String
            let labels: Int
            let metric: Metric?
        }
        struct Level: Encodable {
            let level, milliseconds: Double
        }
        struct Compute: Encodable {
            let minimum, maximum, current: Double
            let levels: [Level]
        }
        let bundle: Bundle
        let tasks: [Task]
        let compute: Compute?
        let gallery: Int

        enum CodingKeys: CodingKey { case bundle, tasks, compute, gallery }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(bundle, forKey: .bundle)
            try container.encode(tasks, forKey: .tasks)
            try container.encode(compute, forKey: .compute)
            try container.encode(gallery, forKey: .gallery)
        }
    }

    @Sendable private func tasks(_ request: Request, _ context: ServingContext) async throws -> Response {
        let served = try current()
        let levels = served.levels.map {
            Description.Level(level: served.share(of: $0), milliseconds: $0.milliseconds)
        }
        let tasks = try served.bundle.tasks.filter { runtime.isServed($0.name) }.map { task in
            Description.Task(
                name: task.name, kind: task.plan.kind.rawValue, labels: task.labels.count,
                metric: try served.bundle.testScore(of: task).map { .init(name: $0.name, value: $0.value) })
        }
        return try .json(
            Description(
                bundle: .init(
                    name: served.name, version: served.version, backbone: served.bundle.plan.backbone.name,
                    reads: served.readsTexts ? "texts" : "pictures"),
                tasks: tasks,
                compute: levels.isEmpty
                    ? nil
                    : .init(
                        minimum: levels[0].level, maximum: levels[levels.count - 1].level, current: runtime.level.share,
                        levels: levels),
                gallery: served.search?.names.count ?? 0))
    }

    // MARK: - Predictions

    private struct Answer: Encodable {
        struct Compute: Encodable {
            let level: Double
            let asked: Double?
            let notices: [String]
        }
        struct Times: Encodable {
            let decode, queue, backbone, heads, total: Double
        }
        struct Prediction: Encodable {
            let input: String
            let tasks: [String: PandoTraining.Prediction]
        }
        let id, bundle, version: String
        let compute: Compute
        let milliseconds: Times
        let predictions: [Prediction]
    }

    private struct Texts: Decodable {
        let text: String?
        let texts: [String]?
    }

    @Sendable private func predict(_ request: Request, _ context: ServingContext) async throws -> Response {
        context.aim.value = "all"
        let query = request.uri.queryParameters
        let unknown = query.map { String($0.key) }.filter { !["tasks", "compute", "top", "timeout"].contains($0) }
        if let first = unknown.first {
            throw ServingError.invalid("there is no parameter '\(first)'; there are tasks, compute, top and timeout")
        }
        var wish = ServingRuntime.Request()
        wish.tasks = query["tasks"].map { $0.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) } }
        do { wish.level = try query["compute"].map { try ComputeLevel(parsing: String($0)) } } catch {
            throw ServingError.invalid("compute: \(error)")
        }
        let top = try query["top"].map { try Self.number($0, "top", 1...1000) } ?? 5
        wish.timeout = try query["timeout"].map { .milliseconds(try Self.number($0, "timeout", 1...600_000)) }
        let channel = context.channel
        wish.isGone = { !channel.isActive }
        let served = try current()
        if wish.tasks == nil {
            // A retrieval task says nothing in words; a token opens what it opens.
            wish.tasks = served.bundle.tasks.filter { task in
                task.plan.kind != .retrieval && runtime.isServed(task.name)
                    && context.allowedTasks?.contains(task.name) != false
            }.map(\.name)
        }
        try context.requireAccess(to: wish.tasks ?? [])
        if query["tasks"] != nil, let tasks = wish.tasks {
            let isKnown = tasks.count == 1 && served.bundle.tasks.contains { $0.name == tasks[0] }
            context.aim.value = isKnown ? tasks[0] : "several"
        }
        try runtime.checkRoom()
        let body = try await request.wholeBody(runtime.configuration.limits)
        let (examples, names) = try Self.examples(
            in: body, contentType: request.headers[.contentType] ?? "", readsTexts: served.readsTexts)
        let response = try await runtime.answer(examples, wish)
        return try answer(response, names: names, top: top, asked: wish.level, context)
    }

    /// - Throws: `ServingError` if `text` is no whole number within bounds.
    private static func number(_ text: Substring, _ name: String, _ bounds: ClosedRange<Int>) throws(ServingError) -> Int {
        guard let number = Int(text), bounds.contains(number) else {
            throw .invalid("\(name) is a whole number from \(bounds.lowerBound) to \(bounds.upperBound), not '\(text)'")
        }
        return number
    }

    /// The examples in a body, and what they are called in the answer.
    private static func examples(
        in body: Data, contentType: String, readsTexts: Bool
    ) throws(ServingError) -> (examples: [RequestedExample], names: [String]) {
        let type = HeaderParameters(contentType).value
        switch type {
        case "multipart/form-data":
            let parts = try Multipart(body, contentType: contentType).parts
            var (examples, names) = ([RequestedExample](), [String]())
            for (number, part) in parts.enumerated() {
                if part.fileName == nil, part.field == "text" || part.field == "texts" {
                    let text = try text(of: part.content)
                    examples.append(.text(text))
                    names.append(text)
                } else {
                    let name = part.fileName.flatMap { $0.isEmpty ? nil : $0 } ?? "picture \(number + 1)"
                    examples.append(.picture(part.content, name: name))
                    names.append(name)
                }
            }
            return (examples, names)
        case "application/json":
            let texts = try JSONDecoder().body(Texts.self, body)
            guard let list = texts.texts ?? texts.text.map({ [$0] }) else {
                throw .invalid("the JSON has neither text nor texts; a picture is sent as it is, or as multipart/form-data")
            }
            return (list.map { .text($0) }, list)
        default:
            if body.isEmpty { throw .invalid("the body is empty; send a picture's bytes, or a text") }
            if type == "text/plain" || readsTexts {
                let text = try text(of: body)
                return ([.text(text)], [text])
            }
            return ([.picture(body, name: "picture 1")], ["picture 1"])
        }
    }

    private static func text(of bytes: Data) throws(ServingError) -> String {
        guard let text = String(data: bytes, encoding: .utf8) else { throw .invalid("a text is not UTF-8") }
        return text
    }

    private func answer(
        _ response: ServingRuntime.Response, names: [String], top: Int, asked: ComputeLevel?, _ context: ServingContext
    ) throws(ServingError) -> Response {
        let tasks = response.tasks.map { (place: $0, task: response.served.bundle.tasks[$0]) }
        let predictions = zip(names, response.answers).map { name, answer in
            var said: [String: PandoTraining.Prediction] = [:]
            for (place, task) in tasks {
                said[task.name] = answer.outputs[place].flatMap { task.prediction(in: $0, limit: top) }
            }
            return Answer.Prediction(input: name, tasks: said)
        }
        func slowest(_ time: (ExampleAnswer) -> Duration) -> Double {
            response.answers.map { time($0).milliseconds }.max() ?? 0
        }
        var made = try Response.json(
            Answer(
                id: context.requestID, bundle: response.served.name, version: response.served.version,
                compute: .init(level: response.level.share, asked: asked?.share, notices: response.notices),
                milliseconds: .init(
                    decode: response.decodeTime.milliseconds, queue: slowest(\.queueTime), backbone: slowest(\.backboneTime),
                    heads: slowest(\.headTime), total: (ContinuousClock.now - context.arrival).milliseconds),
                predictions: predictions))
        made.headers[.computeLevel] = "\(response.level)"
        return made
    }

    // MARK: - Search

    private struct Query: Decodable {
        let query: String
        let top: Int?
    }

    private struct Found: Encodable {
        struct Match: Encodable {
            let number: Int
            let image: String
            let score: Float
        }
        let query: String
        let matches: [Match]
    }

    private func gallery(_ context: ServingContext) throws(ServingError) -> TextSearch {
        let served = try current()
        guard let search = served.search, let task = served.bundle.tasks.first(where: { $0.plan.kind == .retrieval }) else {
            throw .unknown("this server looks through no pictures; start it with --gallery and a bundle with a retrieval task")
        }
        guard runtime.isServed(task.name) else { throw .unavailable("the task '\(task.name)' is out of service") }
        try context.requireAccess(to: [task.name])
        return search
    }

    @Sendable private func search(_ request: Request, _ context: ServingContext) async throws -> Response {
        context.aim.value = "search"
        let search = try gallery(context)
        let limits = runtime.configuration.limits
        let query = try JSONDecoder().body(Query.self, try await request.wholeBody(limits))
        let top = query.top ?? 10
        guard (1...1000).contains(top) else { throw ServingError.invalid("top is 1 to 1000, not \(top)") }
        guard !query.query.allSatisfy(\.isWhitespace) else { throw ServingError.invalid("query is empty") }
        guard query.query.unicodeScalars.count <= limits.textCharacters else {
            throw ServingError.tooLarge("query has more than the limit of \(limits.textCharacters) characters")
        }
        let matches = try await runtime.apart { try search.matches(query.query, limit: top) }
        return try .json(
            Found(
                query: query.query,
                matches: matches.map { .init(number: $0.number, image: search.names[$0.number], score: $0.score) }))
    }

    @Sendable private func picture(_ request: Request, _ context: ServingContext) async throws -> Response {
        context.aim.value = "gallery"
        let search = try gallery(context)
        guard let number = context.parameters.get("number").flatMap({ Int($0) }), let file = search.file(number) else {
            throw ServingError.unknown("there is no such picture; they are numbered 0 to \(search.names.count - 1)")
        }
        let png = try await runtime.apart {
            try ImageDecoder().image(.file(file), fittedTo: .clipart(side: Self.thumbnailSide)).encodedPNG()
        }
        return .file(Array(png), type: "image/png")
    }
}

extension HTTPField.Name {
    /// The share of the full cost that a prediction was made with.
    static let computeLevel = Self("X-Compute-Level")!
    static let requestID = Self("X-Request-Id")!
}
