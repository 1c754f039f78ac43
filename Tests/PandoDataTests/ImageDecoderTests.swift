import Foundation
import PandoTestSupport
import Testing

@testable import PandoData

private let red = Color(red: 255, green: 0, blue: 0)
private let green = Color(red: 0, green: 255, blue: 0)
private let blue = Color(red: 0, green: 0, blue: 255)

/// The colours in the middle of the four quarters: top left, top right, bottom left, bottom right.
private func quarters(_ image: Image) -> [Color] {
    [(1, 1), (3, 1), (1, 3), (3, 3)].map { image[image.width * $0.0 / 4, image.height * $0.1 / 4] }
}

private func expectNear(_ found: [Color], _ expected: [Color], within tolerance: Int = 6) {
    for (found, expected) in zip(found, expected) {
        for channel in [\Color.red, \.green, \.blue] {
            #expect(
                abs(Int(found[keyPath: channel]) - Int(expected[keyPath: channel])) <= tolerance,
                "found \(found), expected \(expected)")
        }
    }
}

private func grey(_ value: UInt8) -> Color { Color(red: value, green: value, blue: value) }

@Suite struct ImageDecoderTests {
    let decoder = ImageDecoder()

    @Test(arguments: ["rgb.png", "palette.png", "rgb.webp", "rgb.gif", "rgb.tif", "rgb.avif", "progressive.jpg"])
    func everyFormatShowsTheSamePicture(_ name: String) throws {
        let image = try decoder.image(at: fixture(name))
        #expect(image.width == 32 && image.height == 24)
        expectNear(quarters(image), [red, green, blue, .white])
    }

    @Test(arguments: 1...8)
    func everyOrientationIsTurnedUpright(_ orientation: Int) throws {
        let url = fixture("orientation\(orientation).jpg")
        #expect(try decoder.header(of: url).size == PixelSize(width: 32, height: 24))
        expectNear(quarters(try decoder.image(at: url)), [red, green, blue, .white])
    }

    @Test(arguments: 1...8)
    func aCropIsCutFromTheUprightPicture(_ orientation: Int) throws {
        // 32 x 24 becomes 16 x 12; a middle 2 wide and 12 high holds all four colours, left and right of its middle.
        let narrow = Preprocessing(resize: .shortestEdge(12), crop: PixelSize(width: 8, height: 12))
        let image = try decoder.image(.file(fixture("orientation\(orientation).jpg")), fittedTo: narrow)
        #expect(image.width == 8 && image.height == 12)
        expectNear([image[1, 2], image[6, 2], image[1, 9], image[6, 9]], [red, green, blue, .white], within: 12)
    }

    @Test func aLargeJPEGShrinksInsideItsDecoderToTheSamePicture() throws {
        let url = fixture("large.jpg")
        #expect(try decoder.header(of: url).size == PixelSize(width: 512, height: 384))
        let small = try decoder.image(
            .file(url), fittedTo: Preprocessing(resize: .squash(PixelSize(width: 16, height: 12))))
        expectNear(quarters(small), [red, green, blue, .white])
        // The border between two quarters lies where it lay: no pixel is off by half.
        let rows = (0..<12).map { small[2, $0].red > 127 }
        #expect(rows == Array(repeating: true, count: 6) + Array(repeating: false, count: 6))
    }

    @Test(arguments: ["grey.png", "grey16.png", "grey.jpg"])
    func greyPicturesBecomeEightBitColour(_ name: String) throws {
        expectNear(quarters(try decoder.image(at: fixture(name))), [grey(0), grey(85), grey(170), .white], within: 2)
    }

    @Test func inkBecomesLight() throws {
        // The mixture that CMYK stands for is a matter of the profile; which channels dominate is not.
        let colors = quarters(try decoder.image(at: fixture("cmyk.jpg")))
        #expect(colors[0].red > 180 && colors[0].green < 80 && colors[0].blue < 80)
        #expect(colors[1].green > 120 && colors[1].red < 100 && colors[1].blue < 110)
        #expect(colors[2].blue > 100 && colors[2].red < 90)
        expectNear([colors[3]], [.white], within: 3)
    }

    @Test func transparentPixelsShowWhite() throws {
        let halfRed = Color(red: 255, green: 127, blue: 127)
        expectNear(quarters(try decoder.image(at: fixture("alpha.png"))), [halfRed, .white, blue, .black], within: 1)
        expectNear(
            quarters(try decoder.image(at: fixture("greyalpha.png"))), [grey(127), .white, grey(128), .black], within: 1
        )
    }

    @Test func aColourProfileIsAppliedAndAUselessOneLeftAside() throws {
        expectNear(quarters(try decoder.image(at: fixture("icc.png"))), [red, green, blue, .white])
        expectNear(quarters(try decoder.image(at: fixture("badicc.png"))), [red, green, blue, .white])
    }

    @Test(arguments: [
        ("bilinear", Preprocessing.Interpolation.bilinear), ("bicubic", .bicubic), ("lanczos", .lanczos),
    ])
    func resizingMatchesPillow(_ name: String, _ interpolation: Preprocessing.Interpolation) throws {
        let expected = try decoder.image(at: fixture("detail-\(name).png"))
        let size = PixelSize(width: 50, height: 40)
        let found = try decoder.image(
            .file(fixture("detail.png")), fittedTo: Preprocessing(resize: .squash(size), interpolation: interpolation))
        #expect(found == expected)
    }

    // MARK: - Bad input

    @Test func badFilesAreRefusedEachWithItsReason() throws {
        let folder = try TemporaryDirectory()
        let empty = try folder.file("empty.png", holding: [])
        let text = try folder.file("text.png", holding: Array("no picture at all, only words".utf8))
        let zero = try folder.file("zero.png", holding: PNGBytes.file(width: 0, height: 0))
        func reason(_ url: URL) -> ImageError.Reason? {
            do throws(ImageError) {
                _ = try decoder.image(at: url)
                return nil
            } catch {
                #expect(error.source == url.path && error.description.hasPrefix(url.path + ": "))
                return error.reason
            }
        }
        #expect(reason(empty) == .empty)
        #expect(reason(text) == .unsupported)
        #expect(reason(folder.file("nowhere.png")) == .missing)
        #expect(reason(folder.url) == .unreadable("it is not a regular file"))
        guard case .damaged(let detail)? = reason(zero) else {
            Issue.record("a picture without pixels was read as \(String(describing: reason(zero)))")
            return
        }
        #expect(detail.contains("IHDR"))
    }

    @Test(arguments: ["rgb.png", "detail.png", "large.jpg", "orientation6.jpg", "badicc.png"])
    func bytesShowWhatTheirFileShows(_ name: String) throws {
        let bytes = try Data(contentsOf: fixture(name))
        let expected = try decoder.image(.file(fixture(name)), fittedTo: .clipart(side: 48))
        #expect(Set(expected.pixels).count > 1)
        #expect(try decoder.image(.bytes(bytes, name: name), fittedTo: .clipart(side: 48)) == expected)
        #expect(throws: ImageError.self) {
            try decoder.image(.bytes(bytes.prefix(bytes.count / 2), name: name), fittedTo: .clipart(side: 48))
        }
    }

    @Test func truncatedPicturesAreRefusedNotShownInPart() throws {
        let folder = try TemporaryDirectory()
        let whole = try Data(contentsOf: fixture("detail.png"))
        let half = try folder.file("half.png", holding: Array(whole.prefix(whole.count / 2)))
        let header = try folder.file("header.png", holding: Array(whole.prefix(40)))
        for url in [half, header, fixture("truncated.jpg")] {
            do throws(ImageError) {
                _ = try decoder.image(at: url)
                Issue.record("\(url.lastPathComponent) was read")
            } catch {
                guard case .damaged(let detail) = error.reason else {
                    Issue.record("\(error)")
                    continue
                }
                #expect(!detail.isEmpty)
            }
        }
    }

    @Test func aBombIsRefusedByItsHeader() throws {
        let folder = try TemporaryDirectory()
        let bomb = try folder.file("bomb.png", holding: PNGBytes.file(width: 100_000, height: 100_000))
        #expect(
            throws: ImageError(
                source: bomb.path, reason: .tooLarge(width: 100_000, height: 100_000, limit: 1_000_000_000))
        ) { try decoder.image(at: bomb) }
        #expect(throws: ImageError.self) { try ImageDecoder(pixelLimit: 767).header(of: fixture("rgb.png")) }
        #expect(try ImageDecoder(pixelLimit: 768).header(of: fixture("rgb.png")).size.width == 32)
    }

    @Test func whatCannotStreamHasALimitOfItsOwn() throws {
        let folder = try TemporaryDirectory()
        let bytes = PNGBytes.file(width: 30_000, height: 30_000, interlaced: true)
        let interlaced = try folder.file("interlaced.png", holding: bytes)
        #expect(
            throws: ImageError(
                source: interlaced.path, reason: .tooLargeToHold(width: 30_000, height: 30_000, limit: 100_000_000))
        ) { try decoder.image(at: interlaced) }
        #expect(try !decoder.header(of: fixture("progressive.jpg")).streams)
        #expect(try decoder.header(of: fixture("rgb.png")).streams)
    }

    @Test func messagesOfConcurrentFailuresAreNotMixedUp() throws {
        let folder = try TemporaryDirectory()
        let zero = try folder.file("zero.png", holding: PNGBytes.file(width: 0, height: 0))
        let files = [zero, fixture("truncated.jpg"), fixture("rgb.png")]
        let messages = try mapConcurrently(count: 60, workers: 4) { index in
            do throws(ImageError) {
                _ = try decoder.image(at: files[index % 3])
                return "read"
            } catch {
                return error.description
            }
        }
        for (index, message) in messages.enumerated() { #expect(message == messages[index % 3]) }
        #expect(messages[0].contains("png") && !messages[0].contains("Jpeg") && messages[2] == "read")
    }
}
