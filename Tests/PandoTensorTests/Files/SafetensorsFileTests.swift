import Foundation
import PandoTensor
import PandoTestSupport
import Testing

@Suite struct SafetensorsFileTests {
    /// What safetensors 0.8.0 (`safetensors.numpy.save`) writes for `tensors` below.
    private static let reference = """
        YAIAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJmb3JtYXQiOiJwdCJ9LCJhIjp7ImR0eXBlIjoiSTY0Iiwic2hhcGUiOlsyXSwiZGF0YV9vZmZz\
        ZXRzIjpbMCwxNl19LCJiLndlaWdodCI6eyJkdHlwZSI6IkYzMiIsInNoYXBlIjpbMiwzXSwiZGF0YV9vZmZzZXRzIjpbMTYsNDBdfSwicXVv\
        dGVcIsOpIjp7ImR0eXBlIjoiRjMyIiwic2hhcGUiOlsxXSwiZGF0YV9vZmZzZXRzIjpbNDAsNDRdfSwicyI6eyJkdHlwZSI6IkYzMiIsInNo\
        YXBlIjpbXSwiZGF0YV9vZmZzZXRzIjpbNDQsNDhdfSwieiI6eyJkdHlwZSI6IkYzMiIsInNoYXBlIjpbMCw0XSwiZGF0YV9vZmZzZXRzIjpb\
        NDgsNDhdfSwiaSI6eyJkdHlwZSI6IkkzMiIsInNoYXBlIjpbMV0sImRhdGFfb2Zmc2V0cyI6WzQ4LDUyXX0sImhhbGYiOnsiZHR5cGUiOiJG\
        MTYiLCJzaGFwZSI6WzFdLCJkYXRhX29mZnNldHMiOls1Miw1NF19LCJpOCI6eyJkdHlwZSI6Ikk4Iiwic2hhcGUiOlsxXSwiZGF0YV9vZmZz\
        ZXRzIjpbNTQsNTVdfSwidSI6eyJkdHlwZSI6IlU4Iiwic2hhcGUiOlsyXSwiZGF0YV9vZmZzZXRzIjpbNTUsNTddfSwiZmxhZyI6eyJkdHlw\
        ZSI6IkJPT0wiLCJzaGFwZSI6WzNdLCJkYXRhX29mZnNldHMiOls1Nyw2MF19fSAgIAEAAAAAAAAA/v////////8AAAAAAACAPwAAAEAAAEBA\
        AACAQAAAoEAAAIA/AAAgQAMAAAAAOP8HCAEAAQ==
        """

    private static let tensors: [String: Tensor] = [
        "b.weight": Tensor([0, 1, 2, 3, 4, 5] as [Float], shape: [2, 3]),
        "a": Tensor([1, -2] as [Int64]),
        "half": Tensor([0.5] as [Float16]),
        "flag": Tensor([true, false, true]),
        "z": Tensor([] as [Float], shape: [0, 4]),
        "i": Tensor([3] as [Int32]),
        "u": Tensor([7, 8] as [UInt8]),
        "s": Tensor(2.5 as Float),
        "i8": Tensor([-1] as [Int8]),
        "quote\"é": Tensor([1] as [Float]),
    ]

    @Test func `a written file equals the reference implementation's, byte for byte`() throws {
        let directory = try TemporaryDirectory()
        try SafetensorsFile.write(Self.tensors, metadata: ["format": "pt"], to: directory.file("t"))
        let expected = try #require(Data(base64Encoded: Self.reference))
        #expect(try Data(contentsOf: directory.file("t")) == expected)
    }

    @Test func `the reference implementation's file reads back with every value`() throws {
        let directory = try TemporaryDirectory()
        let data = try #require(Data(base64Encoded: Self.reference))
        let file = try SafetensorsFile(directory.file("t", holding: Array(data)))
        #expect(file.metadata == ["format": "pt"])
        #expect(file.tensors.names == ["a", "b.weight", "quote\"é", "s", "z", "i", "half", "i8", "u", "flag"])
        for (name, tensor) in file.tensors {
            let expected = try #require(Self.tensors[name])
            #expect(tensor.shape == expected.shape && tensor.elementType == expected.elementType)
            #expect(tensor.withBytes { Array($0) } == expected.withBytes { Array($0) })
        }
    }

    @Test func `tensors outlive the file's name and its object`() throws {
        let directory = try TemporaryDirectory()
        let values = (0..<10_000).map(Float.init)
        try SafetensorsFile.write(["x": Tensor(values)], to: directory.file("t"))
        let before = MemoryMeter.liveBytes
        let tensor = try #require(try SafetensorsFile(directory.file("t")).tensors["x"])
        #expect(MemoryMeter.liveBytes - before < 10_000, "the tensor was copied")
        try FileManager.default.removeItem(at: directory.file("t"))
        #expect(tensor.scalars() == values)
    }

    @Test func `tensors that are not aligned are copied and right`() throws {
        let directory = try TemporaryDirectory()
        let header =
            #"{"o":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"x":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}}"#
        let values = [1.5, -2].flatMap { withUnsafeBytes(of: Float($0)) { Array($0) } }
        let file = try SafetensorsFile(directory.file("t", holding: Self.bytes(header, [9] + values)))
        #expect(file.tensors["x"]?.scalars() == [1.5, -2])
    }

    /// A header, what follows it, and a part of what must be said.
    private static let attacks: [(header: String, data: Int, says: String)] = [
        (
            #"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"y":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#,
            12, "y: its bytes overlap those of x"
        ),
        (
            #"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"y":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
            8, "overlap"
        ),
        (
            #"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"y":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}}"#,
            16, "y: 4 unused bytes stand between it and x"
        ),
        (
            #"{"x":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#, 12,
            "x: 4 unused bytes stand between it and the header"
        ),
        (#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 12, "4 unused bytes follow the last tensor"),
        (
            #"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 4,
            "x: its bytes 0..<8 go beyond the 4 bytes of data"
        ),
        (
            #"{"x":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, 8,
            "x: shape [3] of F32 needs 12 bytes, the file gives it 8"
        ),
        (
            #"{"x":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, 8,
            "x: its bytes end at 0, before they begin at 8"
        ),
        (
            #"{"x":{"dtype":"F32","shape":[4611686018427387904,4611686018427387904],"data_offsets":[0,8]}}"#, 8,
            "more bytes than can be counted"
        ),
        (
            #"{"x":{"dtype":"F32","shape":[0,4611686018427387904,4611686018427387904],"data_offsets":[0,0]}}"#, 0,
            "more bytes than can be counted"
        ),
        (#"{"x":{"dtype":"F32","shape":[18446744073709551618],"data_offsets":[0,8]}}"#, 8, "shape"),
        (#"{"x":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#, 8, "shape"),
        (#"{"x":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}"#, 8, "shape"),
        (#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,9223372036854775807]}}"#, 8, "go beyond"),
        (#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8,16]}}"#, 8, "3 numbers, not 2"),
        (#"{"x":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}}"#, 8, "x: element type F8_E4M3 is not supported"),
        (#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"more":1}}"#, 8, "x: unknown part \"more\""),
        (#"{"x":{"shape":[2],"data_offsets":[0,8]}}"#, 8, "x: has no \"dtype\""),
        (#"{"x":{"dtype":"F32","data_offsets":[0,8]}}"#, 8, "x: has no list \"shape\""),
        (#"{"x":7}"#, 0, "x: has no \"dtype\""),
        (
            #"{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"x":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#,
            2, "\"x\" occurs twice"
        ),
        (#"{"__metadata__":{"a":1}}"#, 0, "__metadata__: \"a\" is a whole number, not a string"),
        (#"{"__metadata__":[]}"#, 0, "__metadata__ is a list, not an object"),
        (#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#, 8, "not valid JSON"),
        (#"{} {}"#, 0, "not valid JSON"),
        (#"[]"#, 0, "does not begin with"),
        (" {}", 0, "does not begin with"),
        ("", 0, "does not begin with"),
        (#"{"a":\#(String(repeating: "[", count: 100_000))}"#, 0, "not valid JSON"),
    ]

    @Test(arguments: attacks.indices)
    func `a header that lies is refused with the reason`(number: Int) throws {
        let (header, count, says) = Self.attacks[number]
        let directory = try TemporaryDirectory()
        let place = try directory.file("t", holding: Self.bytes(header, [UInt8](repeating: 0, count: count)))
        let error = #expect(throws: CheckpointError.self) { try SafetensorsFile(place) }
        #expect("\(try #require(error))".contains(says))
    }

    @Test(
        arguments: [
            ([], "begins with 8"), ([1, 2, 3], "begins with 8"), ([0, 0, 0, 0, 0, 0, 0, 0], "does not begin"),
            ([255, 255, 255, 255, 255, 255, 255, 255], "limit"),
            ([100, 0, 0, 0, 0, 0, 0, 0, 0x7B, 0x7D], "ends after 2"),
            ([0, 0, 0, 0, 0, 0, 0, 128], "limit"),
        ] as [([UInt8], String)])
    func `a wrong header length is refused`(bytes: [UInt8], says: String) throws {
        let directory = try TemporaryDirectory()
        let place = try directory.file("t", holding: bytes)
        let error = #expect(throws: CheckpointError.self) { try SafetensorsFile(place) }
        #expect("\(try #require(error))".contains(says))
    }

    @Test func `every problem is told at once, by tensor`() throws {
        let header =
            #"{"a":{"dtype":"F8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,1]},"c":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#
        let directory = try TemporaryDirectory()
        let place = try directory.file("t", holding: Self.bytes(header, [0]))
        let error = #expect(throws: CheckpointError.self) { try SafetensorsFile(place) }
        #expect(error?.problems.map(\.tensor) == ["a", "b"])
    }

    @Test func `a bool that is neither 0 nor 1 is refused`() throws {
        let header = #"{"x":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}}"#
        let directory = try TemporaryDirectory()
        let place = try directory.file("t", holding: Self.bytes(header, [1, 2]))
        #expect(throws: CheckpointError.self) { try SafetensorsFile(place) }
    }

    @Test func `weights that are not finite are refused by name, in every float type`() throws {
        let directory = try TemporaryDirectory()
        let tensors: [String: Tensor] = [
            "good": Tensor([1, -3.4e38] as [Float]), "nan": Tensor([1, .nan] as [Float]),
            "half": Tensor([65504, .infinity] as [Float16]),
            "short": Tensor([BFloat16(1), BFloat16(-Float.infinity), BFloat16(.nan)]),
            "whole": Tensor([Int32(bitPattern: 0x7FC0_0000)]),
        ]
        try SafetensorsFile.write(tensors, to: directory.file("t"))
        let error = #expect(throws: CheckpointError.self) { try SafetensorsFile(directory.file("t")) }
        #expect(Set(error?.problems.compactMap(\.tensor) ?? []) == ["nan", "half", "short"])
        #expect("\(try #require(error))".contains("short: 2 of 3 elements"))
        #expect(try SafetensorsFile(directory.file("t"), requiringFinite: false).tensors.count == 5)
    }

    @Test func `every truncation is refused`() throws {
        let directory = try TemporaryDirectory()
        let whole = Array(try #require(Data(base64Encoded: Self.reference)))
        for count in 0..<whole.count {
            let place = try directory.file("t", holding: Array(whole[..<count]))
            #expect(throws: CheckpointError.self, "cut to \(count) bytes") { try SafetensorsFile(place) }
        }
    }

    @Test func `a flipped byte gives an error or tensors, never a crash`() throws {
        let directory = try TemporaryDirectory()
        let whole = Array(try #require(Data(base64Encoded: Self.reference)))
        var refused = 0
        for index in whole.indices {
            for mask in [0x01, 0x10, 0x80] as [UInt8] {
                var bytes = whole
                bytes[index] ^= mask
                let place = try directory.file("t", holding: bytes)
                do {
                    for (_, tensor) in try SafetensorsFile(place, requiringFinite: false).tensors {
                        #expect(tensor.withBytes { $0.count } == tensor.byteCount)
                    }
                } catch { refused += 1 }
            }
        }
        #expect(refused > whole.count)
    }

    @Test func `memory of mapped tensors can be given back, and they are read anew`() throws {
        let directory = try TemporaryDirectory()
        let values = Tensor((0..<1 << 20).map { Float($0) })
        let url = directory.url.appendingPathComponent("large.safetensors")
        try SafetensorsFile.write(["values": values], to: url)
        let tensors = try SafetensorsFile(url).tensors.map(\.1)
        #expect(try residentKilobytes(of: url) > 4000)  // finite numbers were looked for in all of it
        tensors.releaseMappedPages()
        #expect(try residentKilobytes(of: url) < 100)
        #expect(tensors[0].scalars() == values.scalars() as [Float])
    }

    /// What a file's mapping takes of memory now.
    private func residentKilobytes(of url: URL) throws -> Int {
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: "/proc/self/smaps"))
        var text = Data()
        // The kernel gives it in parts.
        while let part = try file.read(upToCount: 1 << 16), !part.isEmpty { text += part }
        let lines = String(decoding: text, as: UTF8.self).split(separator: "\n")
        let start = try #require(lines.firstIndex { $0.contains(url.path) })
        let line = try #require(lines[start...].first { $0.hasPrefix("Rss:") })
        return try #require(line.split(separator: " ").dropFirst().first.flatMap { Int($0) })
    }

    /// A file of `header`, told with its true length, and `data`.
    private static func bytes(_ header: String, _ data: [UInt8]) -> [UInt8] {
        withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) } + Array(header.utf8) + data
    }
}
