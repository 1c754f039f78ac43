import Foundation
import Glibc
import PandoTestSupport
import Testing

extension CommandLineTests {
    /// `pando serve`, as a process of its own, by clients that are not ours.
    @Suite struct ServeTests {
        /// Python with the clients, which `./run test` installs.
        private static let python = Program.package.appendingPathComponent(".serving-tests/bin/python3")
        private static var isPythonThere: Bool { FileManager.default.isExecutableFile(atPath: python.path) }

        /// A server on a port of its own, and its address.
        private func start(_ arguments: String...) throws -> (server: RunningProgram, address: String) {
            let trained = try TrainedScenes.shared
            let server = try trained.workshop.program.start(["serve", trained.bundle, "--port", "0"] + arguments)
            return (server, try address(of: server))
        }

        private func address(of server: RunningProgram) throws -> String {
            try server.says(" at http://127.0.0.1:")
            try server.says("\n")
            let line = try #require(server.errors.split(separator: "\n").first { $0.contains(" at http://") })
            return "http://" + (line.components(separatedBy: " at http://").last ?? "")
        }

        /// Pictures for clients.
        private func pictures() throws -> (workshop: Workshop, folder: String) {
            let workshop = try Workshop()
            try workshop.drawPhotos(count: 6)
            return (workshop, workshop.path("photos"))
        }

        /// Runs a program of Python's with the server's address, and expects that it finds nothing wrong.
        private func runPython(_ arguments: [String], environment: [String]) throws {
            let client = try RunningProgram(
                Self.python, arguments, in: Program.package,
                environment: environment + ["PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/tmp", "LC_ALL=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1"])
            let outcome = client.outcome()
            #expect(outcome.code == 0, "\(outcome.output.suffix(6000))\n\(outcome.errors.suffix(2000))")
        }

        @Test(.enabled(if: isPythonThere, "run ./run test once: it installs tritonclient, schemathesis and Chromium"))
        func `tritonclient, made-up requests, hostile clients and a browser get what they should`() throws {
            let (workshop, folder) = try pictures()
            let (server, address) = try start(
                "--client-timeout", "8", "--gallery", folder, "--features", workshop.path("features"))
            defer { _ = stop(server) }
            try runPython(
                ["-m", "pytest", "-q", "--tb=short", "Tests/serving"],
                environment: [
                    "PANDO_SERVE_URL=\(address)", "PANDO_SERVE_PICTURES=\(folder)", "PANDO_SERVE_PATIENCE=20",
                    "PANDO_SERVE_PID=\(server.identifier)",
                ])
            withExtendedLifetime(workshop) {}
        }

        @Test func `told to end, it ends well`() throws {
            let (server, _) = try start()
            #expect(stop(server).code == 0)
        }

        @Test func `killed while it loads, it starts again as if nothing had been`() throws {
            for _ in 0..<3 {
                let trained = try TrainedScenes.shared
                let server = try trained.workshop.program.start(["serve", trained.bundle, "--port", "0"])
                usleep(useconds_t.random(in: 1000...150_000))
                server.send(SIGKILL)
                #expect(server.outcome().signal == SIGKILL)
            }
            #expect(stop(try start().server).code == 0)
        }

        @Test func `killed while it loads another bundle, it leaves nothing behind and starts again`() throws {
            let trained = try TrainedScenes.shared
            let (workshop, folder) = try pictures()
            let bundle = workshop.folder.file("bundle")
            try FileManager.default.copyItem(atPath: trained.bundle, toPath: bundle.path)
            let list = try workshop.bytes("bundle/bundle.json")
            for _ in 0..<3 {
                let server = try trained.workshop.program.start(["serve", bundle.path, "--port", "0"])
                _ = try address(of: server)
                try list.write(to: bundle.appendingPathComponent("bundle.json"))
                try server.says("the bundle has changed")
                usleep(useconds_t.random(in: 0...100_000))
                server.send(SIGKILL)
                #expect(server.outcome().signal == SIGKILL)
                #expect(
                    try FileManager.default.subpathsOfDirectory(atPath: bundle.path).sorted()
                        == FileManager.default.subpathsOfDirectory(atPath: trained.bundle).sorted())
            }
            let server = try trained.workshop.program.start(["serve", bundle.path, "--port", "0"])
            try expectAnswers(try address(of: server), folder)
            #expect(stop(server).code == 0)
        }

        @Test func `where nothing can be written, answers come all the same`() throws {
            let trained = try TrainedScenes.shared
            let (workshop, folder) = try pictures()
            let (other, address) = try start()
            #expect(stop(other).code == 0)
            let port = try #require(address.split(separator: ":").last)
            // A full disk: logs go nowhere, and no folder can be made for what is kept.
            let server = try RunningProgram(
                URL(fileURLWithPath: "/bin/sh"),
                ["-c", "exec \"$0\" serve \"$1\" --port \(port) >/dev/full 2>/dev/full", Program.built.path, trained.bundle],
                in: workshop.folder.url, environment: ["XDG_CACHE_HOME=/dev/full/cache", "XDG_DATA_HOME=/dev/full/data"])
            try expectAnswers(address, folder)
            #expect(stop(server).code == 0)
        }

        /// Expects that a server answers, within a while, for which its start is waited for.
        private func expectAnswers(_ address: String, _ folder: String) throws {
            let pictures = try FileManager.default.contentsOfDirectory(atPath: folder).map { "\(folder)/\($0)" }
            var outcome: Outcome?
            for _ in 0..<50 {
                outcome = try TrainedScenes.shared.workshop.program.run(
                    ["bench-serve", address] + pictures + ["--closed", "1", "--seconds", "0.3", "--json", "--quiet"])
                if outcome?.code == 0, (try outcome?.json()["goodput"] as? Double ?? 0) > 0 { return }
                usleep(100_000)
            }
            Issue.record("no answer from \(address): \(outcome?.errors ?? "")")
        }

        private func stop(_ server: RunningProgram) -> Outcome {
            server.send(SIGTERM)
            return server.outcome()
        }

        @Test func `what cannot be served is refused at once`() throws {
            let trained = try TrainedScenes.shared
            let program = trained.workshop.program
            try expectRefusal(program, ["serve", trained.workshop.path("nowhere")], says: ["nowhere"])
            try expectRefusal(program, ["serve", trained.bundle, "--port", "70000"], says: ["--port", "65535"])
            try expectRefusal(program, ["serve", trained.bundle, "--tls-key", "a"], says: ["--tls-certificate"])
            try expectRefusal(program, ["serve", trained.bundle, "--minimum-compute", "0"], says: ["--minimum-compute"])
            try expectRefusal(
                program, ["serve", trained.bundle, "--minimum-compute", "0.5", "--maximum-compute", "0.4"], says: ["above"])
            try expectRefusal(program, ["serve", trained.bundle, "--log-level", "loud"], says: ["--log-level"])
            try expectRefusal(
                program, ["serve", trained.bundle, "--tokens", trained.workshop.path("none")], says: ["none", "tokens"])
            let (server, address) = try start()
            defer { _ = stop(server) }
            let port = String(try #require(address.split(separator: ":").last))
            try expectRefusal(program, ["serve", trained.bundle, "--port", port], says: ["cannot listen", port])
        }

        private func expectRefusal(_ program: Program, _ arguments: [String], says words: [String]) throws {
            let outcome = try program.run(arguments)
            #expect(outcome.signal == nil && outcome.code != 0, "\(outcome.errors)")
            for word in words where !outcome.errors.contains(word) {
                Issue.record("'\(word)' is not in: \(outcome.errors)")
            }
        }
    }
}
