import CImaging
import Foundation
import PandoTensor

extension Image {
    /// The image as a PNG file's bytes.
    public func encodedPNG() throws(ImageError) -> Data {
        try VipsLibrary.start()
        var bytes: UnsafeMutablePointer<UInt8>?
        var count = 0
        let message = pixels.withUnsafeBufferPointer { pixels in
            VipsLibrary.withMessage {
                ci_encode_png(pixels.baseAddress, Int32(width), Int32(height), &bytes, &count, $0) == 0
            }
        }
        guard let bytes else {
            throw ImageError(source: "\(width) x \(height) PNG", reason: .notMade(message ?? "no bytes"))
        }
        defer { ci_free(bytes) }
        return Data(bytes: bytes, count: count)
    }

    /// Writes the image as a PNG file; an existing file is replaced only once the new one is whole.
    /// - Throws: `ImageError`, or `FileError` when the file cannot be written.
    public func write(png url: URL) throws {
        try AtomicFile.write(try encodedPNG(), to: url)
    }
}
