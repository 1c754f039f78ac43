import Foundation

/// Where a program tells what it is doing, apart from its results.
///
/// What cannot be told, because the disk is full or the terminal gone, keeps no work from going on.
public enum StandardError {
    public static func write(_ text: String) {
        try? FileHandle.standardError.write(contentsOf: Data(text.utf8))  // there is nobody left to be told
    }
}
