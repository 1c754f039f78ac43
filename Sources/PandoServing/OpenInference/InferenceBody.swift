import Foundation

/// A request's body taken apart: JSON, then the raw bytes of those tensors that are not in it.
///
/// - Source: the binary tensor extension of the Open Inference Protocol.
struct InferenceBody {
    /// A tensor with its values.
    struct Tensor {
        enum Values {
            case json(TensorData)
            case raw(Data)
        }
        let name: String
        let datatype: String
        let shape: [Int]
        let values: Values
    }

    let request: InferenceRequest
    let tensors: [Tensor]

    /// - Parameter headerLength: the value of `Inference-Header-Content-Length`, where it was sent.
    /// - Throws: `ServingError` naming the tensor and what was expected.
    init(_ body: Data, headerLength: String?, limits: ServingLimits) throws(ServingError) {
        var jsonLength = body.count
        if let headerLength {
            guard let length = Int(headerLength), length >= 0, length <= body.count else {
                throw .invalid(
                    "Inference-Header-Content-Length is '\(headerLength)'; expected the bytes of the JSON, at most the body's "
                        + "\(body.count)")
            }
            guard length > 0 else {
                throw ServingError(501, "a raw request (Inference-Header-Content-Length 0) is not served; send the JSON header")
            }
            jsonLength = length
        }
        let split = body.startIndex + jsonLength
        let request = try JSONDecoder().body(InferenceRequest.self, body[body.startIndex..<split])
        guard !request.inputs.isEmpty else { throw .invalid("inputs is empty") }
        guard request.inputs.count <= limits.tensorsPerRequest else {
            throw .tooLarge("\(request.inputs.count) inputs, more than the limit of \(limits.tensorsPerRequest)")
        }
        var rest = body[split...]
        var tensors: [Tensor] = []
        for input in request.inputs {
            let count = try Self.count(of: input)
            let values: Tensor.Values
            if let size = input.parameters?["binary_data_size"] {
                guard let number = size.number, let size = Int(exactly: number), size >= 0, input.data == nil else {
                    throw .invalid("input '\(input.name)': binary_data_size is a number of bytes, and then there is no data")
                }
                guard size <= rest.count else {
                    throw .invalid(
                        "input '\(input.name)': binary_data_size is \(size), but only \(rest.count) bytes follow the JSON")
                }
                values = .raw(rest.prefix(size))
                rest = rest.dropFirst(size)
                if let width = Self.width(of: input.datatype), size != count * width {
                    throw .invalid(
                        "input '\(input.name)': \(size) bytes for shape \(input.shape) of \(input.datatype), expected "
                            + "\(count * width)")
                }
            } else {
                guard let data = input.data else {
                    throw .invalid("input '\(input.name)' has neither data nor binary_data_size")
                }
                guard data.count == count else {
                    throw .invalid(
                        "input '\(input.name)': \(data.count) values for shape \(input.shape), expected \(count)")
                }
                values = .json(data)
            }
            tensors.append(Tensor(name: input.name, datatype: input.datatype, shape: input.shape, values: values))
        }
        guard rest.isEmpty else { throw .invalid("unexpected additional input data: \(rest.count) bytes after the last tensor") }
        (self.request, self.tensors) = (request, tensors)
    }

    private static func count(of input: InferenceRequest.Input) throws(ServingError) -> Int {
        guard (1...8).contains(input.shape.count) else {
            throw .invalid("input '\(input.name)': shape \(input.shape) has \(input.shape.count) axes, expected 1 to 8")
        }
        var count = 1
        for length in input.shape {
            let (product, overflow) = count.multipliedReportingOverflow(by: length)
            guard length >= 0, !overflow, product <= 1 << 40 else {
                throw .invalid("input '\(input.name)': shape \(input.shape) is not one of a tensor")
            }
            count = product
        }
        return count
    }

    /// Bytes of a value; `nil` where values differ in length.
    private static func width(of datatype: String) -> Int? {
        switch datatype {
        case "BOOL", "INT8", "UINT8": 1
        case "INT16", "UINT16", "FP16", "BF16": 2
        case "INT32", "UINT32", "FP32": 4
        case "INT64", "UINT64", "FP64": 8
        default: nil
        }
    }
}

extension InferenceBody.Tensor {
    /// The values as byte strings.
    /// - Throws: `ServingError` if the tensor is of another type, or its lengths do not add up.
    func strings() throws(ServingError) -> [Data] {
        guard datatype == "BYTES" else { throw .invalid("input '\(name)': datatype is \(datatype), expected BYTES") }
        switch values {
        case .json(.texts(let texts)): return texts.map { Data($0.utf8) }
        case .json(let data) where data.count == 0: return []  // an empty list may be one of anything
        case .json: throw .invalid("input '\(name)': BYTES are strings in JSON")
        case .raw(var bytes):
            var strings: [Data] = []
            while !bytes.isEmpty {
                guard bytes.count >= 4 else { throw .invalid("input '\(name)': a length of 4 bytes breaks off") }
                let length = bytes.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
                bytes = bytes.dropFirst(4)
                guard length <= bytes.count else {
                    throw .invalid("input '\(name)': an element of \(length) bytes reaches beyond the tensor's end")
                }
                strings.append(Data(bytes.prefix(length)))
                bytes = bytes.dropFirst(length)
            }
            let count = shape.reduce(1, *)
            guard strings.count == count else {
                throw .invalid("input '\(name)': \(strings.count) elements for shape \(shape), expected \(count)")
            }
            return strings
        }
    }

    /// The values as numbers.
    /// - Throws: `ServingError` if the tensor is of another type.
    func floats() throws(ServingError) -> [Float] {
        guard datatype == "FP32" else { throw .invalid("input '\(name)': datatype is \(datatype), expected FP32") }
        switch values {
        case .json(.numbers(let numbers)): return numbers.map { Float($0) }
        case .json: throw .invalid("input '\(name)': FP32 are numbers in JSON")
        case .raw(let bytes):
            return [Float](unsafeUninitializedCapacity: bytes.count / 4) { buffer, count in
                count = bytes.copyBytes(to: buffer) / 4  // its size was held against the shape
            }
        }
    }
}
