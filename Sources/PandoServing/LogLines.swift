import Foundation
import Logging
import PandoTraining

/// Writes logs to standard error, one line each: as words, or as JSON for programs.
public struct LogLines: LogHandler {
    public enum Format: String, Sendable, CaseIterable {
        case text, json
    }

    public var logLevel: Logger.Level
    public var metadata: Logger.Metadata = [:]
    private let format: Format

    public init(_ format: Format, level: Logger.Level) { (self.format, logLevel) = (format, level) }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        let fields = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }.map { ($0.key, "\($0.value)") }
        let time = Date().formatted(.iso8601.year().month().day().time(includingFractionalSeconds: true))
        let line: String
        switch format {
        case .text:
            line = (["\(time) \(event.level) \(event.message)"] + fields.map { "\($0.0)=\(Self.quoted($0.1))" })
                .joined(separator: " ")
        case .json:
            let all = [("time", time), ("level", "\(event.level)"), ("message", "\(event.message)")] + fields
            line = "{" + all.map { "\(Self.json($0.0)):\(Self.json($0.1))" }.joined(separator: ",") + "}"
        }
        StandardError.write(line + "\n")
    }

    /// In quotes where it holds more than one word; never with a line break.
    private static func quoted(_ text: String) -> String {
        let plain = text.allSatisfy { !$0.isWhitespace && $0 != "\"" && $0 != "=" }
        return plain && !text.isEmpty ? text : json(text)
    }

    private static func json(_ text: String) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        return (try? encoder.encode(text)).map { String(decoding: $0, as: UTF8.self) } ?? "\"\""  // every string is JSON
    }
}
