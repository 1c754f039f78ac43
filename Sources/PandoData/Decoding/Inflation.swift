import CImaging
import Foundation

/// Decompresses what travels compressed, up to a limit; by GIO, which comes with libvips.
public enum Inflation {
    public enum Format: Sendable {
        case gzip
        /// HTTP's `deflate`.
        case zlib
    }

    public enum Failure: Error, Sendable, Hashable {
        /// The bytes are not of that format, break off, or others follow them.
        case damaged
        /// More than the limit would come out.
        case tooLarge
    }

    /// - Parameter limit: bytes that may come out.
    public static func inflate(_ bytes: Data, _ format: Format, limit: Int) throws(Failure) -> Data {
        if bytes.isEmpty { throw .damaged }
        let (result, status) = bytes.withUnsafeBytes { input -> (Data?, ci_inflation) in
            var (count, status) = (0, CI_INFLATION_OK)
            let start = input.baseAddress!.assumingMemoryBound(to: UInt8.self)
            guard let output = ci_inflate(start, input.count, format == .gzip ? 1 : 0, limit, &count, &status)
            else { return (nil, status) }
            defer { ci_free(output) }
            return (Data(bytes: output, count: count), status)
        }
        guard let result else { throw status == CI_INFLATION_TOO_LARGE ? .tooLarge : .damaged }
        return result
    }
}
