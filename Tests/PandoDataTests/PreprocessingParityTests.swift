import Foundation
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoData

/// Pixel tensors of transformers' Pillow processors and timm's transforms, made by `Tests/golden/preprocessing.py`.
@Suite struct PreprocessingParityTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let name, reader, config: String
        let width, height: Int
        let shape: [Int]
        let stride: Int
        let samples: [Float]

        var testDescription: String { "\(name), \(width) x \(height)" }

        func preprocessing() throws -> Preprocessing {
            let folder = try TemporaryDirectory()
            let file = try folder.file("config.json", holding: Array(config.utf8))
            return reader == "timm" ? try Preprocessing(timm: file) : try Preprocessing(configuration: file)
        }
    }

    static let cases: [Case] = {
        do {
            let data = try Data(contentsOf: fixture("preprocessing.json"))
            let file = try JSONSerialization.jsonObject(with: data) as! [String: Any]
            return try (file["cases"] as! [[String: Any]]).flatMap { row in
                let config = try JSONSerialization.data(withJSONObject: row["config"]!)
                return (row["results"] as! [[String: Any]]).map { result in
                    let size = result["size"] as! [Int]
                    let bytes = Data(base64Encoded: result["samples"] as! String)!
                    return Case(
                        name: row["name"] as! String, reader: row["reader"] as! String,
                        config: String(decoding: config, as: UTF8.self), width: size[0], height: size[1],
                        shape: result["shape"] as! [Int], stride: result["stride"] as! Int,
                        samples: stride(from: 0, to: bytes.count, by: 2).map {
                            Float(Float16(bitPattern: UInt16(bytes[$0]) | UInt16(bytes[$0 + 1]) << 8))
                        })
                }
            }
        } catch { stop("preprocessing.json cannot be read: \(error)") }
    }()

    /// The picture that the script draws.
    static func picture(width: Int, height: Int) -> Image {
        var pixels: [UInt8] = []
        for y in 0..<height {
            for x in 0..<width {
                let noise = (x * 7919 + y * 104_729 + x * y * 31) % 251
                pixels.append(UInt8((x * 255 / max(width - 1, 1) + noise / 8) % 256))
                pixels.append((x / 3 + y / 2) % 2 == 0 ? 230 : 20)
                pixels.append(UInt8(noise))
            }
        }
        return Image(width: width, height: height, pixels: pixels)
    }

    /// The largest difference from the stored samples, in levels of 255.
    private func difference(_ values: [Float], _ golden: Case, _ preprocessing: Preprocessing) -> Float {
        golden.samples.enumerated().map { index, expected in
            let place = index * golden.stride
            return abs(values[place] - expected) * abs(preprocessing.deviation[place % 3] / preprocessing.rescale)
        }.max()!
    }

    @Test(arguments: cases)
    func tensorsAreTheReferences(_ golden: Case) throws {
        let preprocessing = try golden.preprocessing()
        #expect(preprocessing.outputSize == PixelSize(width: golden.shape[1], height: golden.shape[0]))
        let picture = Self.picture(width: golden.width, height: golden.height)
        let values = try preprocessing(picture)
        #expect(golden.samples.count == (values.count + golden.stride - 1) / golden.stride)
        // Exact but for what float16 rounds.
        #expect(difference(values, golden, preprocessing) < 0.3)
        // Through a file, row by row, it is the same.
        let folder = try TemporaryDirectory()
        let file = folder.file("picture.png")
        try picture.write(png: file)
        let read = try ImageDecoder().image(.file(file), fittedTo: preprocessing)
        #expect(read == (try picture.fitted(to: preprocessing)))
    }

    @Test func theComparisonTellsNeighbouringFiltersAndOffsetsApart() throws {
        let golden = try #require(Self.cases.first { $0.name == "clip" })
        let picture = Self.picture(width: golden.width, height: golden.height)
        let right = try golden.preprocessing()
        var others = [right, right, right]
        others[0].interpolation = .bilinear
        others[1].resize = .shortestEdge(49)
        others[2].mean[0] += 0.01
        for other in others { #expect(difference(try other(picture), golden, right) > 2) }
    }

    @Test func settingsSurviveTheirOwnFile() throws {
        let folder = try TemporaryDirectory()
        var seen: Set<String> = []
        for golden in Self.cases where seen.insert(golden.name).inserted {
            let preprocessing = try golden.preprocessing()
            let file = try folder.file("\(seen.count).json", holding: Array(preprocessing.encodedConfiguration()))
            #expect(try Preprocessing(configuration: file) == preprocessing, "\(golden.name)")
        }
        #expect(seen.count == 32)
    }
}
