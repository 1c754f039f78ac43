import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import NIOCore
import PandoTestSupport
import PandoTraining
import Testing

@testable import PandoServing

@Suite struct OpenInferenceTests {
    private func served(_ body: @escaping @Sendable (any TestClientProtocol, ServingRuntime) async throws -> Void) async throws {
        let fixture = try await ServedFixture()
        var configuration = PandoServer.Configuration()
        configuration.port = 0
        let (runtime, server) = (
            fixture.runtime, PandoServer(fixture.runtime, configuration, logger: ServedFixture.logger)
        )
        try await server.application().test(.live) { client in try await body(client, runtime) }
    }

    private func json(_ buffer: ByteBuffer) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(buffer.readableBytesView)) as? [String: Any])
    }

    /// A request's body: JSON, then raw tensors.
    private func body(_ request: [String: Any], raw: Data = Data()) throws -> (buffer: ByteBuffer, headers: HTTPFields) {
        let head = try JSONSerialization.data(withJSONObject: request)
        return (ByteBuffer(bytes: head + raw), raw.isEmpty ? [:] : [.inferenceHeaderLength: "\(head.count)"])
    }

    private func bytes(_ elements: [Data]) -> Data {
        elements.reduce(into: Data()) { data, element in
            withUnsafeBytes(of: UInt32(element.count).littleEndian) { data.append(contentsOf: $0) }
            data += element
        }
    }

    private static let count = SmallBundle.side * SmallBundle.side * 3

    @Test func `pictures as bytes are answered in JSON and in binary alike`() async throws {
        let raw = bytes([try SmallBundle.picture(1), try SmallBundle.picture(2)])
        let input: [String: Any] = [
            "name": "image", "shape": [2, 1], "datatype": "BYTES", "parameters": ["binary_data_size": raw.count],
        ]
        let plain = try body(["id": "seven", "inputs": [input]], raw: raw)
        let binary = try body(
            [
                "inputs": [input],
                "outputs": [["name": "size"], ["name": "kind", "parameters": ["binary_data": true]]],
            ], raw: raw)
        try await served { client, _ in
            let response = try await client.execute(
                uri: "/v2/models/all/infer", method: .post, headers: plain.headers, body: plain.buffer)
            #expect(response.status == .ok)
            let answer = try json(response.body)
            #expect(answer["id"] as? String == "seven" && answer["model_name"] as? String == "all")
            let outputs = try #require(answer["outputs"] as? [[String: Any]])
            #expect(outputs.map { $0["name"] as? String } == ["kind", "marks", "size"])
            #expect(outputs[0]["shape"] as? [Int] == [2, SmallBundle.labels.count])
            let kinds = try #require(outputs[0]["data"] as? [Double]).map { Float($0) }
            let second = try await client.execute(
                uri: "/v2/models/all/versions/1/infer", method: .post, headers: binary.headers, body: binary.buffer)
            #expect(second.status == .ok)
            let length = try #require(second.headers[.inferenceHeaderLength].flatMap { Int($0) })
            let head = try json(try #require(second.body.getSlice(at: 0, length: length)))
            let tensors = try #require(head["outputs"] as? [[String: Any]])
            #expect(tensors.map { $0["name"] as? String } == ["size", "kind"])
            #expect((tensors[0]["data"] as? [Double])?.count == 2)
            let rest = try #require(second.body.getBytes(at: length, length: second.body.readableBytes - length))
            let floats = rest.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
            #expect(floats == kinds)
        }
    }

    @Test func `the best classes are told with their numbers and labels`() async throws {
        let zeros = Array(repeating: 0, count: Self.count)
        let request = try body([
            "inputs": [["name": "pixels", "shape": [1, 64, 64, 3], "datatype": "FP32", "data": zeros]],
            "outputs": [["name": "kind", "parameters": ["classification": 2]]],
        ])
        try await served { client, _ in
            let response = try await client.execute(uri: "/v2/models/kind/infer", method: .post, body: request.buffer)
            let output = try #require((try json(response.body)["outputs"] as? [[String: Any]])?.first)
            #expect(output["datatype"] as? String == "BYTES" && output["shape"] as? [Int] == [1, 2])
            let best = try #require(output["data"] as? [String])[0].split(separator: ":")
            #expect(best.count == 3 && best[2] == "label \(best[1])" && Float(best[0]) != nil)
        }
    }

    /// What is wrong, the status, a word of the message.
    private static let refusals: [([String: any Sendable], Int, String)] = [
        (["inputs": [[String: String]]()], 400, "inputs"),
        (["input": 3], 400, "inputs is missing"),
        (["inputs": [["name": "image", "shape": [1, 1], "datatype": "FP32", "data": [1.0]] as [String: any Sendable]]], 400, "BYTES"),
        (["inputs": [["name": "pixels", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]] as [String: any Sendable]]], 400, "shape"),
        (["inputs": [["name": "picture", "shape": [1, 1], "datatype": "BYTES", "data": ["a"]] as [String: any Sendable]]], 400, "image"),
        (["inputs": [["name": "image", "shape": [2, 1], "datatype": "BYTES", "data": ["a"]] as [String: any Sendable]]], 400, "expected 2"),
        (["inputs": [["name": "image", "shape": [-1, 1], "datatype": "BYTES", "data": ["a"]] as [String: any Sendable]]], 400, "shape"),
        (["inputs": [["name": "image", "shape": [1 << 40, 1 << 40], "datatype": "BYTES", "data": ["a"]] as [String: any Sendable]]], 400, "shape"),
        (["inputs": [["name": "image", "shape": [1, 1], "datatype": "BYTES"] as [String: any Sendable]]], 400, "data"),
        (["inputs": [["name": "image", "shape": [1, 1], "datatype": "BYTES", "data": ["a"]] as [String: any Sendable]],
            "outputs": [["name": "kinds"]]], 400, "kind"),
        (["inputs": [["name": "image", "shape": [1, 1], "datatype": "BYTES", "data": ["a"]] as [String: any Sendable]]], 400, "not an image"),
        (["inputs": [["name": "image", "shape": [0, 1], "datatype": "BYTES", "data": [String]()] as [String: any Sendable]]], 400, "nothing"),
        (["inputs": [["name": "image", "shape": [65, 1], "datatype": "BYTES", "data": Array(repeating: "a", count: 65)] as [String: any Sendable]]], 413, "limit"),
        (["inputs": [["name": "image", "shape": [1, 1], "datatype": "BYTES", "data": ["a"]] as [String: any Sendable]],
            "parameters": ["compute": 7]], 400, "compute"),
    ]

    @Test(arguments: refusals.indices)
    func `a wrong request is refused with what was expected`(place: Int) async throws {
        let (request, status, word) = Self.refusals[place]
        let body = try body(request)
        try await served { client, runtime in
            let response = try await client.execute(uri: "/v2/models/kind/infer", method: .post, body: body.buffer)
            #expect(response.status.code == status)
            let text = try #require(try json(response.body)["error"] as? String)
            #expect(text.contains(word), "\(text)")
            #expect(runtime.statistics["kind"].failure.count == 1)
        }
    }

    @Test func `raw tensors must have the size that their shape says, and nothing may follow them`() async throws {
        let picture = try SmallBundle.picture(1)
        try await served { client, _ in
            func refusal(_ raw: Data, size: Int, headerLength: String?) async throws -> String {
                let input: [String: Any] = [
                    "name": "image", "shape": [1, 1], "datatype": "BYTES", "parameters": ["binary_data_size": size],
                ]
                var request = try body(["inputs": [input]], raw: raw)
                if let headerLength { request.headers[.inferenceHeaderLength] = headerLength }
                let response = try await client.execute(
                    uri: "/v2/models/kind/infer", method: .post, headers: request.headers, body: request.buffer)
                #expect(response.status.code == 400 || response.status.code == 501)
                return try #require(try json(response.body)["error"] as? String)
            }
            let raw = bytes([picture])
            let cases: [(raw: Data, size: Int, headerLength: String?, word: String)] = [
                (raw, raw.count + 1, nil, "bytes follow"), (raw + Data([0]), raw.count, nil, "additional input data"),
                (raw.prefix(3), 3, nil, "breaks off"), (Data([255, 255, 255, 127, 1]), 5, nil, "beyond"),
                (raw + bytes([Data()]), raw.count + 4, nil, "2 elements"), (raw, -1, nil, "binary_data_size"),
                (raw, raw.count, "99999999", "at most"), (raw, raw.count, "-4", "Inference-Header"),
                (raw, raw.count, "0", "raw request"),
            ]
            for (raw, size, headerLength, word) in cases {
                let message = try await refusal(raw, size: size, headerLength: headerLength)
                #expect(message.contains(word))
            }
        }
    }

    @Test func `the repository tells its models, takes them out and back`() async throws {
        try await served { client, _ in
            func states() async throws -> [String: String] {
                let response = try await client.execute(uri: "/v2/repository/index", method: .post)
                let list = try JSONSerialization.jsonObject(with: Data(response.body.readableBytesView)) as? [[String: String]]
                return Dictionary(uniqueKeysWithValues: try #require(list).map { ($0["name"] ?? "", $0["state"] ?? "") })
            }
            let before = try await states()
            #expect(before == ["kind": "READY", "marks": "READY", "size": "READY", "all": "READY"])
            let change = ByteBuffer(string: #"{"parameters":{"config":"{}"}}"#)
            let steps: [(method: HTTPRequest.Method, uri: String, body: ByteBuffer?, status: Int)] = [
                (.post, "repository/models/kind/unload", nil, 200), (.get, "models/kind/ready", nil, 503),
                (.get, "models/all/ready", nil, 200), (.post, "repository/models/kind/load", nil, 200),
                (.get, "models/kind/ready", nil, 200), (.post, "repository/models/other/load", nil, 404),
                (.post, "repository/models/kind/load", change, 400), (.post, "repository/models/all/unload", nil, 200),
                (.get, "health/ready", nil, 503), (.get, "health/live", nil, 200),
                (.post, "repository/models/all/load", nil, 200), (.get, "health/ready", nil, 200),
                (.post, "repository/models/size/unload", nil, 200),
            ]
            for (method, uri, body, status) in steps {
                let response = try await client.execute(uri: "/v2/\(uri)", method: method, body: body)
                #expect(response.status.code == status, "\(method) \(uri)")
            }
            let after = try await states()
            #expect(after["size"] == "UNAVAILABLE")
        }
    }

    @Test func `metadata and configuration describe what infer takes and gives`() async throws {
        try await served { client, _ in
            let metadata = try json(try await client.execute(uri: "/v2/models/all", method: .get).body)
            let inputs = try #require(metadata["inputs"] as? [[String: Any]])
            #expect(inputs.map { $0["name"] as? String } == ["image", "pixels"])
            #expect(inputs[1]["shape"] as? [Int] == [-1, 64, 64, 3])
            let outputs = try #require(metadata["outputs"] as? [[String: Any]])
            #expect(outputs.map { $0["shape"] as? [Int] } == [[-1, 7], [-1, 7], [-1, 1]])
            let configuration = try json(try await client.execute(uri: "/v2/models/size/config", method: .get).body)
            #expect(configuration["max_batch_size"] as? Int == 64)
            let server = try json(try await client.execute(uri: "/v2", method: .get).body)
            #expect((server["extensions"] as? [String])?.contains("binary_tensor_data") == true)
        }
    }
}
