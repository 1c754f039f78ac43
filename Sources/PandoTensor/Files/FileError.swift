import Foundation

/// A file operation that the operating system refused.
public struct FileError: Error, CustomStringConvertible, Sendable {
    /// What was being done, as a verb: "open", "write".
    public let operation: String
    public let path: String
    /// The system's error number.
    public let code: Int32

    public init(operation: String, path: String, code: Int32) {
        self.operation = operation
        self.path = path
        self.code = code
    }

    /// Whether there was no room left for what was written: the disk is full or a quota is used up.
    public var isDiskFull: Bool { code == ENOSPC || code == EDQUOT }

    public var description: String {
        let reason = "cannot \(operation) \(path): \(String(cString: strerror(code)))"
        guard isDiskFull else { return reason }
        return reason
            + ". Nothing was lost: what stood there before is untouched. Free some space or choose another place."
    }
}
