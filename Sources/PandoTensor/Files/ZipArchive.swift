/// Where the members of a zip archive stand in its bytes.
///
/// Only members that are stored as they are: a PyTorch checkpoint has no others. Large archives (zip64) are read.
/// Checksums are not compared.
/// - Source: PKWARE's APPNOTE 6.3, sections 4.3 (records) and 4.5.3 (zip64).
struct ZipArchive {
    /// Why an archive cannot be read.
    struct ReadError: Error, CustomStringConvertible {
        let description: String
    }

    /// In the order of the archive's directory.
    private(set) var names: [String] = []
    /// Each member's bytes, inside the archive.
    private(set) var ranges: [String: Range<Int>] = [:]

    private static let memberLimit = 1_000_000

    static func isArchive(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.count >= 4 && bytes.loadUnaligned(as: UInt32.self).littleEndian == Signature.member
    }

    init(_ bytes: UnsafeRawBufferPointer) throws(ReadError) {
        let directory = try Directory(of: bytes)
        var reader = ByteReader(bytes, at: directory.start)
        for _ in 0..<directory.count {
            let member: Member
            do { member = try Member(&reader) } catch {
                throw ReadError(description: "the directory of the zip archive is cut off")
            }
            guard member.signature == Signature.directoryEntry else {
                throw ReadError(description: "the directory of the zip archive is damaged")
            }
            let range = try member.range(in: bytes)
            guard ranges.updateValue(range, forKey: member.name) == nil else {
                throw ReadError(description: "the zip archive has two members named \(member.name)")
            }
            names.append(member.name)
        }
    }

    private enum Signature {
        static let member: UInt32 = 0x0403_4b50
        static let directoryEntry: UInt32 = 0x0201_4b50
        static let end: UInt32 = 0x0605_4b50
        static let end64: UInt32 = 0x0606_4b50
        static let end64Locator: UInt32 = 0x0706_4b50
    }

    /// The end of an archive, which tells where its directory is.
    private struct Directory {
        var start: Int
        var count: Int

        private static let endSize = 22
        private static let longestComment = 0xFFFF

        init(of bytes: UnsafeRawBufferPointer) throws(ReadError) {
            guard let end = Self.findEnd(in: bytes) else {
                throw ReadError(description: "the zip archive has no directory at its end: the file is cut off")
            }
            do {
                var reader = ByteReader(bytes, at: end + 10)
                count = Int(try reader.read(UInt16.self))
                try reader.skip(4)  // the directory's size
                start = Int(try reader.read(UInt32.self))
                if count == 0xFFFF || start == 0xFFFF_FFFF, end >= 20 { try readZip64(bytes, end: end) }
            } catch {
                throw ReadError(description: "the end of the zip archive is damaged")
            }
            guard (0...bytes.count).contains(start), (0...memberLimit).contains(count) else {
                throw ReadError(description: "the end of the zip archive is damaged")
            }
        }

        /// Where the last end-of-directory record begins, searched from the back.
        private static func findEnd(in bytes: UnsafeRawBufferPointer) -> Int? {
            let last = bytes.count - endSize
            guard last >= 0 else { return nil }
            return (max(0, last - longestComment)...last).last {
                bytes.loadUnaligned(fromByteOffset: $0, as: UInt32.self).littleEndian == Signature.end
            }
        }

        private mutating func readZip64(_ bytes: UnsafeRawBufferPointer, end: Int) throws(ByteReader.Ended) {
            var locator = ByteReader(bytes, at: end - 20)
            guard try locator.read(UInt32.self) == Signature.end64Locator else { return }
            try locator.skip(4)  // the disk's number
            guard let place = Int(exactly: try locator.read(UInt64.self)), place <= bytes.count else {
                throw ByteReader.Ended()
            }
            var reader = ByteReader(bytes, at: place)
            guard try reader.read(UInt32.self) == Signature.end64 else { throw ByteReader.Ended() }
            try reader.skip(28)  // sizes, versions, disks, and the count on this disk
            guard let count = Int(exactly: try reader.read(UInt64.self)) else { throw ByteReader.Ended() }
            try reader.skip(8)  // the directory's size
            guard let start = Int(exactly: try reader.read(UInt64.self)) else { throw ByteReader.Ended() }
            (self.count, self.start) = (count, start)
        }
    }

    /// One entry of the directory.
    private struct Member {
        let signature: UInt32
        let flags: UInt16
        let method: UInt16
        let name: String
        private(set) var storedSize: UInt64
        private(set) var size: UInt64
        private(set) var place: UInt64

        init(_ reader: inout ByteReader) throws(ByteReader.Ended) {
            signature = try reader.read()
            try reader.skip(4)  // versions
            flags = try reader.read()
            method = try reader.read()
            try reader.skip(8)  // time, date, checksum
            storedSize = UInt64(try reader.read(UInt32.self))
            size = UInt64(try reader.read(UInt32.self))
            let nameLength = Int(try reader.read(UInt16.self))
            let extraLength = Int(try reader.read(UInt16.self))
            let commentLength = Int(try reader.read(UInt16.self))
            try reader.skip(8)  // disk, attributes
            place = UInt64(try reader.read(UInt32.self))
            name = String(decoding: try reader.read(count: nameLength), as: UTF8.self)
            let extra = try reader.read(count: extraLength)
            try reader.skip(commentLength)
            try readZip64(ByteReader(extra))
        }

        /// Replaces each number that does not fit in 32 bits by its 64-bit form.
        private mutating func readZip64(_ extra: ByteReader) throws(ByteReader.Ended) {
            var extra = extra
            while extra.remaining >= 4 {
                let kind: UInt16 = try extra.read()
                var field = ByteReader(try extra.read(count: Int(try extra.read(UInt16.self))))
                guard kind == 1 else { continue }
                if size == 0xFFFF_FFFF { size = try field.read() }
                if storedSize == 0xFFFF_FFFF { storedSize = try field.read() }
                if place == 0xFFFF_FFFF { place = try field.read() }
            }
        }

        /// The member's bytes, found through its own header in front of them.
        func range(in bytes: UnsafeRawBufferPointer) throws(ReadError) -> Range<Int> {
            guard flags & 1 == 0 else { throw ReadError(description: "\(name) in the zip archive is encrypted") }
            guard method == 0 else {
                throw ReadError(
                    description: "\(name) in the zip archive is compressed (method \(method)); "
                        + "PyTorch stores members as they are: save the checkpoint again with torch.save")
            }
            do {
                guard size == storedSize, let size = Int(exactly: size), let place = Int(exactly: place),
                    place <= bytes.count
                else { throw ByteReader.Ended() }
                var reader = ByteReader(bytes, at: place)
                guard try reader.read(UInt32.self) == Signature.member else { throw ByteReader.Ended() }
                try reader.skip(22)
                let nameLength = Int(try reader.read(UInt16.self))
                let extraLength = Int(try reader.read(UInt16.self))
                try reader.skip(nameLength + extraLength)
                return try reader.skip(size)
            } catch {
                throw ReadError(description: "\(name) lies outside the zip archive: the file is cut off or damaged")
            }
        }
    }
}
