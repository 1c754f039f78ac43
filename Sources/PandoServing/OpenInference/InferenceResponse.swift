import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// What a client of the Open Inference Protocol gets.
struct InferenceResponse {
    struct Output {
        enum Values {
            case floats([Float])
            case strings([String])
        }
        let name: String
        let shape: [Int]
        let values: Values
        /// Whether the values go behind the JSON as raw bytes.
        let isBinary: Bool
    }

    let model: String
    let version: String
    let id: String?
    let outputs: [Output]

    private struct Head: Encodable {
        struct Tensor: Encodable {
            let name, datatype: String
            let shape: [Int]
            var parameters: [String: Int]?
            var floats: [Float]?
            var strings: [String]?

            enum CodingKeys: CodingKey { case name, datatype, shape, parameters, data }

            func encode(to encoder: any Encoder) throws {
                var container = encoder.container(keyedBy: CodingKeys.self)
                try container.encode(name, forKey: .name)
                try container.encode(datatype, forKey: .datatype)
                try container.encode(shape, forKey: .shape)
                try container.encodeIfPresent(parameters, forKey: .parameters)
                try container.encodeIfPresent(floats, forKey: .data)
                try container.encodeIfPresent(strings, forKey: .data)
            }
        }
        let model_name, model_version: String
        let id: String?
        let outputs: [Tensor]
    }

    /// - Throws: `ServingError` if JSON would have to hold a number that is not finite.
    func response() throws(ServingError) -> Response {
        var raw = Data()
        var tensors: [Head.Tensor] = []
        for output in outputs {
            var tensor: Head.Tensor
            switch output.values {
            case .floats(let values):
                tensor = .init(name: output.name, datatype: "FP32", shape: output.shape)
                if output.isBinary {
                    let before = raw.count
                    values.withUnsafeBytes { raw.append(contentsOf: $0) }
                    tensor.parameters = ["binary_data_size": raw.count - before]
                } else {
                    tensor.floats = values
                }
            case .strings(let values):
                tensor = .init(name: output.name, datatype: "BYTES", shape: output.shape)
                if output.isBinary {
                    let before = raw.count
                    for value in values {
                        withUnsafeBytes(of: UInt32(value.utf8.count).littleEndian) { raw.append(contentsOf: $0) }
                        raw.append(contentsOf: value.utf8)
                    }
                    tensor.parameters = ["binary_data_size": raw.count - before]
                } else {
                    tensor.strings = values
                }
            }
            tensors.append(tensor)
        }
        let head = Head(model_name: model, model_version: version, id: id.flatMap { $0.isEmpty ? nil : $0 }, outputs: tensors)
        guard outputs.contains(where: \.isBinary) else { return try .json(head) }
        let json = try Response.encoded(head)
        return Response(
            status: .ok,
            headers: [.contentType: "application/octet-stream", .inferenceHeaderLength: "\(json.count)"],
            body: .init(byteBuffer: ByteBuffer(bytes: json + raw)))
    }
}

extension HTTPField.Name {
    static let inferenceHeaderLength = Self("Inference-Header-Content-Length")!
}
