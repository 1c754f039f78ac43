import Foundation

/// The checked header of a safetensors file: which tensor stands where.
struct SafetensorsHeader {
    /// One tensor's place. `range` counts from the beginning of the file, lies inside it, and has exactly the
    /// bytes that shape and element type need.
    struct Entry {
        let name: String
        let elementType: ElementType
        let shape: [Int]
        let range: Range<Int>
    }

    /// By place.
    let entries: [Entry]
    let metadata: [String: String]

    private static let lengthLimit = 100_000_000
    private static let rankLimit = 32
    private static let metadataKey = "__metadata__"

    /// - Throws: all problems found. Places are compared only if each by itself makes sense.
    init(of file: MappedFile) throws(CheckpointError) {
        let path = file.url.path
        let header = try Self.headerRange(in: file)
        let json: JSON
        do { json = try JSON(parsing: file.bytes(in: header)) } catch {
            throw CheckpointError(path: path, "the header is not valid JSON: \(error)")
        }
        guard let members = json.members else {
            throw CheckpointError(path: path, "the header is \(json.kind), not an object")
        }

        var entries: [Entry] = []
        var metadata: [String: String] = [:]
        var problems: [CheckpointError.Problem] = []
        for member in members {
            if member.key == Self.metadataKey {
                do throws(Problem) { metadata = try Self.metadata(from: member.value) } catch {
                    problems.append(.init(error.text))
                }
                continue
            }
            do throws(Problem) {
                entries.append(try Self.entry(member, dataStart: header.upperBound, end: file.count))
            } catch {
                problems.append(.init(tensor: member.key, error.text))
            }
        }
        entries.sort { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
        if problems.isEmpty {
            problems = Self.placementProblems(entries, dataStart: header.upperBound, end: file.count)
        }
        guard problems.isEmpty else { throw CheckpointError(path: path, problems: problems) }
        self.entries = entries
        self.metadata = metadata
    }

    /// What is wrong with one member of the header.
    private struct Problem: Error { let text: String }

    private static func headerRange(in file: MappedFile) throws(CheckpointError) -> Range<Int> {
        func failure(_ text: String) -> CheckpointError { CheckpointError(path: file.url.path, text) }
        var reader = ByteReader(file.bytes)
        let length: UInt64
        do { length = try reader.read() } catch {
            throw failure("the file has \(file.count) bytes; a safetensors file begins with 8 that tell a length")
        }
        guard length <= UInt64(lengthLimit) else {
            throw failure(
                "the header would have \(length) bytes, the limit is \(lengthLimit): this is not a safetensors file")
        }
        guard Int(length) <= reader.remaining else {
            throw failure("the header should have \(length) bytes, the file ends after \(reader.remaining)")
        }
        let range = 8..<8 + Int(length)
        guard length > 0, file.bytes[8] == UInt8(ascii: "{") else {
            throw failure("the header does not begin with \"{\": this is not a safetensors file")
        }
        return range
    }

    private static func metadata(from json: JSON) throws(Problem) -> [String: String] {
        guard let members = json.members else { throw Problem(text: "\(metadataKey) is \(json.kind), not an object") }
        var metadata: [String: String] = [:]
        for member in members {
            guard let text = member.value.string else {
                throw Problem(text: "\(metadataKey): \"\(member.key)\" is \(member.value.kind), not a string")
            }
            metadata[member.key] = text
        }
        return metadata
    }

    private static func entry(_ member: JSON.Member, dataStart: Int, end: Int) throws(Problem) -> Entry {
        let known = ["dtype", "shape", "data_offsets"]
        for part in member.value.members ?? [] where !known.contains(part.key) {
            throw Problem(text: "unknown part \"\(part.key)\"; a tensor has \(known.joined(separator: ", "))")
        }
        guard let typeName = member.value["dtype"]?.string else { throw Problem(text: "has no \"dtype\"") }
        guard let type = ElementType(safetensorsName: typeName) else {
            let names = ElementType.allCases.map(\.safetensorsName).joined(separator: ", ")
            throw Problem(text: "element type \(typeName) is not supported; supported are \(names)")
        }
        let shape = try wholeNumbers(member.value["shape"], "shape")
        guard shape.count <= rankLimit else {
            throw Problem(text: "has \(shape.count) axes, the limit is \(rankLimit)")
        }
        let offsets = try wholeNumbers(member.value["data_offsets"], "data_offsets")
        guard offsets.count == 2 else { throw Problem(text: "\"data_offsets\" has \(offsets.count) numbers, not 2") }
        guard let byteCount = byteCount(of: shape, type) else {
            throw Problem(text: "shape \(shape) has more bytes than can be counted")
        }
        guard offsets[0] <= offsets[1] else {
            throw Problem(text: "its bytes end at \(offsets[1]), before they begin at \(offsets[0])")
        }
        guard offsets[1] <= end - dataStart else {
            throw Problem(
                text: "its bytes \(offsets[0])..<\(offsets[1]) go beyond the \(end - dataStart) bytes of data")
        }
        guard offsets[1] - offsets[0] == byteCount else {
            throw Problem(
                text: "shape \(shape) of \(typeName) needs \(byteCount) bytes, the file gives it "
                    + "\(offsets[1] - offsets[0])")
        }
        return Entry(
            name: member.key, elementType: type, shape: shape,
            range: dataStart + offsets[0]..<dataStart + offsets[1])
    }

    private static func wholeNumbers(_ json: JSON?, _ name: String) throws(Problem) -> [Int] {
        guard let items = json?.array else { throw Problem(text: "has no list \"\(name)\"") }
        var numbers: [Int] = []
        for item in items {
            guard let number = item.integer, number >= 0 else {
                throw Problem(text: "\"\(name)\" holds something that is not a whole number from 0 to \(Int.max)")
            }
            numbers.append(number)
        }
        return numbers
    }

    private static func byteCount(of shape: [Int], _ type: ElementType) -> Int? {
        // Counted as if empty axes had one place: strides must be countable too.
        var count = type.byteCount
        for size in shape {
            let (product, overflow) = count.multipliedReportingOverflow(by: max(size, 1))
            if overflow { return nil }
            count = product
        }
        return shape.contains(0) ? 0 : count
    }

    /// Overlaps, gaps and bytes that belong to nobody.
    private static func placementProblems(
        _ entries: [Entry], dataStart: Int, end: Int
    ) -> [CheckpointError.Problem] {
        var problems: [CheckpointError.Problem] = []
        var expected = dataStart
        var previous = "the header"
        for entry in entries {
            if entry.range.lowerBound < expected {
                problems.append(.init(tensor: entry.name, "its bytes overlap those of \(previous)"))
            } else if entry.range.lowerBound > expected {
                problems.append(
                    .init(
                        tensor: entry.name,
                        "\(entry.range.lowerBound - expected) unused bytes stand between it and \(previous)"))
            }
            if entry.range.upperBound >= expected {
                expected = entry.range.upperBound
                previous = entry.name
            }
        }
        if expected < end { problems.append(.init("\(end - expected) unused bytes follow the last tensor")) }
        return problems
    }
}
