import Foundation
import PandoBackbones
import PandoData
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoTraining

/// A clip of 25 frames at 10 a second; `make_videos.sh` beside it tells more.
private let clip = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "PandoDataTests/Fixtures/videos/bframes.mp4")

@Suite struct MediaFeaturesTests {
    let backbone: FrozenBackbone
    let preprocessing = Preprocessing(resize: .squash(PixelSize(32)))
    let folder: TemporaryDirectory

    init() throws {
        let network = try Catalog.architecture(named: "mobilenet_v2").makeImageBackbone(seed: 3)
        backbone = FrozenBackbone(network, summarizing: ["features.3"])
        folder = try TemporaryDirectory()
    }

    private func extraction(_ sampling: VideoSampling = .count(5)) -> MediaExtraction {
        MediaExtraction(backbone, preprocessing: preprocessing, sampling: sampling, workers: 2)
    }

    private func picture(_ name: String, _ color: Color) throws -> MediaFile {
        try Image(width: 20, height: 30, filledWith: color).write(png: folder.file(name))
        return .picture(folder.file(name))
    }

    @Test func aRowIsTheBackbonesAnswerToItsFrame() throws {
        let features = try extraction().extract([.video(clip)])
        var row = 0
        try VideoDecoder().forEachFrame(of: clip, sampling: .count(5)) { frame in
            let input = Tensor(try preprocessing(frame.image), shape: [1, 32, 32, 3])
            let expected = backbone.separatedFeatures(of: input)
            expectClose(features.pooled.slice(row..<row + 1), expected.pooled, relative: 1e-5)
            expectClose(features.taps["features.3"]!.slice(row..<row + 1), expected.taps["features.3"]!, relative: 1e-5)
            #expect(features.timestamps[row] == Float(frame.timestamp))
            row += 1
        }
        #expect(row == 5 && features.pooled.shape == [5, 1280])
    }

    @Test func picturesAndVideosShareATableInTheirOrder() throws {
        let files = [
            try picture("a.png", .white), .video(clip), try picture("b.png", .black), try picture("c.png", .white),
        ]
        var last = (done: -1, total: -1)
        let features = try extraction(.rate(2)).extract(files) { last = ($0, $1) }
        #expect(features.sources.map(\.rowCount) == [1, 5, 1, 1])
        #expect(features.sources.map(\.firstRow) == [0, 1, 6, 7])
        #expect(features.sources.map(\.kind) == ["picture", "video", "picture", "picture"])
        #expect(last == (8, 8) && features.unreadable.isEmpty)
        expectClose(features.pooled.slice(7..<8), features.pooled.slice(0..<1), relative: 1e-5)
        let file = folder.file("features.safetensors")
        try features.write(to: file, backbone: "mobilenet_v2")
        let read = try SafetensorsFile(file)
        #expect(read.tensors["source"]!.scalars(as: Int32.self) == [0, 1, 1, 1, 1, 1, 2, 3])
        #expect(read.tensors["timestamps"]!.scalars(as: Float.self).dropFirst().prefix(5) == [0, 0.5, 1, 1.5, 2])
        #expect(read.tensors["pooled"]!.shape == [8, 1280] && read.tensors["features.3"]!.shape == [8, 24])
        let sources = try JSONDecoder().decode(
            [MediaFeatures.Source].self, from: Data(try #require(read.metadata["sources"]).utf8))
        #expect(sources[1].video?.codec == "h264" && sources[1].path == clip.path)
    }

    @Test func whatCannotBeReadIsLeftOutAndNamed() throws {
        let words = try folder.file("words.mp4", holding: Array("no video".utf8))
        let torn = try folder.file("torn.png", holding: [0x89, 0x50, 0x4E, 0x47])
        let files = [MediaFile.video(words), .picture(torn), try picture("a.png", .white)]
        let features = try extraction().extract(files)
        #expect(features.sources.map(\.path) == [folder.file("a.png").path])
        #expect(features.unreadable.map(\.path) == [words.path, torn.path])
        #expect(features.unreadable[0].error.contains("not a video file"))
        #expect(throws: MediaError.self) { try extraction().extract([.video(words), .picture(torn)]) }
        var strict = extraction()
        strict.isStrict = true
        #expect(throws: VideoError.self) { try strict.extract(files) }
    }
}
