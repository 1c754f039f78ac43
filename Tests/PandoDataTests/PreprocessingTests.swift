import Foundation
import PandoTestSupport
import Testing

@testable import PandoData

@Suite struct PreprocessingTests {
    @Test func aPaddedPictureStandsInTheMiddle() throws {
        let wide = Image(width: 40, height: 20, filledWith: .black)
        let values = try Preprocessing(
            resize: .pad(PixelSize(10), fill: .white), mean: [0, 0, 0], deviation: [1, 1, 1])(wide)
        #expect(values.count == 300)
        // 10 x 5 of black, from row 2 (5 rows of room, 2 above).
        let rows = (0..<10).map { values[($0 * 10 + 5) * 3] }
        #expect(rows == [1, 1, 0, 0, 0, 0, 0, 1, 1, 1])
    }

    @Test func smallPicturesGrow() throws {
        let dot = Image(width: 1, height: 2, filledWith: .black)
        let fitted = try dot.fitted(to: .clipart(side: 8))
        #expect(fitted.width == 8 && fitted.height == 8)
        #expect(fitted[3, 4] == .black && fitted[0, 0] == .white && fitted[7, 7] == .white)
    }

    @Test func channelsAreNormalizedEachByItsOwn() throws {
        var image = Image(width: 1, height: 1, filledWith: .black)
        image[0, 0] = Color(red: 255, green: 51, blue: 0)
        let preprocessing = Preprocessing(
            resize: .squash(PixelSize(1)), mean: [0.5, 0.1, 0.25], deviation: [0.5, 0.2, 0.125])
        let values = try preprocessing(image)
        #expect(values.count == 3)
        for (found, expected) in zip(values, [1, 0.5, -2] as [Float]) { #expect(abs(found - expected) < 1e-6) }
    }

    @Test func theMiddleIsCutOutAfterTheShorterSideFits() throws {
        // Three bands of columns; the middle one is left.
        var image = Image(width: 90, height: 30, filledWith: .black)
        image.fill(left: 30, top: 0, width: 30, height: 30, with: .white)
        let preprocessing = Preprocessing(resize: .shortestEdge(30), crop: PixelSize(30))
        #expect(try image.fitted(to: preprocessing) == Image(width: 30, height: 30, filledWith: .white))
        #expect(preprocessing.outputSize == PixelSize(30) && preprocessing.outputCount == 2700)
    }

    @Test func aLineOfAMillionPixelsIsNotBlownUp() throws {
        let line = Image(width: 100_000, height: 1, filledWith: .black)
        let fitted = try line.fitted(to: .imageNet(side: 32))
        #expect(fitted == Image(width: 32, height: 32, filledWith: .black))
    }

    @Test func aDigestTellsSettingsApartAndNothingElse() throws {
        let clipart = Preprocessing.clipart()
        var other = clipart
        other.mean[0] += 0.001
        let copy = try JSONDecoder().decode(Preprocessing.self, from: JSONEncoder().encode(clipart))
        #expect(copy == clipart && copy.digest == clipart.digest)
        #expect(other.digest != clipart.digest && Preprocessing.clipart(side: 192).digest != clipart.digest)
        #expect(clipart.digest.count == 64)
    }

    @Test func settingsThatContradictThemselvesAreNotDecoded() throws {
        let text = String(decoding: try JSONEncoder().encode(Preprocessing.clipart()), as: UTF8.self)
        let broken = text.replacing("0.229", with: "0")
        #expect(broken != text)
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode(Preprocessing.self, from: Data(broken.utf8))
        }
    }

    // MARK: - preprocessor_config.json

    private func read(_ json: String) throws -> Preprocessing {
        let folder = try TemporaryDirectory()
        return try Preprocessing(configuration: folder.file("preprocessor_config.json", holding: Array(json.utf8)))
    }

    @Test func everyKindSurvivesItsOwnFile() throws {
        let folder = try TemporaryDirectory()
        let kinds = [
            Preprocessing.clipart(), .imageNet(interpolation: .bicubic),
            Preprocessing(
                resize: .squash(PixelSize(width: 20, height: 30)), crop: PixelSize(10), interpolation: .lanczos,
                rescale: 1 / 127.5, mean: [1, 1, 1], deviation: [1, 1, 1]),
        ]
        for preprocessing in kinds {
            let file = try folder.file("c.json", holding: Array(preprocessing.encodedConfiguration()))
            #expect(try Preprocessing(configuration: file) == preprocessing)
        }
    }

    @Test func filesOfKnownModelsAreUnderstood() throws {
        let tail = #""do_normalize": true, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}"#
        let vit = try read(#"{"do_resize": true, "size": 224, "resample": 2, "# + tail)
        #expect(vit.resize == .squash(PixelSize(224)) && vit.crop == nil && vit.rescale == 1 / 255)
        let clip = try read(#"{"do_center_crop": true, "crop_size": 224, "size": 224, "resample": 3, "# + tail)
        #expect(clip.resize == .shortestEdge(224) && clip.crop == PixelSize(224) && clip.interpolation == .bicubic)
        let dino = try read(
            #"{"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}, "resample": 3, "# + tail)
        #expect(dino.resize == .shortestEdge(256) && dino.crop == PixelSize(224))
        let convNeXt = try read(#"{"size": {"shortest_edge": 224}, "crop_pct": 0.875, "resample": 3, "# + tail)
        #expect(convNeXt.resize == .shortestEdge(256) && convNeXt.crop == PixelSize(224))
        let plain = try read(#"{"size": {"height": 8, "width": 9}, "do_rescale": false, "do_normalize": false}"#)
        #expect(plain.rescale == 1 && plain.mean == [0, 0, 0] && plain.deviation == [1, 1, 1])
    }

    @Test func whatIsSwitchedOffOrInertIsPassedOver() throws {
        let quiet = try read(
            #"""
            {"size": 8, "do_normalize": false, "do_pad": null, "pad_size": null, "do_convert_rgb": true,
             "data_format": "channels_first", "input_data_format": null, "do_flip_channel_order": false,
             "do_reduce_labels": true, "processor_class": "CLIPProcessor", "size_divisor": null}
            """#)
        #expect(quiet.resize == .squash(PixelSize(8)))
        let timm = try read(
            #"{"image_processor_type": "TimmWrapperImageProcessor", "pretrained_cfg": {"input_size": [3, 8, 8]}}"#)
        #expect(timm.outputSize == PixelSize(8) && timm.interpolation == .bicubic && timm.centering == .even)
    }

    @Test(arguments: [
        (#"{"interpolation": "random"}"#, "`interpolation` is random"),
        (#"{"crop_mode": "stretch"}"#, "`crop_mode` is stretch"),
        (#"{"input_size": [1, 28, 28]}"#, "`input_size`"), (#"{"input_size": [3, 1e9, 3]}"#, "`input_size`"),
        (#"{"crop_pct": -1}"#, "`crop_pct`"), (#"{"mean": [0.5, "a", 1]}"#, "`mean`"),
        (#"{"std": [0, 1, 1]}"#, "other than 0"), (#"{"pretrained_cfg": 3}"#, "`pretrained_cfg`"),
        (#"{"mean": [2, 2, 2], "crop_mode": "border"}"#, "no colour"),
    ])
    func timmFilesThatCannotBeFollowedAreRefused(_ json: String, _ part: String) throws {
        let folder = try TemporaryDirectory()
        let file = try folder.file("config.json", holding: Array(json.utf8))
        do {
            _ = try Preprocessing(timm: file)
            Issue.record("\(json) was read")
        } catch let error as PreprocessingError {
            #expect(error.file == file.path && error.description.contains(part), "\(error)")
        }
    }

    @Test(arguments: [
        (#"{"size": {"shortest_edge": 224}, "do_normalize": false}"#, "shortestEdge 224 needs a crop"),
        (#"{"size": {"longest": 224}, "do_normalize": false}"#, "`size` has the keys"),
        (#"{"size": 224, "resample": 6, "do_normalize": false}"#, "`resample` is 6"),
        (#"{"size": 224}"#, "`image_mean`"),
        (#"{"size": "large"}"#, "`size`"),
        (#"{"size": 224, "image_mean": [0.5], "image_std": [0.5]}"#, "expected 3 numbers"),
        (#"{"size": 224, "do_normalize": false, "size_divisor": 32}"#, "`size_divisor` is not followed"),
        (#"{"size": 224, "do_normalize": false, "do_flip_channel_order": true}"#, "`do_flip_channel_order`"),
        (#"{"size": {"longest_edge": 224}, "do_pad": true, "do_normalize": false}"#, "`do_pad` without `pad_color`"),
        (#"{"size": 224, "image_processor_type": "SamImageProcessor", "do_normalize": false}"#, "SamImageProcessor"),
        (#"{"do_resize": false, "do_normalize": false}"#, "need a crop"),
        (#"{"size": {"shortest_edge": 8, "longest_edge": 9}, "do_normalize": false}"#, "`size` has the keys"),
        (#"{"size": -3, "do_normalize": false}"#, "`size`"), (#"{"size": 1e300, "do_normalize": false}"#, "`size`"),
        (#"{"size": 224, "crop_pct": 0, "do_normalize": false}"#, "`crop_pct`"),
        (#"{"size": 224, "do_normalize": "yes"}"#, "`do_normalize`: expected true or false"),
        (#"{"size": 224, "size": 8, "do_normalize": false}"#, "size"),
        (#"{"image_processor_type": "TimmWrapperImageProcessor"}"#, "`pretrained_cfg`"),
        ("{", "preprocessor_config.json"), ("[]", "expected an object"),
    ])
    func filesThatCannotBeFollowedAreRefused(_ json: String, _ part: String) throws {
        do {
            _ = try read(json)
            Issue.record("\(json) was read")
        } catch let error as PreprocessingError {
            #expect(error.description.contains(part), "\(error)")
        }
    }
}
