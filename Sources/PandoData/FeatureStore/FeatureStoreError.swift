import Foundation
import GRDB

/// Why a feature store could not do what was asked.
public struct FeatureStoreError: Error, CustomStringConvertible, Sendable {
    /// The store's directory, or the file in it that is meant.
    public let path: String
    public let text: String

    public init(path: String, _ text: String) {
        self.path = path
        self.text = text
    }

    public var description: String { "feature store \(path): \(text)" }

    /// What SQLite's refusal means for whoever runs the program.
    init(path: String, index error: DatabaseError) {
        let reason: String
        switch error.resultCode.primaryResultCode {
        case .SQLITE_FULL:
            reason = "the disk is full. The features stored so far are safe; free some space and go on"
        case .SQLITE_BUSY:
            reason = "another process kept the index locked for too long; try again when it is done"
        case .SQLITE_NOTADB, .SQLITE_CORRUPT:
            reason = "the index is damaged. Delete the store's directory: features can be computed again"
        case .SQLITE_READONLY, .SQLITE_CANTOPEN, .SQLITE_PERM:
            reason = "the index cannot be opened for writing; look at the rights on the directory"
        default: reason = "the index failed: \(error.message ?? "SQLite error \(error.extendedResultCode.rawValue)")"
        }
        self.init(path: path, reason)
    }
}
