import Foundation
import Glibc
import PandoTestSupport
import Testing

extension CommandLineTests {
    /// Tasks that come to a bundle later, all the way through the program.
    @Suite struct AddTests {
        private static let tasks = "{size: {kind: regression}}"

        /// A workshop with a bundle of the task `topic` on the small BERT, and `more.yaml`.
        private func workshop(_ tasks: String = tasks, sharing: String? = nil) throws -> Workshop {
            let workshop = try Workshop()
            try workshop.writeTexts()
            try workshop.writeBERT()
            let plan = try workshop.write(
                """
                name: texts
                backbone: ./bert
                data: {kind: csv, path: texts.csv, text: text, split: split, columns: {topic: category, size: number}}
                tasks: {topic: {kind: classification}\(sharing == nil ? "" : ", weight: {kind: regression, column: size}")}
                \(sharing.map { "sharing: \($0)" } ?? "")
                train: {epochs: 25, batch_size: 8, patience: 1000}
                """, to: "plan.yaml")
            let trained = try workshop.program.run("train", plan, "-o", workshop.path("bundle"))
            try #require(trained.code == 0, "\(trained.errors)")
            try workshop.write("tasks: \(tasks)\n", to: "more.yaml")
            return workshop
        }

        /// Every file of the bundle but its manifest.
        private func files(_ workshop: Workshop) throws -> [String: Data] {
            let paths = try FileManager.default.subpathsOfDirectory(atPath: workshop.path("bundle"))
            return Dictionary(
                uniqueKeysWithValues: paths.filter { $0.contains(".") && $0 != "bundle.json" }.map {
                    ($0, FileManager.default.contents(atPath: workshop.path("bundle/\($0)")) ?? Data())
                })
        }

        private func add(_ workshop: Workshop, _ more: String...) throws -> Outcome {
            try workshop.program.run(["add", workshop.path("bundle"), workshop.path("more.yaml")] + more)
        }

        private func evaluated(_ workshop: Workshop) throws -> [String: [String: Double]] {
            let outcome = try workshop.program.run("evaluate", workshop.path("bundle"), "--split", "test", "--json")
            #expect(outcome.code == 0, "\(outcome.errors)")
            return try #require(try outcome.json()["tasks"] as? [String: [String: Double]])
        }

        @Test(arguments: ["probe", "mlp", "unipt", "lora", "last-blocks", "full"])
        func `an added task answers and is measured, and nothing else changes`(adapter: String) throws {
            let workshop = try workshop("{size: {kind: regression, adapter: \(adapter)}}")
            let (before, first) = (try files(workshop), try evaluated(workshop))
            let added = try add(workshop, "--json")
            try #require(added.code == 0, "\(added.errors)")
            let report = try added.json()
            #expect(report["tasks"] as? [String] == ["topic", "size"])
            let cost = try #require(report["cost"] as? [String: Any])
            if adapter == "probe" { #expect(cost["computedImages"] as? Int == 0) }
            let after = try files(workshop)
            for (path, bytes) in before { #expect(after[path] == bytes, "\(path)") }
            #expect(after.keys.filter { before[$0] == nil }.allSatisfy { $0.hasPrefix("tasks/size/") })
            let metrics = try evaluated(workshop)
            #expect(metrics["topic"] == first["topic"])
            #expect(metrics["size"] == (report["test"] as? [String: [String: Double]])?["size"])
            let predicted = try workshop.program.run("predict", workshop.path("bundle"), "apple soup rice tea", "--json")
            let predictions = try #require(try predicted.json()["predictions"] as? [[String: Any]])
            #expect(Set((predictions[0]["tasks"] as? [String: Any] ?? [:]).keys) == ["topic", "size"])
            #expect(try workshop.program.run("runs", "list").output.contains("texts + size"))
        }

        @Test func `an added task is what training it with the others would have made`() throws {
            let workshop = try workshop()
            try #require(try add(workshop).code == 0)
            let together = try workshop.textPlan("together.yaml", adapter: "probe")
            try #require(try workshop.program.run("train", together, "-o", workshop.path("together")).code == 0)
            #expect(try workshop.bytes("bundle/tasks/size/head.safetensors") == workshop.bytes("together/tasks/size/head.safetensors"))
        }

        @Test func `a name that is taken is refused, and trained anew if that is asked for`() throws {
            let workshop = try workshop("{topic: {kind: classification, adapter: mlp}}")
            let before = try files(workshop)
            try workshop.program.expectRefusal(
                ["add", workshop.path("bundle"), workshop.path("more.yaml")], says: ["tasks.topic", "--replace"])
            #expect(try files(workshop) == before)
            let replaced = try add(workshop, "--replace")
            #expect(replaced.code == 0, "\(replaced.errors)")
            #expect(replaced.output.contains("mlp") && replaced.output.contains("its tasks: topic\n"))
            #expect(try files(workshop)["tasks/topic/adapter_model.safetensors"] != nil)
            #expect(try evaluated(workshop).keys.sorted() == ["topic"])
        }

        @Test func `tasks with data of their own are measured on those`() throws {
            let workshop = try workshop()
            var lines = ["text,length,split"]
            for index in 0..<30 {
                lines.append("\(index % 2 == 0 ? "soup rice tea" : "road fuel"),\(index % 2 == 0 ? "long" : "short"),\(["train", "train", "validation", "test"][index / 2 % 4])")
            }
            try workshop.write(lines.joined(separator: "\n") + "\n", to: "own.csv")
            let first = try evaluated(workshop)
            try workshop.write(
                """
                data: {kind: csv, path: own.csv, text: text, split: split, columns: {length: category}}
                tasks: {length: {kind: classification}}
                train: {epochs: 5}
                """, to: "more.yaml")
            let added = try add(workshop, "--json")
            try #require(added.code == 0, "\(added.errors)")
            let metrics = try evaluated(workshop)
            #expect(metrics["topic"] == first["topic"])
            #expect(metrics["length"]?["accuracy"] == 1)
            let card = String(decoding: try workshop.bytes("bundle/tasks/length/README.md"), as: UTF8.self)
            #expect(card.contains("data of its own (own.csv)"))
        }

        @Test func `labels that contradict what the bundle learned are named`() throws {
            let workshop = try workshop()
            let text = String(decoding: try workshop.bytes("texts.csv"), as: UTF8.self)
            try workshop.write(text.replacing("cars", with: "boats"), to: "texts.csv")
            try workshop.program.expectRefusal(
                ["evaluate", workshop.path("bundle")],
                says: ["task 'topic'", "'boats' unknown to it, 'cars' missing now"])
        }

        @Test func `what some tasks share stays with them`() throws {
            let workshop = try workshop(sharing: "trunk")
            let before = try files(workshop)
            let first = try evaluated(workshop)
            let added = try add(workshop)
            try #require(added.code == 0, "\(added.errors)")
            for (path, bytes) in before { #expect(try workshop.bytes("bundle/\(path)") == bytes, "\(path)") }
            let metrics = try evaluated(workshop)
            #expect(metrics["topic"] == first["topic"] && metrics["weight"] == first["weight"])
            try workshop.write("tasks: {topic: {kind: classification}}", to: "shared.yaml")
            try workshop.program.expectRefusal(
                ["add", workshop.path("bundle"), workshop.path("shared.yaml"), "--replace"],
                says: ["tasks.topic", "shares weights with others"])
            let refused = try workshop.program.run("remove", workshop.path("bundle"), "topic")
            #expect(refused.code != 0 && refused.errors.contains("shares weights with others"))
            let removed = try workshop.program.run("remove", workshop.path("bundle"), "size", "--json")
            #expect(try removed.json()["tasks"] as? [String] == ["topic", "weight"])
            #expect(try files(workshop) == before)
        }

        @Test func `a program that was killed leaves the bundle as it was, and the next goes on from there`() throws {
            let workshop = try workshop()
            try workshop.write("tasks: \(Self.tasks)\ntrain: {epochs: 100000}\n", to: "more.yaml")
            let before = try files(workshop)
            let arguments = ["add", workshop.path("bundle"), workshop.path("more.yaml")]
            let killed = try workshop.program.start(arguments)
            try killed.says("training ")
            killed.send(SIGKILL)
            #expect(killed.outcome().signal == SIGKILL)
            #expect(try files(workshop) == before)
            let stopped = try workshop.program.start(arguments)
            try stopped.says("training ")
            stopped.send(SIGINT)
            let outcome = stopped.outcome()
            #expect(outcome.code == 130 && outcome.errors.contains("--resume"), "\(outcome.errors)")
            try workshop.write("tasks: \(Self.tasks)\n", to: "more.yaml")
            let added = try add(workshop)
            #expect(added.code == 0, "\(added.errors)")
            #expect(try evaluated(workshop).keys.sorted() == ["size", "topic"])
        }

        @Test func `files of whole plans, unknown columns and things that are no bundles are refused`() throws {
            let workshop = try workshop()
            let bundle = workshop.path("bundle")
            try workshop.program.expectRefusal(
                ["add", bundle, workshop.path("plan.yaml")], says: ["name", "backbone", "belongs to the whole plan"])
            try workshop.write("tasks: {weight: {kind: regression, column: siez}}", to: "wrong.yaml")
            try workshop.program.expectRefusal(
                ["add", bundle, workshop.path("wrong.yaml")], says: ["tasks.weight", "did you mean 'size'?"])
            try workshop.program.expectRefusal(
                ["add", workshop.path("bert"), workshop.path("more.yaml")], says: ["it is no bundle"])
            try workshop.program.expectRefusal(["add", bundle, workshop.path("none.yaml")], says: ["there is no such file"])
        }

        @Test(.enabled(if: SmallDisk.isAvailable, "mounting needs root"))
        func `a full disk leaves the bundle as it was`() throws {
            let workshop = try workshop("{size: {kind: regression, adapter: full}}")
            let disk = try #require(SmallDisk(kilobytes: 300))
            let bundle = disk.url.appendingPathComponent("bundle")
            try FileManager.default.copyItem(at: workshop.folder.file("bundle"), to: bundle)
            // Room for links and some small files, not for weights.
            let ballast = disk.url.appendingPathComponent("ballast").path
            let descriptor = open(ballast, O_WRONLY | O_CREAT, 0o600)
            var filled = 0
            while Glibc.write(descriptor, [UInt8](repeating: 1, count: 4096), 4096) == 4096 { filled += 4096 }
            #expect(ftruncate(descriptor, filled - 5 * 4096) == 0 && close(descriptor) == 0)
            let refused = try workshop.program.run(["add", bundle.path, workshop.path("more.yaml"), "--quiet"])
            #expect(refused.code == 1 && refused.errors.contains("No space left on device"), "\(refused.errors)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: disk.url.path).sorted() == ["ballast", "bundle"])
            #expect(try workshop.program.run("predict", bundle.path, "apple soup").code == 0)
        }
    }
}
