import Foundation
import PandoBackbones
import PandoData
import PandoTensor
import PandoTraining

/// One example as a client sends it.
enum RequestedExample: Sendable {
    /// An encoded picture; the name is for messages.
    case picture(Data, name: String)
    case text(String)
    /// A preprocessed picture.
    /// - Shapes: `[H, W, 3]`, flat.
    case pixels([Float])

    /// What identical examples have in common.
    var digest: String {
        switch self {
        case .picture(let bytes, _): "picture \(FileDigest.of(bytes))"
        case .text(let text): "text \(text)"
        case .pixels(let values): "pixels \(values.withUnsafeBytes { FileDigest.of(Data($0)) })"
        }
    }
}

/// One example as the backbone takes it.
enum DecodedExample: Sendable {
    /// A picture of the backbone's size; a quarter of the bytes that its input has.
    case picture(Image)
    /// - Shapes: `[H, W, 3]`, flat.
    case pixels([Float])
    case tokens([Int32], paddedLength: Int)

    /// Examples of one kind can stand in one batch.
    enum Kind: Hashable {
        case picture
        case tokens(paddedLength: Int)
    }

    var kind: Kind {
        switch self {
        case .picture, .pixels: .picture
        case .tokens(_, let length): .tokens(paddedLength: length)
        }
    }

    /// - Throws: `ServingError` if the example is of another kind than the backbone reads, or cannot be read.
    init(_ example: RequestedExample, for reading: InputReading, limits: ServingLimits) throws(ServingError) {
        switch (example, reading) {
        case (.picture(let bytes, let name), .pictures(let preprocessing)):
            let decoder = ImageDecoder(pixelLimit: limits.picturePixels, heldPixelLimit: limits.heldPixels)
            do throws(ImageError) {
                let image = try decoder.image(.bytes(bytes, name: name), fittedTo: preprocessing)
                self = .picture(try image.fitted(to: preprocessing))
            } catch {
                switch error.reason {
                case .tooLarge, .tooLargeToHold: throw .tooLarge("\(error)")
                default: throw .invalid("\(error)")
                }
            }
        case (.pixels(let values), .pictures(let preprocessing)):
            guard values.count == preprocessing.outputCount else {
                let size = preprocessing.outputSize
                throw .invalid("pixels: expected [\(size.height), \(size.width), 3] values for a picture, got \(values.count)")
            }
            guard values.allSatisfy(\.isFinite) else {
                throw .invalid("pixels: a value is not a finite number (NaN or infinite)")
            }
            self = .pixels(values)
        case (.text(let text), .texts(let reading)):
            guard text.unicodeScalars.count <= limits.textCharacters else {
                throw .tooLarge("a text has more than the limit of \(limits.textCharacters) characters")
            }
            guard !text.allSatisfy(\.isWhitespace) else { throw .invalid("a text is empty") }
            let ids = Array(reading.tokenizer.encode(text).ids.prefix(reading.maximumTokens))
            self = .tokens(ids, paddedLength: TokenTensors.paddedLength(ids.count, atMost: reading.maximumTokens))
        case (_, .pictures): throw .invalid("this bundle's tasks see pictures and read no texts; send a picture")
        case (_, .texts): throw .invalid("this bundle's tasks read texts and see no pictures; send a text")
        }
    }
}

extension BackboneInput {
    /// - Precondition: `examples` are of one kind and not empty; pictures are as `preprocessing` makes them.
    init(_ examples: [DecodedExample], for reading: InputReading) {
        switch reading {
        case .pictures(let preprocessing):
            let (size, count) = (preprocessing.outputSize, preprocessing.outputCount)
            self = .pictures(
                Tensor(unsafeUninitialized: [examples.count, size.height, size.width, 3], of: Float.self) { values in
                    for (place, example) in examples.enumerated() {
                        let part = UnsafeMutableBufferPointer(rebasing: values[place * count..<(place + 1) * count])
                        switch example {
                        case .picture(let image): preprocessing.normalize(image, into: part)
                        case .pixels(let pixels) where pixels.count == count: _ = part.update(fromContentsOf: pixels)
                        case .pixels, .tokens: stop("a batch of pictures of \(count) values has something else in it")
                        }
                    }
                })
        case .texts(let reading):
            var (texts, length) = ([[Int32]](), reading.maximumTokens)
            for case .tokens(let ids, let paddedLength) in examples {
                texts.append(ids)
                length = paddedLength
            }
            self = .texts(TokenTensors(texts, paddedTo: length))
        }
    }
}
