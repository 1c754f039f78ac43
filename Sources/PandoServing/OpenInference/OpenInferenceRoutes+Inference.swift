import Foundation
import Hummingbird
import PandoBranches
import PandoData
import PandoTraining

/// What `infer` takes and gives.
extension OpenInferenceRoutes {
    @Sendable func infer(_ request: Request, _ context: ServingContext) async throws -> Response {
        let name = name(in: context)
        do {
            let model = try model(context)
            context.aim.value = model.name
            try context.requireAccess(to: model.tasks.map { model.served.bundle.tasks[$0].name })
            try runtime.checkRoom()
            let limits = runtime.configuration.limits
            let data = try await request.wholeBody(limits)
            let body = try InferenceBody(data, headerLength: request.headers[.inferenceHeaderLength], limits: limits)
            let asked = try outputs(of: body.request, model)
            var wish = ServingRuntime.Request()
            wish.tasks = asked.map(\.name)
            wish.level = try level(body.request)
            wish.timeout = try timeout(body.request)
            let channel = context.channel
            wish.isGone = { !channel.isActive }
            let answer = try await runtime.answer(try examples(in: body, model), wish)
            var response = try self.response(answer, asked, body.request, model).response()
            response.headers[.computeLevel] = "\(answer.level)"
            runtime.statistics.succeeded(model.name, answer, after: .now - context.arrival)
            return response
        } catch {
            if context.aim.value == name { runtime.statistics.failed(name, after: .now - context.arrival) }
            throw error
        }
    }

    private func level(_ request: InferenceRequest) throws(ServingError) -> ComputeLevel? {
        guard let value = request.parameters?["compute"] else { return nil }
        guard let number = value.number else { throw .invalid("parameters.compute is a number above 0 and at most 1") }
        do { return try ComputeLevel(number) } catch { throw .invalid("parameters.compute: \(error)") }
    }

    private func timeout(_ request: InferenceRequest) throws(ServingError) -> Duration? {
        guard let value = request.parameters?["timeout"] else { return nil }
        guard let number = value.number, number >= 0, number <= 3.6e9 else {
            throw .invalid("parameters.timeout is a number of microseconds, at most an hour")
        }
        return number == 0 ? nil : .microseconds(Int64(number))
    }

    private func examples(in body: InferenceBody, _ model: Model) throws(ServingError) -> [RequestedExample] {
        let known = inputs(model.served)
        guard body.tensors.count == 1, let tensor = body.tensors.first else {
            throw .invalid("expected one input, one of \(known.map(\.name)), got \(body.tensors.map(\.name))")
        }
        guard let expected = known.first(where: { $0.name == tensor.name }) else {
            throw .invalid("unexpected inference input '\(tensor.name)' for model '\(model.name)'; it takes \(known.map(\.name))")
        }
        guard tensor.datatype == expected.datatype else {
            throw .invalid("input '\(tensor.name)': datatype is \(tensor.datatype), expected \(expected.datatype)")
        }
        let count = tensor.shape[0]
        let isFlat = expected.datatype == "BYTES" && tensor.shape.count == 1
        guard isFlat || Array(tensor.shape.dropFirst()) == Array(expected.shape.dropFirst()) else {
            throw .invalid("input '\(tensor.name)': shape is \(tensor.shape), expected \(expected.shape)")
        }
        let limit = runtime.configuration.limits.examplesPerRequest
        guard count <= limit else { throw .tooLarge("\(count) examples, more than the limit of \(limit) for one request") }
        guard expected.datatype == "BYTES" else {
            let values = try tensor.floats()
            let width = values.count / max(count, 1)
            return (0..<count).map { .pixels(Array(values[$0 * width..<($0 + 1) * width])) }
        }
        var examples: [RequestedExample] = []
        for (number, bytes) in try tensor.strings().enumerated() {
            if model.served.readsTexts {
                guard let text = String(data: bytes, encoding: .utf8) else {
                    throw .invalid("input '\(tensor.name)': element \(number) is not UTF-8")
                }
                examples.append(.text(text))
            } else {
                examples.append(.picture(bytes, name: "\(tensor.name) \(number)"))
            }
        }
        return examples
    }

    /// An output that is asked for.
    private struct AskedOutput {
        let name: String
        let labels: [String]
        let isBinary: Bool
        /// How many of the best classes are asked for, instead of all numbers.
        let classes: Int?
    }

    private func outputs(of request: InferenceRequest, _ model: Model) throws(ServingError) -> [AskedOutput] {
        let all = request.parameters?["binary_data_output"]?.isTrue ?? false
        let known = model.outputs
        guard let wishes = request.outputs, !wishes.isEmpty else {
            return known.map { AskedOutput(name: $0.name, labels: $0.labels, isBinary: all, classes: nil) }
        }
        var asked: [AskedOutput] = []
        for wish in wishes {
            guard let output = known.first(where: { $0.name == wish.name }) else {
                throw .invalid(
                    "unexpected inference output '\(wish.name)' for model '\(model.name)'; it has \(known.map(\.name))")
            }
            guard !asked.contains(where: { $0.name == wish.name }) else {
                throw .invalid("output '\(wish.name)' is asked for twice")
            }
            var classes: Int?
            if let value = wish.parameters?["classification"] {
                guard let number = value.number, let count = Int(exactly: number), count >= 0 else {
                    throw .invalid("output '\(wish.name)': classification is how many of the best classes are wanted")
                }
                if count > 0 {
                    guard !output.labels.isEmpty else { throw .invalid("output '\(wish.name)' has no classes") }
                    classes = min(count, output.labels.count)
                }
            }
            let isBinary = wish.parameters?["binary_data"].map(\.isTrue) ?? all
            asked.append(AskedOutput(name: wish.name, labels: output.labels, isBinary: isBinary, classes: classes))
        }
        return asked
    }

    private func response(
        _ answer: ServingRuntime.Response, _ asked: [AskedOutput], _ request: InferenceRequest, _ model: Model
    ) -> InferenceResponse {
        let count = answer.answers.count
        let outputs = zip(asked, answer.tasks).map { wish, task -> InferenceResponse.Output in
            let rows = answer.answers.map { $0.outputs[task] ?? [] }
            guard let classes = wish.classes else {
                return .init(
                    name: wish.name, shape: [count, rows.first?.count ?? 0], values: .floats(Array(rows.joined())),
                    isBinary: wish.isBinary)
            }
            let best = rows.flatMap { row in
                row.indices.sorted { (row[$1], $0) < (row[$0], $1) }.prefix(classes).map {
                    "\(row[$0]):\($0):\(wish.labels[$0])"
                }
            }
            return .init(name: wish.name, shape: [count, classes], values: .strings(best), isBinary: wish.isBinary)
        }
        return InferenceResponse(model: model.name, version: Self.version, id: request.id, outputs: outputs)
    }
}
