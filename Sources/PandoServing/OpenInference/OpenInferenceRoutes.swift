import Foundation
import HTTPTypes
import Hummingbird
import PandoBranches
import PandoData
import PandoTraining

/// The Open Inference Protocol, version 2, over REST, with the extensions for binary tensors, classification, statistics,
/// model configuration and the model repository: a model for each task, and `all`, which answers for every task from one
/// pass.
///
/// - Source: Open Inference Protocol (KServe); Triton Inference Server's protocol extensions.
struct OpenInferenceRoutes: Sendable {
    let runtime: ServingRuntime

    /// The one version there is: a bundle is replaced as a whole.
    static let version = "1"
    /// Serves all tasks at once.
    private static let everything = "all"

    func add(to routes: inout RouteTable) {
        routes.add("v2", [.get: server])
        routes.add("v2/health/live", [.get: live])
        routes.add("v2/health/ready", [.get: ready])
        routes.add("v2/models/stats", [.get: allStatistics])
        for path in ["v2/models/:model", "v2/models/:model/versions/:version"] {
            routes.add("\(path)", [.get: metadata])
            routes.add("\(path)/ready", [.get: modelReady])
            routes.add("\(path)/config", [.get: configuration])
            routes.add("\(path)/stats", [.get: modelStatistics])
            routes.add("\(path)/infer", [.post: infer])
        }
        routes.add("v2/repository/index", [.post: index])
        routes.add("v2/repository/models/:model/load", [.post: load])
        routes.add("v2/repository/models/:model/unload", [.post: unload])
    }

    // MARK: - Models

    /// What a model's name stands for.
    struct Model {
        let name: String
        let served: ServedBundle
        /// Tasks by their places in the bundle.
        let tasks: [Int]

        var outputs: [(name: String, width: Int, labels: [String])] {
            tasks.map { place in
                let task = served.bundle.tasks[place]
                switch task.plan.kind {
                case .classification, .multilabel: return (task.name, task.labels.count, task.labels.names)
                case .regression: return (task.name, 1, [])
                case .retrieval: return (task.name, served.placeWidth(of: place), [])
                }
            }
        }
    }

    func name(in context: ServingContext) -> String {
        let raw = context.parameters.get("model") ?? ""
        return raw.removingPercentEncoding ?? raw
    }

    private static func unknown(_ name: String) -> ServingError {
        .unknown("Request for unknown model: '\(name)' is not found")
    }

    func model(_ context: ServingContext) throws(ServingError) -> Model {
        let name = name(in: context)
        if let version = context.parameters.get("version"), version != Self.version {
            throw .unknown("Request for unknown model: '\(name)' version \(version) is not found; there is version 1")
        }
        guard let served = runtime.served else { throw .unavailable(runtime.problem ?? "no bundle is loaded") }
        let tasks = served.bundle.tasks
        if let place = tasks.firstIndex(where: { $0.name == name }) {
            guard runtime.isServed(name) else { throw .unavailable("the model '\(name)' is out of service") }
            return Model(name: name, served: served, tasks: [place])
        }
        guard name == Self.everything else { throw Self.unknown(name) }
        return Model(name: name, served: served, tasks: tasks.indices.filter { runtime.isServed(tasks[$0].name) })
    }

    /// Every name there is.
    private func names(_ served: ServedBundle) -> [String] {
        let names = served.bundle.tasks.map(\.name)
        return names.contains(Self.everything) ? names : names + [Self.everything]
    }

    // MARK: - The server

    private struct Server: Encodable {
        let name = "pando"
        let version = "1"
        let extensions = [
            "binary_tensor_data", "classification", "model_configuration", "model_repository", "parameters", "statistics",
        ]
    }

    @Sendable private func server(_ request: Request, _ context: ServingContext) throws -> Response { try .json(Server()) }

    @Sendable private func live(_ request: Request, _ context: ServingContext) throws -> Response {
        context.aim.value = "health"
        return try .json(["live": true])
    }

    @Sendable private func ready(_ request: Request, _ context: ServingContext) throws -> Response {
        context.aim.value = "health"
        guard runtime.isReady else {
            throw ServingError.unavailable(runtime.isDraining ? "the server is ending" : runtime.problem ?? "no bundle is loaded")
        }
        return try .json(["ready": true])
    }

    private struct ModelReady: Encodable {
        let name: String
        let ready: Bool
    }

    @Sendable private func modelReady(_ request: Request, _ context: ServingContext) throws -> Response {
        context.aim.value = "health"
        let model = try model(context)
        guard runtime.isReady else { throw ServingError.unavailable("the server is ending") }
        return try .json(ModelReady(name: model.name, ready: true))
    }

    // MARK: - Descriptions

    struct TensorDescription: Encodable {
        let name, datatype: String
        let shape: [Int]
    }

    private struct Metadata: Encodable {
        let name: String
        let versions = [OpenInferenceRoutes.version]
        let platform = "pando_bundle"
        let inputs, outputs: [TensorDescription]
    }

    /// What a model takes: one of these.
    func inputs(_ served: ServedBundle) -> [TensorDescription] {
        switch served.bundle.backbone.reading {
        case .texts: return [.init(name: "text", datatype: "BYTES", shape: [-1, 1])]
        case .pictures(let preprocessing):
            let size = preprocessing.outputSize
            return [
                .init(name: "image", datatype: "BYTES", shape: [-1, 1]),
                .init(name: "pixels", datatype: "FP32", shape: [-1, size.height, size.width, 3]),
            ]
        }
    }

    @Sendable private func metadata(_ request: Request, _ context: ServingContext) throws -> Response {
        context.aim.value = "metadata"
        let model = try model(context)
        try context.requireAccess(to: model.tasks.map { model.served.bundle.tasks[$0].name })
        return try .json(
            Metadata(
                name: model.name, inputs: inputs(model.served),
                outputs: model.outputs.map { .init(name: $0.name, datatype: "FP32", shape: [-1, $0.width]) }))
    }

    private struct Configuration: Encodable {
        struct Tensor: Encodable {
            let name, data_type: String
            let dims: [Int]
            var optional: Bool?
        }
        let name: String
        let platform = "pando_bundle"
        let backend = "pando"
        let max_batch_size: Int
        let input, output: [Tensor]
    }

    @Sendable private func configuration(_ request: Request, _ context: ServingContext) throws -> Response {
        context.aim.value = "metadata"
        let model = try model(context)
        try context.requireAccess(to: model.tasks.map { model.served.bundle.tasks[$0].name })
        let inputs = inputs(model.served)
        return try .json(
            Configuration(
                name: model.name, max_batch_size: runtime.configuration.limits.examplesPerRequest,
                input: inputs.map {
                    .init(
                        name: $0.name, data_type: $0.datatype == "BYTES" ? "TYPE_STRING" : "TYPE_FP32",
                        dims: Array($0.shape.dropFirst()), optional: inputs.count > 1 ? true : nil)
                },
                output: model.outputs.map { .init(name: $0.name, data_type: "TYPE_FP32", dims: [$0.width]) }))
    }

    // MARK: - Statistics

    private struct Statistics: Encodable {
        struct Sums: Encodable {
            let success, fail, queue, compute_input, compute_infer, compute_output, cache_hit, cache_miss: ModelStatistics.Sum
        }
        struct Model: Encodable {
            let name, version: String
            let last_inference: Int64
            let inference_count, execution_count: Int
            let inference_stats: Sums
            let batch_stats: [String]
        }
        let model_stats: [Model]
    }

    private func statistics(of name: String) -> Statistics.Model {
        let sums = runtime.statistics[name]
        return Statistics.Model(
            name: name, version: Self.version, last_inference: sums.lastInference, inference_count: sums.inferenceCount,
            execution_count: sums.executionCount,
            inference_stats: .init(
                success: sums.success, fail: sums.failure, queue: sums.queue, compute_input: sums.computeInput,
                compute_infer: sums.computeInfer, compute_output: sums.computeOutput, cache_hit: sums.reused,
                cache_miss: sums.computeInfer), batch_stats: [])
    }

    @Sendable private func modelStatistics(_ request: Request, _ context: ServingContext) throws -> Response {
        context.aim.value = "metadata"
        return try .json(Statistics(model_stats: [statistics(of: try model(context).name)]))
    }

    @Sendable private func allStatistics(_ request: Request, _ context: ServingContext) throws -> Response {
        context.aim.value = "metadata"
        guard let served = runtime.served else { return try .json(Statistics(model_stats: [])) }
        return try .json(Statistics(model_stats: names(served).map(statistics)))
    }

    // MARK: - The repository

    private struct IndexEntry: Encodable {
        let name, version, state, reason: String
    }

    private struct IndexRequest: Decodable { let ready: Bool? }

    @Sendable private func index(_ request: Request, _ context: ServingContext) async throws -> Response {
        context.aim.value = "repository"
        let body = try await request.wholeBody(runtime.configuration.limits)
        let onlyReady = body.isEmpty ? false : try JSONDecoder().body(IndexRequest.self, body).ready ?? false
        guard let served = runtime.served else {
            let state = runtime.isLoading ? "LOADING" : "UNAVAILABLE"
            let entry = IndexEntry(
                name: Self.everything, version: Self.version, state: state, reason: runtime.problem ?? "unloaded")
            return try .json(onlyReady ? [] : [entry])
        }
        let entries = names(served).map { name in
            let isServed = name == Self.everything || runtime.isServed(name)
            return IndexEntry(
                name: name, version: Self.version, state: isServed ? "READY" : "UNAVAILABLE",
                reason: isServed ? runtime.problem.map { "a newer bundle cannot be served: \($0)" } ?? "" : "unloaded")
        }
        return try .json(onlyReady ? entries.filter { $0.state == "READY" } : entries)
    }

    private struct LoadRequest: Decodable { let parameters: [String: Parameter]? }

    @Sendable private func load(_ request: Request, _ context: ServingContext) async throws -> Response {
        context.aim.value = "repository"
        try context.requireControl()
        let body = try await request.wholeBody(runtime.configuration.limits)
        let parameters = body.isEmpty ? nil : try JSONDecoder().body(LoadRequest.self, body).parameters
        if let parameter = parameters?.keys.sorted().first {
            throw ServingError.invalid(
                "load takes no parameter '\(parameter)': a bundle is read from its folder as it is; change it there")
        }
        let name = name(in: context)
        let known = runtime.served?.bundle.tasks.contains { $0.name == name } ?? false
        if known, !runtime.isServed(name) {
            runtime.setServed(name, true)
            return Response(status: .ok)
        }
        do { try await runtime.load() } catch let error as ServingError { throw error } catch {
            throw ServingError.invalid("load failed for model '\(name)': \(error)")
        }
        guard let served = runtime.served, names(served).contains(name) else { throw Self.unknown(name) }
        runtime.setServed(name, true)
        return Response(status: .ok)
    }

    @Sendable private func unload(_ request: Request, _ context: ServingContext) async throws -> Response {
        context.aim.value = "repository"
        try context.requireControl()
        _ = try await request.wholeBody(runtime.configuration.limits)
        let name = name(in: context)
        guard let served = runtime.served else { throw ServingError.unavailable("no bundle is loaded") }
        guard names(served).contains(name) else { throw Self.unknown(name) }
        if served.bundle.tasks.contains(where: { $0.name == name }) {
            runtime.setServed(name, false)
        } else {
            runtime.unload()
        }
        return Response(status: .ok)
    }
}
