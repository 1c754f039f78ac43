/// Reads numbers and runs of bytes in order, little-endian, and never past the end.
///
/// The caller keeps the bytes alive while the reader is used.
struct ByteReader {
    /// The bytes ended before what was asked for.
    struct Ended: Error {}

    let bytes: UnsafeRawBufferPointer
    /// Where the next read begins.
    private(set) var position: Int

    /// - Precondition: `position` is not past the end.
    init(_ bytes: UnsafeRawBufferPointer, at position: Int = 0) {
        require((0...bytes.count).contains(position), "ByteReader: \(position) is outside 0...\(bytes.count)")
        self.bytes = bytes
        self.position = position
    }

    var remaining: Int { bytes.count - position }

    mutating func read<Number: FixedWidthInteger>(_ type: Number.Type = Number.self) throws(Ended) -> Number {
        let range = try skip(MemoryLayout<Number>.size)
        return Number(littleEndian: bytes.loadUnaligned(fromByteOffset: range.lowerBound, as: Number.self))
    }

    /// The next `count` bytes.
    mutating func read(count: Int) throws(Ended) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes[try skip(count)])
    }

    /// Bytes up to the next newline, which is read but not returned.
    mutating func readLine() throws(Ended) -> UnsafeRawBufferPointer {
        guard let end = bytes[position...].firstIndex(of: UInt8(ascii: "\n")) else { throw Ended() }
        let line = UnsafeRawBufferPointer(rebasing: bytes[position..<end])
        position = end + 1
        return line
    }

    /// Where the next `count` bytes stand.
    @discardableResult
    mutating func skip(_ count: Int) throws(Ended) -> Range<Int> {
        guard count >= 0, count <= remaining else { throw Ended() }
        defer { position += count }
        return position..<position + count
    }
}
