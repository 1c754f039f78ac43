import Foundation
import PandoTensor

/// Reads the values of one tensor of a file.
struct TensorReader {
    let model: URL

    /// What is wrong with a tensor.
    struct Fault: Error {
        let kind: ONNXError.Problem.Kind
        let text: String

        init(_ kind: ONNXError.Problem.Kind, _ text: String) {
            self.kind = kind
            self.text = text
        }
    }

    /// - Parameter files: files of weights that were opened before.
    /// - Throws: `Fault`.
    func value(of wire: WireValues, files: inout [String: MappedFile]) throws -> ONNXValue {
        guard let type = ONNXElementType(rawValue: Int(wire.dataType)), let kind = type.kind else {
            throw Fault(.unsupported, "values of element type \(wire.dataType) are not read")
        }
        let shape = wire.dims.map { Int($0) }
        guard let count = Self.count(shape, limit: Int.max / 16) else {
            throw Fault(.values, "sizes \(shape) are negative or too large")
        }
        let values: Tensor
        if wire.dataLocation == 1 {
            let (file, range) = try external(wire, byteCount: count * type.byteCount, &files)
            values = Self.tensor(file.bytes(in: range), type, shape, owner: file)
        } else if wire.hasRawData {
            guard wire.rawData.count == count * type.byteCount else {
                throw Fault(
                    .values,
                "\(wire.rawData.count) bytes stored, shape \(shape) of \(type) needs \(count * type.byteCount)")
            }
            values = wire.rawData.withUnsafeBytes { Self.tensor($0, type, shape, owner: nil) }
        } else {
            values = try listed(wire, type, count).reshaped(shape)
        }
        return ONNXValue(values, kind)
    }

    /// The number of elements; `nil` if a size is negative or there are more than `limit`.
    static func count(_ shape: [Int], limit: Int) -> Int? {
        var count = 1
        for size in shape {
            guard size >= 0 else { return nil }
            let (product, overflow) = count.multipliedReportingOverflow(by: size)
            guard !overflow, product <= limit else { return nil }
            count = product
        }
        return count
    }
}

// MARK: - Values in the message

extension TensorReader {
    /// Values in the message's own lists of numbers.
    private func listed(_ wire: WireValues, _ type: ONNXElementType, _ count: Int) throws -> Tensor {
        func checked<Number>(_ list: [Number]) throws -> [Number] {
            guard list.count == count else { throw Fault(.values, "\(list.count) values stored, sizes \(wire.dims) need \(count)") }
            return list
        }
        switch type {
        case .float: return Tensor(try checked(wire.floatData))
        case .double: return Tensor(try checked(wire.doubleData).map { Float($0) })
        case .int64: return Tensor(try checked(wire.int64Data))
        case .uint32, .uint64: return Tensor(try checked(wire.uint64Data).map { Int64(clamping: $0) })
        case .int32, .int16, .int8, .uint16, .uint8: return Tensor(try checked(wire.int32Data).map { Int64($0) })
        case .bool: return Tensor(try checked(wire.int32Data).map { $0 != 0 })
        case .float16:
            return Tensor(
                try checked(wire.int32Data).map { Float(Float16(bitPattern: UInt16(truncatingIfNeeded: $0))) })
        case .bfloat16:
            return Tensor(
                try checked(wire.int32Data).map { Float(BFloat16(bitPattern: UInt16(truncatingIfNeeded: $0))) })
        case .string, .complex64, .complex128: throw Fault(.unsupported, "values of type \(type) are not read")
        }
    }

    /// Little-endian values row by row, as `float32`, `int64` or `bool`.
    ///
    /// - Parameter owner: who keeps the bytes; if they need no conversion the tensor shares them.
    private static func tensor(
        _ bytes: UnsafeRawBufferPointer, _ type: ONNXElementType, _ shape: [Int], owner: MappedFile?
    ) -> Tensor {
        func isAligned(_ size: Int) -> Bool { UInt(bitPattern: bytes.baseAddress) % UInt(size) == 0 }
        switch type {
        case .float, .int64:
            let element: ElementType = type == .float ? .float32 : .int64
            if let owner, isAligned(element.byteCount) {
                return Tensor(sharing: bytes, ownedBy: owner, shape: shape, elementType: element)
            }
            return Tensor(copying: bytes, shape: shape, elementType: element)
        case .float16: return Tensor(copying: bytes, shape: shape, elementType: .float16).cast(to: .float32)
        case .bfloat16: return Tensor(copying: bytes, shape: shape, elementType: .bfloat16).cast(to: .float32)
        case .int32: return Tensor(copying: bytes, shape: shape, elementType: .int32).cast(to: .int64)
        case .int8: return Tensor(copying: bytes, shape: shape, elementType: .int8).cast(to: .int64)
        case .uint8: return Tensor(copying: bytes, shape: shape, elementType: .uint8).cast(to: .int64)
        case .bool: return Tensor(bytes.map { $0 != 0 }, shape: shape)
        case .double: return read(bytes, shape) { (value: Double) in Float(value) }
        case .uint16: return read(bytes, shape) { (value: UInt16) in Int64(value) }
        case .int16: return read(bytes, shape) { (value: Int16) in Int64(value) }
        case .uint32: return read(bytes, shape) { (value: UInt32) in Int64(value) }
        case .uint64: return read(bytes, shape) { (value: UInt64) in Int64(clamping: value) }
        case .string, .complex64, .complex128: stop("ONNX: values of \(type) were let through")
        }
    }

    private static func read<Stored: BitwiseCopyable, Scalar: TensorScalar>(
        _ bytes: UnsafeRawBufferPointer, _ shape: [Int], _ convert: (Stored) -> Scalar
    ) -> Tensor {
        let size = MemoryLayout<Stored>.size
        return Tensor(
            (0..<bytes.count / size).map { convert(bytes.loadUnaligned(fromByteOffset: $0 * size, as: Stored.self)) },
            shape: shape)
    }
}

// MARK: - Values in files of their own

extension TensorReader {
    /// The file that holds the values, and where in it.
    ///
    /// A model may only name files in its own folder: not by an absolute path, not upwards, not through links.
    private func external(_ wire: WireValues, byteCount: Int, _ files: inout [String: MappedFile]) throws
        -> (MappedFile, Range<Int>)
    {
        let entries = Dictionary(wire.externalData.map { ($0.key, $0.value) }) { first, _ in first }
        guard let location = entries["location"], !location.isEmpty else {
            throw Fault(.values, "the values are said to stand in another file, which is not named")
        }
        let parts = location.split(separator: "/", omittingEmptySubsequences: false)
        guard !location.hasPrefix("/"), !location.utf8.contains(0), !location.contains("\\"),
            !parts.contains(where: { $0 == ".." })
        else { throw Fault(.file, "the values stand in \"\(location)\", outside of the model's folder: refused") }
        let file: MappedFile
        if let known = files[location] {
            file = known
        } else {
            let folder = model.deletingLastPathComponent().resolvingSymlinksInPath().standardizedFileURL.path
            let target = model.deletingLastPathComponent().appending(path: location).resolvingSymlinksInPath()
                .standardizedFileURL
            let prefix = folder.hasSuffix("/") ? folder : folder + "/"
            guard target.path.hasPrefix(prefix) else {
                throw Fault(
                    .file, "the values stand in \"\(location)\", a link out of the model's folder: refused")
            }
            do { file = try MappedFile(target) } catch { throw Fault(.file, "\(error)") }
            files[location] = file
        }
        guard let offset = Int(entries["offset"] ?? "0"), let length = Int(entries["length"] ?? String(byteCount)),
            offset >= 0, length == byteCount, offset <= file.count, file.count - offset >= byteCount
        else {
            throw Fault(
                    .values,
                "\(byteCount) bytes wanted at offset \(entries["offset"] ?? "0") (length \(entries["length"] ?? "not stated")) of \"\(location)\", which has \(file.count)"
            )
        }
        return (file, offset..<offset + byteCount)
    }
}
