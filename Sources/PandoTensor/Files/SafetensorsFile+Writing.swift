import Foundation

extension SafetensorsFile {
    /// Writes tensors as a safetensors file, all or nothing: whoever reads `url` sees the old file or the new one.
    ///
    /// Order, padding and spelling are those of the reference implementation, so equal tensors give equal files.
    /// - Parameter metadata: noted in the header; written in the order of its keys.
    /// - Throws: `FileError`.
    /// - Precondition: no name is `__metadata__`.
    public static func write(
        _ tensors: [String: Tensor], metadata: [String: String] = [:], to url: URL
    ) throws {
        require(tensors["__metadata__"] == nil, "SafetensorsFile: a tensor cannot be named __metadata__")
        // Wide elements first, so that every tensor is aligned for its type; then by name.
        let ordered = tensors.sorted {
            let ranks = ($0.value.elementType.writingRank, $1.value.elementType.writingRank)
            return ranks.0 != ranks.1 ? ranks.0 > ranks.1 : $0.key.utf8.lexicographicallyPrecedes($1.key.utf8)
        }
        var parts: [String] = []
        if !metadata.isEmpty {
            let notes = metadata.sorted { $0.key < $1.key }
                .map { "\(JSON.quoted($0.key)):\(JSON.quoted($0.value))" }
            parts.append("\"__metadata__\":{\(notes.joined(separator: ","))}")
        }
        var offset = 0
        for (name, tensor) in ordered {
            let shape = tensor.shape.map(String.init).joined(separator: ",")
            let end = offset + tensor.byteCount
            parts.append(
                "\(JSON.quoted(name)):{\"dtype\":\"\(tensor.elementType.safetensorsName)\",\"shape\":[\(shape)],"
                    + "\"data_offsets\":[\(offset),\(end)]}")
            offset = end
        }
        var header = Array("{\(parts.joined(separator: ","))}".utf8)
        header += [UInt8](repeating: UInt8(ascii: " "), count: (8 - header.count % 8) % 8)

        try AtomicFile.write(to: url) { sink in
            try withUnsafeBytes(of: UInt64(header.count).littleEndian) { try sink.write($0) }
            try sink.write(header)
            for (_, tensor) in ordered { try tensor.withBytes { try sink.write($0) } }
        }
    }
}

extension ElementType {
    /// Where the reference implementation's list of element types has this one; files begin with the highest.
    fileprivate var writingRank: Int {
        switch self {
        case .bool: 0
        case .uint8: 1
        case .int8: 2
        case .float16: 3
        case .bfloat16: 4
        case .int32: 5
        case .float32: 6
        case .int64: 7
        }
    }
}
