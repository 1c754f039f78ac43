import Foundation
import Pando
import Synchronization

/// What commands say: results on standard output, everything else on standard error.
enum Console {
    static func note(_ text: String) { StandardError.write(text + "\n") }

    /// Writes out what was printed.
    /// - Throws: `UnwrittenOutput` if not all of it could be.
    static func flush() throws {
        if fflush(nil) != 0 { throw UnwrittenOutput(reason: String(cString: strerror(errno))) }
    }

    /// Results that did not reach standard output.
    struct UnwrittenOutput: Error, CustomStringConvertible {
        let reason: String

        var description: String { "standard output: \(reason); what was printed is not complete" }
    }

    /// Pretty-printed JSON with sorted keys.
    static func print(json value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        Swift.print(String(decoding: try encoder.encode(value), as: UTF8.self))
    }

    /// `12.3 MB`, `850 kB`.
    static func bytes(_ count: Int) -> String { "\(ByteCount(count))" }

    /// `3.51 M`, `2.10 G`: a count in the field's short form.
    static func count(_ count: Int) -> String {
        let units = ["", " k", " M", " G", " T"]
        var (value, unit) = (Double(count), 0)
        while value >= 999.5, unit < units.count - 1 {
            value /= 1000
            unit += 1
        }
        return unit == 0 ? "\(count)" : String(format: value < 99.95 ? "%.2f%@" : "%.0f%@", value, units[unit])
    }

    static func number(_ value: Double) -> String {
        guard value.isFinite else { return "n/a" }
        if value != 0, abs(value) < 0.0005 { return String(format: "%.1e", value) }
        return String(format: abs(value) < 9.9995 ? "%.3f" : "%.1f", value)
    }

    /// The names in a list that is separated by commas.
    static func names(_ list: String) -> [String] {
        list.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
    }

    /// `6`, `3.42`, `1.2e+07`: a number in a sentence.
    static func short(_ value: Double) -> String { String(format: "%.3g", value) }
}

/// Shows a session's events: one progress bar at a time, pictures left out by name.
final class SessionDisplay: Sendable {
    private struct State {
        var title: String?
        var bar: ProgressBar?
        var done = 0
    }

    private let isQuiet: Bool
    private let state = Mutex(State())

    /// At most so many pictures are named.
    private static let namedPictures = 20

    init(isQuiet: Bool) { self.isQuiet = isQuiet }

    /// Ends the line of a progress bar, so that whatever is said next begins a new one.
    func finish() {
        state.withLock { state in
            state.bar?.finish()
            state.bar = nil
        }
    }

    func show(_ event: TrainingSession.Event) {
        switch event {
        case .message(let text): if !isQuiet { Console.note(text) }
        case .progress(let title, let unit, let done, let total):
            state.withLock { state in
                if state.title != title {
                    state.bar?.finish()
                    state.bar = ProgressBar(title, total: total, unit: unit, startingAt: done, isQuiet: isQuiet)
                    state.bar?.advance(by: 0)  // shows that the work has begun
                    state.title = title
                    state.done = done
                }
                if done > state.done {
                    state.bar?.advance(by: done - state.done)
                    state.done = done
                }
                if done == total {
                    state.bar?.finish()
                    state.bar = nil
                }
            }
        case .epoch(let report):
            let score = report.validation.primary
            let note = "epoch \(report.epoch), \(report.task) \(score.name) \(Console.number(score.value))"
            state.withLock { $0.bar?.advance(by: 0, note: note) }
        case .leftOut(let pictures):
            // Left-out data is never silent.
            Console.note("left out \(pictures.count) picture\(pictures.count == 1 ? "" : "s") that cannot be read:")
            for picture in pictures.prefix(Self.namedPictures) { Console.note("  \(picture.error)") }
            if pictures.count > Self.namedPictures {
                Console.note("  and \(pictures.count - Self.namedPictures) more; --strict stops at the first")
            }
        }
    }
}
