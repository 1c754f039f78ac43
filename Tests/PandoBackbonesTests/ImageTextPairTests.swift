import PandoBackbones
import PandoData
import PandoTensor
import PandoTestSupport
import Testing

/// Networks for pictures and texts as transformers stores them, against it (`Tests/golden/pairs.py`).
@Suite struct ImageTextPairTests {
    private func open(_ name: String, in folder: TemporaryDirectory) throws -> (ImageTextPair, ReferenceNetwork) {
        let reference = try ReferenceNetwork(name, in: "pairs")
        let opened = try reference.source(in: folder).open()
        #expect(opened.dialect == "transformers")
        #expect(opened.preprocessing?.outputSize == PixelSize(64))
        return (try #require(opened.network as? ImageTextPair), reference)
    }

    @Test(arguments: ["clip", "siglip"])
    func vectorsAndSimilaritiesEqualTransformers(name: String) throws {
        let folder = try TemporaryDirectory()
        let (pair, reference) = try open(name, in: folder)
        let images = pair.imageVectors(pair.image.features(of: Tensor.waves(64, 64)).pooled)
        let texts = pair.textVectors(pair.text.features(of: .reference(length: 12, vocabulary: 83)).pooled)
        expectClose(images, reference.golden["images"]!, relative: 1e-4, "pictures")
        expectClose(texts, reference.golden["texts"]!, relative: 1e-4, "texts")
        expectClose(
            pair.similarities(of: images, to: texts), reference.golden["similarities"]!, relative: 1e-4, "similarities")
    }

    @Test(arguments: ["clip", "siglip"])
    func theHalfForPicturesIsHadAloneFromTheCheckpointOfBoth(name: String) throws {
        let folder = try TemporaryDirectory()
        let (pair, reference) = try open(name, in: folder)
        let source = try reference.source(in: folder)
        let architecture = try #require(source.architecture.forPictures)
        let half = try BackboneSource(folder.url, as: architecture).open()
        #expect(half.ignored.contains { $0.hasPrefix("text_model.") })
        let pictures = Tensor.waves(64, 64)
        let expected = pair.image.features(of: pictures).pooled
        #expect(try half.imageBackbone().features(of: pictures).pooled.scalars() == expected.scalars())
        let opened = try source.open()
        #expect(try opened.imageBackbone().features(of: pictures).pooled.scalars() == expected.scalars())
        let larger = try source.open(forPicturesOf: 96)
        #expect(try larger.imageBackbone().pictureSize == 96)
        #expect(larger.architecture.image?.preprocessing?.outputSize == PixelSize(96))
    }

    @Test func paddingChangesNothingAfterTheEndOfAText() throws {
        let folder = try TemporaryDirectory()
        let (pair, _) = try open("clip", in: folder)
        func pooled(_ ids: [Int64], _ mask: [Int64]) -> Tensor {
            let texts = TokenTensors(
                ids: Tensor(ids, shape: [1, ids.count]), attentionMask: Tensor(mask, shape: [1, ids.count]))
            return pair.text.features(of: texts).pooled
        }
        let short = pooled([0, 5, 9, 30], [1, 1, 1, 1])
        expectClose(pooled([0, 5, 9, 30, 1, 1, 7], [1, 1, 1, 1, 0, 0, 0]), short, relative: 1e-5)
    }

    @Test func noPicturesAndNoTextsHaveNoVectors() throws {
        let folder = try TemporaryDirectory()
        let (pair, _) = try open("clip", in: folder)
        let features = pair.image.features(of: .zeros([0, 64, 64, 3]), reading: ["blocks.1"])
        #expect(features.pooled.shape == [0, 32])
        #expect(features.taps["blocks.1"]?.shape == [0, 17, 32])
        let none = Tensor.zeros([0, 5], .int64)
        #expect(pair.text.features(of: TokenTensors(ids: none, attentionMask: none)).pooled.shape == [0, 32])
    }
}
