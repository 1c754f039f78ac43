import Foundation

/// Why a peer gave no figure.
struct PeerError: Error, CustomStringConvertible {
    let peer: String
    let reason: String

    var description: String { "\(peer): \(reason)" }
}

/// What a peer measured; a row of `peers.py`.
struct PeerRow: Sendable, Codable {
    var work: String
    var precision: String
    var batch: Int
    var unit: String
    var peer: String
    var version: String
    /// In which of its ways the peer was fastest.
    var how: String
    /// Units a second.
    var rates: [Double]
    /// Bytes: the peak of anonymous memory that is resident while the work is made ready and run, above what was
    /// resident before; the least of any way.
    var memory: Int
    var memory_how: String

    var key: Work.Key { .init(work: work, precision: precision, batch: batch, unit: unit) }
}

/// What a peer is asked for, a line.
struct PeerRequest: Sendable, Codable {
    var work: String
    var precision: String
    var batch: Int
    var unit: String
    var seconds: Double

    var key: Work.Key { .init(work: work, precision: precision, batch: batch, unit: unit) }
}

/// A process that measures what it is asked for, and waits meanwhile: one of `peers.py`, or one of our own.
final class Peer {
    let name: String
    private let process = Process()
    private let requests = Pipe()
    private let answers = Pipe()
    private let trouble: URL
    private var unread = Data()
    /// Whether it has given a figure yet.
    private(set) var hasAnswered = false

    /// Seconds until an answer is given up.
    private static let patience = 240.0

    /// One of those that `peers.py` serves.
    convenience init(_ name: String, options: Options) throws {
        try self.init(
            name, program: URL(fileURLWithPath: options.python),
            [options.peers, "--serve", name, "--images", options.imageList.path])
    }

    init(_ name: String, program: URL, _ arguments: [String]) throws {
        self.name = name
        trouble = FileManager.default.temporaryDirectory.appendingPathComponent("pando-\(name)-\(getpid()).log")
        guard FileManager.default.createFile(atPath: trouble.path, contents: nil) else {
            throw PeerError(peer: name, reason: "cannot write \(trouble.path)")
        }
        process.executableURL = program
        process.arguments = arguments
        process.standardInput = requests
        process.standardOutput = answers
        process.standardError = try FileHandle(forWritingTo: trouble)
        do {
            try process.run()
        } catch {
            throw PeerError(peer: name, reason: "\(program.path) does not start: \(error.localizedDescription)")
        }
    }

    struct Options {
        /// The interpreter that has the peers, and the script that measures them.
        var python, peers: String
        var imageList: URL
    }

    /// The peer's figures for a work, measured now.
    func measure(_ key: Work.Key, seconds: Double) throws -> PeerRow {
        let request = PeerRequest(
            work: key.work, precision: key.precision, batch: key.batch, unit: key.unit, seconds: seconds)
        do {
            try requests.fileHandleForWriting.write(contentsOf: JSONEncoder().encode(request) + Data("\n".utf8))
        } catch {
            throw failure("it ended")
        }
        let row = try JSONDecoder().decode(PeerRow.self, from: nextLine())
        guard row.key == key, !row.rates.isEmpty else {
            throw failure("asked for \(key.description), it answered \(row.key.description)")
        }
        hasAnswered = true
        return row
    }

    /// Lets the process end.
    func close() throws {
        try requests.fileHandleForWriting.close()
        process.waitUntilExit()
        try FileManager.default.removeItem(at: trouble)
    }

    private func nextLine() throws -> Data {
        let end = Date(timeIntervalSinceNow: Self.patience)
        while true {
            if let newline = unread.firstIndex(of: UInt8(ascii: "\n")) {
                defer { unread.removeSubrange(...newline) }
                return unread[..<newline]
            }
            var waiting = pollfd(fd: answers.fileHandleForReading.fileDescriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&waiting, 1, Int32(max(0, end.timeIntervalSinceNow * 1000))) > 0 else {
                process.terminate()
                throw failure("no figure within \(Int(Self.patience)) s")
            }
            let more = answers.fileHandleForReading.availableData
            if more.isEmpty {
                process.waitUntilExit()
                throw failure("it ended with status \(process.terminationStatus)")
            }
            unread += more
        }
    }

    /// What went wrong, with the last line that the process said of it.
    private func failure(_ reason: String) -> PeerError {
        let text = FileManager.default.contents(atPath: trouble.path).map { String(decoding: $0, as: UTF8.self) } ?? ""
        let last = text.split(separator: "\n").last.map { ": \($0)" } ?? ""
        return PeerError(peer: name, reason: reason + last)
    }
}
