import Foundation
import Glibc
import PandoTestSupport
import Testing

/// All tests of the `pando` program, one after another: each has the whole machine.
@Suite(.serialized) struct CommandLineTests {}

/// What a finished program left.
struct Outcome: Sendable {
    /// The exit code; `nil` if a signal ended it.
    let code: Int32?
    let signal: Int32?
    let output: String
    let errors: String

    /// Standard output, which must be JSON and nothing else.
    func json(sourceLocation: SourceLocation = #_sourceLocation) throws -> [String: Any] {
        let value = try JSONSerialization.jsonObject(with: Data(output.utf8))
        return try #require(value as? [String: Any], sourceLocation: sourceLocation)
    }
}

/// The built `pando`, with folders of its own for features and runs.
struct Program: Sendable {
    /// Features go to `cache`, runs to `data` in it.
    let home: URL
    var executable = Program.built
    var folder = Program.package

    /// The package's folder: pretrained weights are found from there.
    static let package = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// The program lies beside the bundle of tests.
    static let built: URL = {
        let places = CommandLine.arguments + [Foundation.Bundle.main.executablePath ?? "/proc/self/exe"]
        let folders = places.filter { $0.hasPrefix("/") }.map { URL(fileURLWithPath: $0).deletingLastPathComponent() }
        for folder in folders {
            let candidate = folder.appendingPathComponent("pando")
            if FileManager.default.isExecutableFile(atPath: candidate.path) { return candidate }
        }
        fatalError("no pando beside the tests; looked in \(folders.map(\.path)). swift build makes it")
    }()

    /// Runs the program to its end.
    func run(_ arguments: String...) throws -> Outcome { try run(arguments) }

    func run(_ arguments: [String]) throws -> Outcome { try start(arguments).outcome() }

    /// Starts the program.
    func start(_ arguments: [String]) throws -> RunningProgram {
        try RunningProgram(executable, arguments, in: folder, environment: [
            "XDG_CACHE_HOME=\(home.path)/cache", "XDG_DATA_HOME=\(home.path)/data", "HOME=\(home.path)", "LC_ALL=C.UTF-8",
        ])
    }

    /// Expects the program to refuse: an exit code that is not 0, nothing on standard output, and on standard error one
    /// message that says all of `words`.
    func expectRefusal(
        _ arguments: [String], says words: [String], sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let outcome = try run(arguments + ["--quiet"])
        #expect(outcome.signal == nil, "it crashed: \(outcome.errors)", sourceLocation: sourceLocation)
        #expect(outcome.code != 0, sourceLocation: sourceLocation)
        #expect(outcome.output.isEmpty, sourceLocation: sourceLocation)
        let messages = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("Error: ") }
        #expect(messages.count == 1, "\(outcome.errors)", sourceLocation: sourceLocation)
        for word in words where !outcome.errors.contains(word) {
            Issue.record("'\(word)' is not in: \(outcome.errors)", sourceLocation: sourceLocation)
        }
    }
}

/// A program under way.
final class RunningProgram: Sendable {
    private let process: pid_t
    private let files: TemporaryDirectory

    init(_ executable: URL, _ arguments: [String], in folder: URL, environment: [String]) throws {
        files = try TemporaryDirectory()
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        for (descriptor, name) in [(STDOUT_FILENO, "output"), (STDERR_FILENO, "errors")] {
            posix_spawn_file_actions_addopen(
                &actions, descriptor, files.file(name).path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        // Tests run on threads that block signals; a program at a terminal starts with none blocked.
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        var reset = none
        for signal in [SIGINT, SIGTERM] { sigaddset(&reset, signal) }
        posix_spawnattr_setsigdefault(&attributes, &reset)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        // `env` changes the folder and then becomes the program.
        let words = (["/usr/bin/env", "-C", folder.path, executable.path] + arguments).map { strdup($0) } + [nil]
        let variables = environment.map { strdup($0) } + [nil]
        defer { for word in words + variables { free(word) } }
        var process: pid_t = 0
        let code = posix_spawn(&process, "/usr/bin/env", &actions, &attributes, words, variables)
        guard code == 0 else { throw POSIXError(.init(rawValue: code) ?? .EIO) }
        self.process = process
    }

    /// The process's number.
    var identifier: Int32 { process }

    /// What it has said on standard error so far.
    var errors: String { text("errors") }

    private func text(_ name: String) -> String {
        String(decoding: FileManager.default.contents(atPath: files.file(name).path) ?? Data(), as: UTF8.self)
    }

    /// Waits until standard error holds `words`.
    func says(_ words: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        for _ in 0..<6000 {
            if errors.contains(words) { return }
            var status: siginfo_t = siginfo_t()
            let ended = waitid(P_PID, id_t(process), &status, WEXITED | WNOHANG | WNOWAIT) == 0 && status.si_signo != 0
            if ended && !errors.contains(words) { break }
            usleep(10_000)
        }
        let isThere = errors.contains(words)
        try #require(isThere, "'\(words)' was never said: \(errors)", sourceLocation: sourceLocation)
    }

    func send(_ signals: Int32...) { for signal in signals { kill(process, signal) } }

    /// Waits for the end.
    func outcome() -> Outcome {
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        let signal = status & 0x7F
        return Outcome(
            code: signal == 0 ? status >> 8 & 0xFF : nil, signal: signal == 0 ? nil : signal, output: text("output"),
            errors: text("errors"))
    }
}
