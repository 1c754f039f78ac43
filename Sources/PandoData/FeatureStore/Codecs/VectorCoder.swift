import PandoTensor

/// Turns vectors of numbers into bytes and back.
protocol VectorCoder: Sendable {
    /// What it learnt, by name: all that another process needs to read its bytes.
    var parameters: [String: Tensor] { get }

    /// The bytes of whole vectors, one after another.
    func encode(_ values: UnsafeBufferPointer<Float>) -> [UInt8]

    /// Writes the vectors that `encode` made `bytes` of: exactly as many numbers as `values` has places.
    ///
    /// Bytes that `encode` never makes give some numbers, but nothing outside either buffer is touched.
    func decode(_ bytes: UnsafeRawBufferPointer, into values: UnsafeMutableBufferPointer<Float>)
}

/// Why parameters are not those of a codec.
struct CodecObjection: Error {
    let text: String
}

/// Numbers as they are.
struct Float32Coder: VectorCoder {
    var parameters: [String: Tensor] { [:] }

    func encode(_ values: UnsafeBufferPointer<Float>) -> [UInt8] { Array(UnsafeRawBufferPointer(values)) }

    func decode(_ bytes: UnsafeRawBufferPointer, into values: UnsafeMutableBufferPointer<Float>) {
        require(bytes.count == 4 * values.count, "Float32Coder: \(bytes.count) bytes are not \(values.count) numbers")
        UnsafeMutableRawBufferPointer(values).copyMemory(from: bytes)
    }
}

/// The upper half of each number, rounded to nearest, ties to even.
struct BFloat16Coder: VectorCoder {
    var parameters: [String: Tensor] { [:] }

    func encode(_ values: UnsafeBufferPointer<Float>) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 2 * values.count) { bytes, count in
            let halves = UnsafeMutableRawBufferPointer(bytes)
            for (index, value) in values.enumerated() {
                halves.storeBytes(of: BFloat16(value).bitPattern, toByteOffset: 2 * index, as: UInt16.self)
            }
            count = 2 * values.count
        }
    }

    func decode(_ bytes: UnsafeRawBufferPointer, into values: UnsafeMutableBufferPointer<Float>) {
        require(bytes.count == 2 * values.count, "BFloat16Coder: \(bytes.count) bytes are not \(values.count) numbers")
        let target = UnsafeMutableRawBufferPointer(values)
        var index = 0
        while index + 16 <= values.count {
            let halves = bytes.loadUnaligned(fromByteOffset: 2 * index, as: SIMD16<UInt16>.self)
            let bits = SIMD16<UInt32>(truncatingIfNeeded: halves) &<< 16
            target.storeBytes(of: bits, toByteOffset: 4 * index, as: SIMD16<UInt32>.self)
            index += 16
        }
        for index in index..<values.count {
            let half = bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)
            target.storeBytes(of: UInt32(half) << 16, toByteOffset: 4 * index, as: UInt32.self)
        }
    }
}
