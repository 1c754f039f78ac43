/// Why an image could not be read or written: which one, what is wrong, what to do.
public struct ImageError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Reason: Sendable, Hashable {
        /// There is no such file, or the example has no image.
        case missing
        /// The file may not be read, or is no regular file.
        case unreadable(String)
        /// The file has no bytes.
        case empty
        /// The bytes are not of a known image format.
        case unsupported
        /// The format is known, the content breaks off or contradicts it.
        case damaged(String)
        /// Width or height is zero.
        case withoutPixels(width: Int, height: Int)
        /// More pixels than the limit allows.
        case tooLarge(width: Int, height: Int, limit: Int)
        /// Cannot be decoded row by row, and more pixels than the limit for holding it in memory allows.
        case tooLargeToHold(width: Int, height: Int, limit: Int)
        /// Could not be encoded or drawn.
        case notMade(String)
    }

    /// The file's path, or the key of a rendered image.
    public var source: String
    public var reason: Reason

    public init(source: String, reason: Reason) {
        self.source = source
        self.reason = reason
    }

    public var description: String { "\(source): \(explanation)" }

    private var explanation: String {
        switch reason {
        case .missing:
            "no such image; check the path and the folder it is relative to"
        case .unreadable(let detail):
            "cannot be opened (\(detail)); check its permissions"
        case .empty:
            "the file is empty (0 bytes); fetch it again or leave it out"
        case .unsupported:
            "not an image, whatever its name says; expected PNG, JPEG, WebP, GIF, TIFF or HEIF"
        case .damaged(let detail):
            "the image is damaged or cut short (\(detail)); fetch it again or leave it out"
        case .withoutPixels(let width, let height):
            "the image is \(width) x \(height): it has no pixels; leave it out"
        case .tooLarge(let width, let height, let limit):
            "the image is \(width) x \(height), more than the limit of \(limit) pixels; if you trust it, raise the limit"
        case .tooLargeToHold(let width, let height, let limit):
            """
            the image is \(width) x \(height) and its format must be held in memory whole, where the limit is \
            \(limit) pixels; save it as a plain (not interlaced) PNG, or raise the limit
            """
        case .notMade(let detail):
            "the image could not be made (\(detail))"
        }
    }
}
