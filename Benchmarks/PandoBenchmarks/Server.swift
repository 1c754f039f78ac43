import Foundation
import PandoLoad

/// A server in a process of its own, on a free port of this machine, for as long as it is measured.
final class Server {
    let name: String
    /// From the start of the process to the first prediction.
    private(set) var secondsUntilReady = 0.0
    private let process = Process()
    private let port: Int
    private let trouble: URL
    /// Whether every picture is another one to the server.
    private let areDistinct: Bool

    /// Seconds until a server is given up.
    private static let patience = 120.0

    /// Starts a program and waits for its first prediction.
    ///
    /// - Parameters:
    ///   - arguments: what it is told, given the port.
    ///   - areDistinct: whether every picture is to be another one, which only JPEGs can.
    init(_ name: String, _ program: URL, _ arguments: (Int) -> [String], bodies: [LoadBody], areDistinct: Bool) throws {
        (self.name, self.areDistinct) = (name, areDistinct)
        port = try Self.freePort()
        trouble = FileManager.default.temporaryDirectory.appendingPathComponent("pando-serve-\(getpid())-\(port).log")
        guard FileManager.default.createFile(atPath: trouble.path, contents: nil) else {
            throw PeerError(peer: name, reason: "cannot write \(trouble.path)")
        }
        process.executableURL = program
        process.arguments = arguments(port)
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: trouble)
        process.standardError = process.standardOutput
        let begin = Stopwatch.now
        do {
            try process.run()
        } catch {
            throw PeerError(peer: name, reason: "\(program.path) does not start: \(error.localizedDescription)")
        }
        let probe = try load(.closed(clients: 1), seconds: 1, bodies)
        while true {
            let isReady = try Load.waiting { try await probe.isAnswered() }
            secondsUntilReady = Stopwatch.now - begin
            if isReady { return }
            guard process.isRunning, secondsUntilReady < Self.patience else {
                let reason = process.isRunning ? "no prediction within \(Int(Self.patience)) s" : "it ended"
                let text = FileManager.default.contents(atPath: trouble.path).map { String(decoding: $0, as: UTF8.self) }
                let last = text?.split(separator: "\n").last.map { ": \($0)" } ?? ""
                stop()
                throw PeerError(peer: name, reason: reason + last)
            }
            Thread.sleep(forTimeInterval: 0.01)
        }
    }

    func load(_ pace: Load.Pace, seconds: Double, _ bodies: [LoadBody], tasks: String? = nil) throws -> Load {
        let query = tasks.map { [(name: "tasks", value: $0)] } ?? []
        let address = try LoadAddress("http://127.0.0.1:\(port)", query: query)
        var load = Load(address, bodies: bodies, pace: pace, seconds: seconds)
        load.areDistinct = areDistinct
        return load
    }

    /// Megabytes that are resident, of all its processes; what several of them share counts once.
    var residentMegabytes: Double {
        let processes = family
        let (file, field) = processes.count == 1 ? ("status", "VmRSS:") : ("smaps_rollup", "Pss:")
        return processes.reduce(0) { sum, identifier in
            // One that ended meanwhile holds nothing.
            let text = FileManager.default.contents(atPath: "/proc/\(identifier)/\(file)") ?? Data()
            let line = String(decoding: text, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix(field) }
            return sum + (line?.split(separator: " ").dropFirst().first.flatMap { Double($0) } ?? 0) / 1000
        }
    }

    /// Asks it politely to end, then ends it and all that it started.
    func stop() {
        let processes = family
        process.terminate()
        let end = Stopwatch.now + 5
        while process.isRunning, Stopwatch.now < end { Thread.sleep(forTimeInterval: 0.05) }
        for identifier in processes where kill(identifier, 0) == 0 { kill(identifier, SIGKILL) }
        process.waitUntilExit()
        unlink(trouble.path)
    }

    /// The process, then those that it started, and those that they did.
    private var family: [pid_t] {
        var parents: [pid_t: pid_t] = [:]
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
            guard let identifier = pid_t(name), let text = FileManager.default.contents(atPath: "/proc/\(name)/stat"),
                // The name stands in parentheses and can hold anything; the state and the parent follow.
                let fields = String(decoding: text, as: UTF8.self).split(separator: ")").last?.split(separator: " "),
                fields.count > 1, let parent = pid_t(fields[1])
            else { continue }
            parents[identifier] = parent
        }
        var found = [process.processIdentifier]
        var index = 0
        while index < found.count {
            found += parents.filter { $0.value == found[index] }.map(\.key)
            index += 1
        }
        return found
    }

    /// A port that nobody listens on now.
    private static func freePort() throws -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(descriptor, generic, length) == 0 ? getsockname(descriptor, generic, &length) : -1
            }
        }
        guard result == 0 else { throw PeerError(peer: "a server", reason: "no port is free: \(String(cString: strerror(errno)))") }
        return Int(UInt16(bigEndian: address.sin_port))
    }
}
