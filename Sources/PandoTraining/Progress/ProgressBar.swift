import Foundation
import Glibc
import Synchronization

/// Shows how far a long job is: a bar on a terminal, a plain line every few seconds elsewhere (a log, a pipe).
///
/// Both go to standard error, so that standard output stays for results. Any thread may report.
public final class ProgressBar: Sendable {
    /// How it is shown.
    public enum Style: Sendable {
        case bar(columns: Int)
        case lines(every: Double)
        case silent
    }

    private struct State {
        var done = 0
        var note = ""
        var shownAt: Double?
        var isFinished = false
        var startedFrom = 0
        let startedAt: Double
    }

    private let title: String
    private let unit: String
    private let total: Int
    private let style: Style
    private let now: @Sendable () -> Double
    private let write: @Sendable (String) -> Void
    private let state: Mutex<State>

    /// - Parameters:
    ///   - total: how much there is to do; 0 if nobody knows.
    ///   - unit: what is counted, in the plural.
    ///   - startingAt: how much was done before, so that the rate counts what is done now.
    public convenience init(_ title: String, total: Int, unit: String, startingAt: Int = 0, isQuiet: Bool = false) {
        self.init(
            title, total: total, unit: unit, startingAt: startingAt,
            style: isQuiet ? .silent : .forStandardError(),
            now: { ProcessInfo.processInfo.systemUptime },
            write: StandardError.write)
    }

    /// With a clock and an output of the caller's, for tests.
    init(
        _ title: String, total: Int, unit: String, startingAt: Int, style: Style,
        now: @escaping @Sendable () -> Double, write: @escaping @Sendable (String) -> Void
    ) {
        self.title = title
        self.total = total
        self.unit = unit
        self.style = style
        self.now = now
        self.write = write
        state = Mutex(State(done: startingAt, startedFrom: startingAt, startedAt: now()))
    }

    /// Reports that so much more is done; `note` stands behind the numbers until the next one.
    public func advance(by count: Int = 1, note: String? = nil) {
        state.withLock { state in
            state.done += count
            if let note { state.note = note }
            show(&state, isLast: false)
        }
    }

    /// Shows the last state and ends the line. Only the first call counts.
    public func finish() {
        state.withLock { state in
            guard !state.isFinished else { return }
            state.isFinished = true
            show(&state, isLast: true)
        }
    }

    deinit { finish() }

    private func show(_ state: inout State, isLast: Bool) {
        let time = now()
        let gap = state.shownAt.map { time - $0 } ?? .infinity
        switch style {
        case .silent: return
        case .bar(let columns):
            guard isLast || gap >= 0.1 else { return }
            // Return to the line's start and clear what the last text left.
            write("\r\u{1B}[K" + DisplayWidth.cut(bar(state, at: time), to: columns) + (isLast ? "\n" : ""))
        case .lines(let seconds):
            // The last line is for `finish`, which tells how long it took.
            guard isLast || gap >= seconds && !(total > 0 && state.done >= total) else { return }
            write(numbers(state, at: time) + "\n")
        }
        state.shownAt = time
    }

    private func bar(_ state: State, at time: Double) -> String {
        guard total > 0 else { return numbers(state, at: time) }
        let cells = 24
        let filled = min(cells, state.done * cells / total)
        let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: cells - filled)
        return "\(bar) \(numbers(state, at: time))"
    }

    private func numbers(_ state: State, at time: Double) -> String {
        let elapsed = time - state.startedAt
        let rate = elapsed > 0 ? Double(state.done - state.startedFrom) / elapsed : 0
        var text = "\(title) \(state.done)"
        if total > 0 { text += "/\(total) \(unit), \(Int(100 * Double(state.done) / Double(total))) %" } else { text += " \(unit)" }
        if rate > 0 { text += String(format: rate < 10 ? ", %.1f/s" : ", %.0f/s", rate) }
        if state.isFinished {
            text += ", \(Self.inWords(elapsed))"
        } else if total > state.done, rate > 0 {
            text += ", \(Self.inWords(Double(total - state.done) / rate)) left"
        }
        return state.note.isEmpty ? text : "\(text), \(state.note)"
    }
}

extension ProgressBar.Style {
    /// A bar if standard error is a terminal that can move its cursor.
    fileprivate static func forStandardError() -> Self {
        guard isatty(STDERR_FILENO) == 1, ProcessInfo.processInfo.environment["TERM"] != "dumb" else {
            return .lines(every: 5)
        }
        var size = winsize()
        let isKnown = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        return .bar(columns: isKnown ? Int(size.ws_col) - 1 : 79)
    }
}

extension ProgressBar {
    /// `4 s`, `2 min 05 s`, `1 h 03 min`.
    public static func inWords(_ seconds: Double) -> String {
        guard seconds.isFinite else { return "?" }
        let whole = Int(min(max(seconds, 0), 1e9).rounded())
        switch whole {
        case ..<60: return "\(whole) s"
        case ..<3_600: return String(format: "%d min %02d s", whole / 60, whole % 60)
        default: return String(format: "%d h %02d min", whole / 3_600, whole / 60 % 60)
        }
    }
}
