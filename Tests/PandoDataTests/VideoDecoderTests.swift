import Foundation
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoData

private func clip(_ name: String) -> URL { fixture("videos/\(name)") }

/// Which frame of a clip this is, by its grey: `make_videos.sh` says how they were drawn. Nil if it is none.
private func number(_ image: Image) -> Int? {
    let color = image[image.width / 4, image.height * 3 / 4]
    let number = (Int(color.green) - 16 + 4) / 8
    let isGrey = abs(Int(color.red) - Int(color.green)) <= 4 && abs(Int(color.blue) - Int(color.green)) <= 4
    return isGrey && abs(Int(color.green) - 16 - 8 * number) <= 3 ? number : nil
}

private func isRed(_ color: Color) -> Bool { color.red > 220 && color.green < 40 && color.blue < 40 }

/// Numbers and times of the frames that a sampling gives, and what was reported.
private func frames(
    of url: URL, _ sampling: VideoSampling, from start: Double = 0, to end: Double? = nil,
    decoder: VideoDecoder = VideoDecoder()
) throws -> (numbers: [Int?], times: [Double], report: VideoReport) {
    var (numbers, times): ([Int?], [Double]) = ([], [])
    let report = try decoder.forEachFrame(of: url, sampling: sampling, from: start, to: end) { frame in
        numbers.append(number(frame.image))
        times.append(frame.timestamp)
    }
    #expect(report.frameCount == numbers.count)
    return (numbers, times, report)
}

private func expectTimes(_ found: [Double], _ expected: [Double], sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(
        found.count == expected.count && zip(found, expected).allSatisfy { abs($0 - $1) < 0.0015 },
        "found \(found), expected \(expected)", sourceLocation: sourceLocation)
}

@Suite struct VideoDecoderTests {
    let decoder = VideoDecoder()

    // MARK: - Headers

    @Test func aHeaderTellsSizeLengthRateAndCodec() throws {
        let header = try decoder.header(of: clip("bframes.mp4"))
        #expect(header.size == PixelSize(width: 64, height: 48) && header.rotation == 0)
        #expect(header.codec == "h264" && header.container.hasPrefix("mov") && header.frameCount == 25)
        #expect(header.frameRate == 10 && abs(header.duration! - 2.5) < 0.01)
        let stream = try decoder.header(of: clip("stream.ts"))
        #expect(stream.codec == "mpeg4" && stream.frameCount == nil && stream.frameRate == 25)
    }

    @Test func aVideoOnItsSideIsTurnedUpright() throws {
        let header = try decoder.header(of: clip("rotated.mp4"))
        #expect(header.size == PixelSize(width: 48, height: 32) && header.rotation == 270)
        try decoder.forEachFrame(of: clip("rotated.mp4"), sampling: .count(1)) { frame in
            // The right quarter is red as stored; turned counter-clockwise it is the top.
            #expect(frame.image.width == 48 && frame.image.height == 32)
            #expect(isRed(frame.image[4, 3]) && isRed(frame.image[44, 3]))
            #expect(!isRed(frame.image[44, 28]) && !isRed(frame.image[4, 28]))
        }
    }

    @Test func pixelsThatAreNotSquareAreMadeSo() throws {
        #expect(try decoder.header(of: clip("wide.avi")).size == PixelSize(width: 64, height: 48))
        try decoder.forEachFrame(of: clip("wide.avi"), sampling: .count(1)) { frame in
            #expect(frame.image.width == 64 && frame.image.height == 48)
            #expect(isRed(frame.image[56, 20]) && !isRed(frame.image[40, 20]))
        }
    }

    // MARK: - Sampling

    @Test func framesComeInOrderOfPresentationWhateverTheirOrderInTheFile() throws {
        let (numbers, times, report) = try frames(of: clip("bframes.mp4"), .every)
        #expect(numbers == Array(0..<25))
        expectTimes(times, (0..<25).map { Double($0) / 10 })
        #expect(report.isWhole)
    }

    @Test func timesCountFromTheStreamsStart() throws {
        let (numbers, times, report) = try frames(of: clip("stream.ts"), .every)
        #expect(numbers == Array(0..<20))
        expectTimes(times, (0..<20).map { Double($0) / 25 })
        #expect(report.isWhole, "\(report.problems)")
    }

    @Test func aRateTakesWhatIsOnScreen() throws {
        let halves = try frames(of: clip("bframes.mp4"), .rate(2))
        #expect(halves.numbers == [0, 5, 10, 15, 20])
        // Instants 0, 1/3, 2/3, 1, ...: the frame that began before.
        #expect(try frames(of: clip("bframes.mp4"), .rate(3)).numbers == [0, 3, 6, 10, 13, 16, 20, 23])
        let everyOnce = try frames(of: clip("bframes.mp4"), .rate(1000))
        #expect(everyOnce.numbers == Array(0..<25))
    }

    @Test func aVariableRateIsSampledByTime() throws {
        let every = try frames(of: clip("variable.mkv"), .every)
        #expect(every.numbers == Array(0..<10))
        expectTimes(every.times, [0, 0.1, 0.2, 1.2, 1.3, 1.4, 3.4, 3.5, 3.6, 3.7])
        // On screen at 0, 0.5, 1, 1.5, ... seconds: frame 2 stays for a second, frame 5 for two.
        let halves = try frames(of: clip("variable.mkv"), .rate(2))
        #expect(halves.numbers == [0, 2, 5, 7])
        let five = try frames(of: clip("variable.mkv"), .count(5))
        // 0, 0.925, 1.85, 2.775, 3.7
        #expect(five.numbers == [0, 2, 5, 5, 9])
    }

    @Test func aCountIsSpreadFromTheFirstFrameToTheLast() throws {
        for count in [1, 2, 7, 16, 25, 40] {
            let expected = (0..<count).map { $0 * 24 / max(count - 1, 1) }
            #expect(try frames(of: clip("bframes.mp4"), .count(count)).numbers == expected)
        }
    }

    @Test func aSegmentGivesItsMiddleFrame() throws {
        for count in [1, 3, 8, 25, 50] {
            let expected = (0..<count).map { Int((Double($0) + 0.5) * 25 / Double(count) + 1e-6) }
            #expect(try frames(of: clip("bframes.mp4"), .segments(count)).numbers == expected)
        }
    }

    @Test(arguments: ["bframes.mp4", "stream.ts"])
    func aRangeHoldsTheFramesThatBeginInIt(_ name: String) throws {
        let rate = name == "stream.ts" ? 25.0 : 10
        for first in 0..<20 {
            let start = Double(first) / rate
            let every = try frames(of: clip(name), .every, from: start, to: start + 2.5 / rate)
            #expect(every.numbers == Array(first..<min(first + 3, name == "stream.ts" ? 20 : 25)))
        }
        let middle = try frames(of: clip(name), .count(2), from: 5 / rate, to: 10 / rate)
        #expect(middle.numbers == [5, 9])
    }

    @Test func jumpsFindTheFramesThatReadingOnFinds() throws {
        // Two seconds between the frames looked at, key frames every 0.8 seconds.
        let (numbers, times, _) = try frames(of: clip("bframes.mp4"), .count(2), from: 0.3, to: 2.35)
        #expect(numbers == [3, 23])
        expectTimes(times, [0.3, 2.3])
        for first in 11..<25 {
            #expect(try frames(of: clip("bframes.mp4"), .count(1), from: Double(first) / 10).numbers == [first])
        }
    }

    @Test func theHeaderTellsHowManyFramesToExpect() throws {
        let header = try decoder.header(of: clip("bframes.mp4"))
        for sampling in [VideoSampling.every, .rate(2), .rate(100), .count(7), .segments(3)] {
            let given = try frames(of: clip("bframes.mp4"), sampling).numbers.count
            #expect(sampling.expectedCount(of: header) == given, "\(sampling)")
        }
        #expect(VideoSampling.every.expectedCount(of: header, from: 0.5, to: 1) == 5)
        #expect(try VideoSampling.every.expectedCount(of: decoder.header(of: clip("variable.mkv"))) != nil)
    }

    @Test func aFolderIsListedWithItsPicturesAndVideos() throws {
        let folder = try TemporaryDirectory()
        for name in ["b.MP4", "a.png", "notes.txt", "c.jpeg"] { _ = try folder.file(name, holding: [1]) }
        let found = try MediaFile.files(at: folder.url)
        #expect(found.map(\.url.lastPathComponent) == ["a.png", "b.MP4", "c.jpeg"])
        guard case .picture = found[0], case .video = found[1] else {
            Issue.record("\(found)")
            return
        }
        #expect(try MediaFile.files(at: folder.file("clip")) == [.video(folder.file("clip"))])
    }

    @Test func framesStopWhereTheCallerStops() throws {
        struct Enough: Error {}
        var seen = 0
        #expect(throws: Enough.self) {
            try decoder.forEachFrame(of: clip("bframes.mp4"), sampling: .every) { _ in
                seen += 1
                if seen == 3 { throw Enough() }
            }
        }
        #expect(seen == 3)
        let flag = CancellationFlag()
        flag.cancel()
        #expect(throws: CancellationError.self) {
            try decoder.forEachFrame(of: clip("bframes.mp4"), sampling: .every, cancellation: flag) { _ in }
        }
    }

    // MARK: - Bad input

    private func reason(_ url: URL, _ decoder: VideoDecoder = VideoDecoder()) -> VideoError.Reason? {
        do {
            try decoder.forEachFrame(of: url, sampling: .every) { _ in }
            return nil
        } catch let error as VideoError {
            #expect(error.source == url.path && error.description.hasPrefix(url.path + ": "))
            return error.reason
        } catch {
            Issue.record("\(error)")
            return nil
        }
    }

    @Test func badFilesAreRefusedEachWithItsReason() throws {
        let folder = try TemporaryDirectory()
        #expect(reason(folder.file("nowhere.mp4")) == .missing)
        #expect(reason(folder.url) == .unreadable("it is not a regular file"))
        #expect(reason(try folder.file("empty.mp4", holding: [])) == .empty)
        #expect(reason(clip("sound.mp4")) == .withoutVideo)
        for bytes in [Array("no video at all, only words".utf8), Array(try Data(contentsOf: fixture("rgb.png")))] {
            guard case .notVideo? = reason(try folder.file("words.mp4", holding: bytes)) else {
                Issue.record("read as \(String(describing: reason(folder.file("words.mp4"))))")
                continue
            }
        }
    }

    @Test func filesThatReferToOthersAreNotFollowed() throws {
        let folder = try TemporaryDirectory()
        let target = clip("bframes.mp4").path
        let lists = [
            "ffconcat version 1.0\nfile '\(target)'\n",
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:3\n#EXTINF:2.5,\n\(target)\n#EXT-X-ENDLIST\n",
            "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"><Period/></MPD>",
        ]
        for list in lists {
            guard case .notVideo? = reason(try folder.file("list.mp4", holding: Array(list.utf8))) else {
                Issue.record("followed: \(list)")
                continue
            }
        }
        #expect(reason(URL(fileURLWithPath: "concat:\(target)")) == .missing)
    }

    @Test func limitsHold() throws {
        #expect(
            reason(clip("bframes.mp4"), VideoDecoder(pixelLimit: 64 * 48 - 1))
                == .tooLarge(width: 64, height: 48, limit: 64 * 48 - 1))
        #expect(reason(clip("bframes.mp4"), VideoDecoder(pixelLimit: 64 * 48)) == nil)
        #expect(reason(clip("bframes.mp4"), VideoDecoder(frameLimit: 24)) == .tooManyFrames(limit: 24))
        #expect(reason(clip("bframes.mp4"), VideoDecoder(frameLimit: 25)) == nil)
    }

    @Test func aVideoCutShortGivesItsBeginningAndSaysSo() throws {
        let folder = try TemporaryDirectory()
        let whole = Array(try Data(contentsOf: clip("wide.avi")))
        for (length, count) in [(6000, 2), (6100, 3)] {
            let found = try frames(of: try folder.file("part.avi", holding: Array(whole.prefix(length))), .every)
            #expect(found.numbers == Array(0..<count) && !found.report.isWhole)
            let spread = try frames(of: folder.file("part.avi"), .count(2))
            #expect(spread.numbers == [0, count - 1])
        }
        let stream = Array(try Data(contentsOf: clip("stream.ts")))
        let part = try folder.file("part.ts", holding: Array(stream.prefix(stream.count / 2)))
        let found = try frames(of: part, .every)
        // A transport stream does not say how long it is, so nothing is missing.
        #expect(found.numbers == Array(0..<found.numbers.count) && (5..<15).contains(found.numbers.count))
        // The index of an MP4 stands at its end: without it nothing is left.
        let movie = Array(try Data(contentsOf: clip("bframes.mp4")))
        guard case .damaged? = reason(try folder.file("part.mp4", holding: Array(movie.prefix(movie.count / 2)))) else {
            Issue.record("an MP4 without its index was read")
            return
        }
    }

    @Test func damageInTheMiddleCostsOnlyWhatRestsUponIt() throws {
        let folder = try TemporaryDirectory()
        var bytes = Array(try Data(contentsOf: clip("stream.ts")))
        // Packets of 188 bytes; some in the middle are lost.
        let first = bytes.count / 188 / 2
        bytes.removeSubrange(first * 188..<(first + 3) * 188)
        let found = try frames(of: try folder.file("hole.ts", holding: bytes), .every)
        #expect(!found.report.isWhole && found.report.problemCount == found.report.problems.count)
        #expect(found.numbers.allSatisfy { $0 != nil })
        #expect(found.numbers == found.times.map { Int(($0 * 25).rounded()) })
        #expect(found.numbers.first == 0 && found.numbers.last == 19 && (12..<20).contains(found.numbers.count))
    }

    @Test func anythingMayHappenToAFileButACrash() throws {
        let folder = try TemporaryDirectory()
        for name in ["bframes.mp4", "stream.ts", "variable.mkv", "wide.avi"] {
            let whole = Array(try Data(contentsOf: clip(name)))
            var generator = SeededGenerator(seed: 7)
            for round in 0..<60 {
                var bytes = whole
                for _ in 0..<(round % 12 + 1) {
                    let place = Int(generator.next() % UInt64(bytes.count))
                    bytes[place] = UInt8(truncatingIfNeeded: generator.next())
                }
                let url = try folder.file("broken-\(name)", holding: bytes)
                for sampling in [VideoSampling.every, .count(4)] {
                    do {
                        try VideoDecoder(pixelLimit: 1_000_000, frameLimit: 1000)
                            .forEachFrame(of: url, sampling: sampling) { frame in
                                #expect(frame.timestamp.isFinite)
                            }
                    } catch is VideoError {}
                }
            }
        }
    }
}
