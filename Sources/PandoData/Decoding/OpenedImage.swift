import CImaging
import Foundation
import PandoTensor

/// The one place that starts libvips.
public enum VipsLibrary {
    /// Version of the library in use.
    public static var version: String { String(cString: ci_version()) }

    /// Prepares the library; later calls cost nothing.
    static func start() throws(ImageError) {
        if let failure { throw ImageError(source: "libvips", reason: .notMade(failure)) }
    }

    /// Releases what the library keeps for the calling thread, which is about to end.
    static func endThread() { ci_end_thread() }

    private static let failure: String? = withMessage { ci_start($0) == 0 }

    /// Runs a call that writes a message when it fails; the message, if it did.
    static func withMessage(_ call: (UnsafeMutablePointer<CChar>) -> Bool) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(CI_MESSAGE_CAPACITY)) { buffer in
            buffer.initialize(repeating: 0)
            return call(buffer.baseAddress!) ? nil : String(cString: buffer.baseAddress!)
        }
    }
}

/// An image file, or a file's bytes, whose header has been read and held against the limits.
final class OpenedImage {
    let header: ImageHeader
    private let name: String
    private let handle: OpaquePointer

    convenience init(file url: URL, limits: ImageDecoder) throws(ImageError) {
        try VipsLibrary.start()
        try Self.checkFile(url)
        try self.init(name: url.path, limits: limits) { ci_open_file(url.path, $0, $1, $2) }
    }

    /// - Parameter name: for messages.
    convenience init(bytes: Data, name: String, limits: ImageDecoder) throws(ImageError) {
        try VipsLibrary.start()
        if bytes.isEmpty { throw ImageError(source: name, reason: .empty) }
        try self.init(name: name, limits: limits) { header, status, message in
            bytes.withUnsafeBytes {
                ci_open_bytes($0.baseAddress!.assumingMemoryBound(to: UInt8.self), $0.count, header, status, message)
            }
        }
    }

    private init(
        name: String, limits: ImageDecoder,
        _ open: (
            UnsafeMutablePointer<ci_header>, UnsafeMutablePointer<ci_status>, UnsafeMutablePointer<CChar>
        ) -> OpaquePointer?
    ) throws(ImageError) {
        var (raw, status) = (ci_header(), CI_OK)
        var opened: OpaquePointer?
        let message = VipsLibrary.withMessage { message in
            opened = open(&raw, &status, message)
            return opened != nil
        }
        guard let opened else {
            throw ImageError(source: name, reason: status == CI_UNSUPPORTED ? .unsupported : .damaged(message ?? ""))
        }
        handle = opened
        self.name = name
        let size =
            raw.orientation >= 5
            ? PixelSize(width: Int(raw.height), height: Int(raw.width))
            : PixelSize(width: Int(raw.width), height: Int(raw.height))
        header = ImageHeader(size: size, streams: raw.streams != 0)
        if let reason = Self.objection(to: header, limits: limits) { throw ImageError(source: name, reason: reason) }
    }

    deinit { ci_close(handle) }

    func rendered(_ geometry: Geometry) throws(ImageError) -> Image {
        try Self.render(handle, geometry, name: name)
    }

    static func rendered(_ image: Image, _ geometry: Geometry) throws(ImageError) -> Image {
        try VipsLibrary.start()
        let result = image.pixels.withUnsafeBufferPointer { pixels in
            let handle = ci_open_pixels(pixels.baseAddress, Int32(image.width), Int32(image.height))!
            defer { ci_close(handle) }
            return Result { () throws(ImageError) in
                try render(handle, geometry, name: "\(image.width) x \(image.height) image in memory")
            }
        }
        return try result.get()
    }

    private static func render(
        _ handle: OpaquePointer, _ geometry: Geometry, name: String
    ) throws(ImageError) -> Image {
        var raw = ci_geometry(
            width: Int32(geometry.scaled.width), height: Int32(geometry.scaled.height),
            crop_left: Int32(geometry.cropLeft), crop_top: Int32(geometry.cropTop),
            crop_width: Int32(geometry.crop.width), crop_height: Int32(geometry.crop.height),
            kernel: geometry.interpolation.kernel)
        var pixels = [UInt8](repeating: 0, count: geometry.crop.width * geometry.crop.height * 3)
        let message = pixels.withUnsafeMutableBufferPointer { pixels in
            VipsLibrary.withMessage { ci_render(handle, &raw, pixels.baseAddress, $0) == CI_OK }
        }
        if let message { throw ImageError(source: name, reason: .damaged(message)) }
        return Image(width: geometry.crop.width, height: geometry.crop.height, pixels: pixels)
    }

    private static func checkFile(_ url: URL) throws(ImageError) {
        switch FileObjection(to: url) {
        case nil: return
        case .missing: throw ImageError(source: url.path, reason: .missing)
        case .unreadable(let detail): throw ImageError(source: url.path, reason: .unreadable(detail))
        case .empty: throw ImageError(source: url.path, reason: .empty)
        }
    }

    private static func objection(to header: ImageHeader, limits: ImageDecoder) -> ImageError.Reason? {
        let (width, height) = (header.size.width, header.size.height)
        if width <= 0 || height <= 0 { return .withoutPixels(width: width, height: height) }
        let (count, overflow) = width.multipliedReportingOverflow(by: height)
        if overflow || count > limits.pixelLimit {
            return .tooLarge(width: width, height: height, limit: limits.pixelLimit)
        }
        if !header.streams && count > limits.heldPixelLimit {
            return .tooLargeToHold(width: width, height: height, limit: limits.heldPixelLimit)
        }
        return nil
    }
}

extension Preprocessing.Interpolation {
    fileprivate var kernel: ci_kernel {
        switch self {
        case .nearest: CI_NEAREST
        case .box: CI_BOX
        case .bilinear: CI_LINEAR
        case .hamming: CI_HAMMING
        case .bicubic: CI_CUBIC
        case .lanczos: CI_LANCZOS3
        }
    }
}
