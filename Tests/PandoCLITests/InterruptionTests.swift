import Foundation
import Glibc
import PandoTestSupport
import Testing

extension CommandLineTests {
    /// Stopped and killed programs, and how they go on.
    @Suite struct InterruptionTests {
        /// A plan whose features are there after `TrainedScenes`, and whose training takes a few seconds.
        private func longPlan(_ workshop: Workshop) throws -> String {
            try workshop.write(
                """
                name: long
                data: {kind: scenes, limit: 150}
                tasks:
                  shape: {kind: classification, head: {kind: mlp, hidden: 64, dropout: 0.2}}
                  objects: {kind: multilabel, head: {kind: mlp, hidden: 64, dropout: 0.2}}
                train: {epochs: 120, batch_size: 16, patience: 1000}
                """, to: "long.yaml")
        }

        private func expectSameHeads(_ workshop: Workshop, _ one: String, _ other: String, tasks: [String]) throws {
            for task in tasks {
                let file = "tasks/\(task)/head.safetensors"
                #expect(try workshop.bytes("\(one)/\(file)") == workshop.bytes("\(other)/\(file)"), "\(task)")
            }
        }

        private func status(_ program: Program) throws -> String {
            let runs = try JSONSerialization.jsonObject(with: Data(try program.run("runs", "list", "--json").output.utf8))
            return (runs as? [[String: Any]])?.first?["status"] as? String ?? "none"
        }

        @Test func `training that was stopped and then killed goes on to the same bits as an unbroken run`() throws {
            let workshop = try Workshop()
            let plan = try longPlan(workshop)
            let program = workshop.program
            let features = try TrainedScenes.shared.workshop.program.home.appendingPathComponent("cache/pando/features").path
            func arguments(_ bundle: String, _ more: String...) -> [String] {
                ["train", plan, "-o", workshop.path(bundle), "--features", features] + more
            }
            let unbroken = try program.run(arguments("unbroken"))
            #expect(unbroken.code == 0, "\(unbroken.errors)")

            let stopped = try program.start(arguments("broken"))
            try stopped.says("training ")
            stopped.send(SIGINT)
            let outcome = stopped.outcome()
            #expect(outcome.code == 130, "\(outcome.errors)")
            #expect(outcome.errors.contains("everything is saved, and --resume goes on with run"))
            #expect(!FileManager.default.fileExists(atPath: workshop.path("broken")))
            #expect(try status(program) == "interrupted")

            let killed = try program.start(arguments("broken", "--resume"))
            try killed.says("training ")
            killed.send(SIGKILL)
            #expect(killed.outcome().signal == SIGKILL)
            #expect(try status(program) == "killed")

            let resumed = try program.run(arguments("broken", "--resume", "--json"))
            #expect(resumed.code == 0, "\(resumed.errors)")
            #expect(try status(program) == "finished")
            try expectSameHeads(workshop, "unbroken", "broken", tasks: ["shape", "objects"])
            try program.expectRefusal(
                arguments("broken", "--resume"), says: ["long", workshop.path("broken")])
        }

        /// How many rows of features the program has stored.
        private func storedRows(_ program: Program) throws -> Int {
            let entries = try JSONSerialization.jsonObject(
                with: Data(try program.run("features", "info", "--json").output.utf8))
            return (entries as? [[String: Any]])?.first?["rowCount"] as? Int ?? 0
        }

        @Test func `features that were killed and then stopped are completed to the same bits`() throws {
            let workshop = try Workshop()
            let program = workshop.program
            let count = 1200
            let plan = try workshop.write(
                """
                name: many
                data: {kind: scenes, limit: \(count)}
                tasks: {shape: {kind: classification}}
                train: {epochs: 2}
                """, to: "many.yaml")
            let arguments = ["train", plan, "-o", workshop.path("bundle"), "--json"]

            let killed = try program.start(arguments)
            try killed.says("features ")
            killed.send(SIGKILL)
            #expect(killed.outcome().signal == SIGKILL)
            #expect(try program.run("features", "verify").code == 0)

            let stopped = try program.start(arguments + ["--workers", "1"])
            try stopped.says("features ")
            usleep(300_000)  // for some of them; all take seconds
            stopped.send(SIGTERM)
            let outcome = stopped.outcome()
            #expect(outcome.code == 128 + SIGTERM, "\(outcome.errors)")
            #expect(outcome.output.isEmpty)
            let kept = try storedRows(program)
            #expect(kept < count)

            let finished = try program.run(arguments)
            #expect(finished.code == 0, "\(finished.errors)")
            let cost = try #require(try finished.json()["cost"] as? [String: Any])
            #expect(cost["computedImages"] as? Int == count - kept)
            let unbroken = try Workshop()
            let reference = try unbroken.program.run("train", plan, "-o", workshop.path("reference"))
            #expect(reference.code == 0, "\(reference.errors)")
            try expectSameHeads(workshop, "reference", "bundle", tasks: ["shape"])
        }

        @Test func `a second signal ends at once`() throws {
            let workshop = try Workshop()
            let program = workshop.program
            let running = try program.start(["train", try TrainedScenes.shared.plan, "-o", workshop.path("bundle")])
            try running.says("features ")
            running.send(SIGINT, SIGTERM)
            let outcome = running.outcome()
            #expect([130, 143].contains(outcome.code))
            #expect(!outcome.errors.contains("--resume"))
            #expect(try status(program) == "killed")
        }

        @Test func `an evaluation can be stopped too`() throws {
            let workshop = try Workshop()
            let running = try workshop.program.start(["evaluate", try TrainedScenes.shared.bundle])
            try running.says("features ")
            running.send(SIGINT)
            let outcome = running.outcome()
            #expect(outcome.code == 130, "\(outcome.errors)")
            #expect(outcome.errors.contains("the features computed so far are kept"))
        }

        @Test func `two trainings at once share one feature store`() throws {
            let workshop = try Workshop()
            try workshop.drawPhotos(count: 40)
            let plan = try workshop.photoPlan()
            let running = try ["one", "two"].map {
                try workshop.program.start(["train", plan, "-o", workshop.path($0)])
            }
            for program in running {
                let outcome = program.outcome()
                #expect(outcome.code == 0, "\(outcome.errors)")
            }
            let verified = try workshop.program.run("features", "verify")
            #expect(verified.output.contains(" 40 rows") && verified.code == 0, "\(verified.output)")
            try expectSameHeads(workshop, "one", "two", tasks: ["side", "size"])
            #expect(try workshop.folder.names.filter { $0.hasSuffix(".tmp") }.isEmpty)
        }
    }
}
