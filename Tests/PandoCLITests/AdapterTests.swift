import Foundation
import Glibc
import PandoTestSupport
import Testing

extension CommandLineTests {
    /// Adapters all the way through the program: training, measuring, predicting, going on.
    @Suite struct AdapterTests {
        /// Trains a plan; then again with a break, to the same bits; evaluates and predicts.
        ///
        /// - Returns: the names of the task's files.
        private func expectWholeWay(
            _ workshop: Workshop, _ plan: String, task: String, kind: String, predicting input: String
        ) throws -> [String] {
            let program = workshop.program
            let trained = try program.run("train", plan, "-o", workshop.path("unbroken"), "--json")
            try #require(trained.code == 0, "\(trained.errors)")
            let report = try trained.json()
            let branches = try #require(report["branches"] as? [String: [String: Any]])
            #expect(branches[task]?["adapter"] as? String == kind)
            #expect((branches[task]?["adapterParameters"] as? Int ?? 0) > 0)

            let stopped = try program.start(["train", plan, "-o", workshop.path("broken")])
            try stopped.says("training ")
            stopped.send(SIGINT)
            #expect(stopped.outcome().code == 130)
            let resumed = try program.run("train", plan, "-o", workshop.path("broken"), "--resume", "--json")
            #expect(resumed.code == 0, "\(resumed.errors)")
            let folder = workshop.folder.url.appendingPathComponent("unbroken/tasks/\(task)")
            let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
            #expect(files.contains("adapter_model.safetensors"))
            for name in files where name.hasSuffix(".safetensors") {
                let file = "tasks/\(task)/\(name)"
                #expect(try workshop.bytes("unbroken/\(file)") == workshop.bytes("broken/\(file)"), "\(name)")
            }

            let evaluated = try program.run("evaluate", workshop.path("unbroken"), "--split", "test", "--json")
            #expect(evaluated.code == 0, "\(evaluated.errors)")
            let tasks = try #require(try evaluated.json()["tasks"] as? [String: [String: Double]])
            #expect(tasks == (report["test"] as? [String: [String: Double]]))
            let predicted = try program.run("predict", workshop.path("unbroken"), input, "--json")
            #expect(predicted.code == 0, "\(predicted.errors)")
            #expect((try predicted.json()["predictions"] as? [Any])?.count == 1)
            return files
        }

        @Test(arguments: ["unipt", "lora", "sherl", "full"])
        func `texts are learned with an adapter, go on after a break, and are predicted`(kind: String) throws {
            let workshop = try Workshop()
            try workshop.writeTexts()
            try workshop.writeBERT()
            let files = try expectWholeWay(
                workshop, workshop.textPlan(adapter: kind), task: "topic", kind: kind, predicting: "apple soup rice tea")
            #expect(files.contains("adapter_config.json") == (kind == "lora"))
            if kind == "lora" {
                let configuration = try JSONSerialization.jsonObject(
                    with: workshop.bytes("unbroken/tasks/topic/adapter_config.json"))
                #expect((configuration as? [String: Any])?["peft_type"] as? String == "LORA")
            }
        }

        @Test(arguments: ["unipt", "ssf"])
        func `pictures are learned with an adapter, go on after a break, and are predicted`(kind: String) throws {
            let workshop = try Workshop()
            try workshop.drawPhotos(count: 30)
            let plan = try workshop.write(
                """
                name: photos
                backbone: {name: mobilenet_v2, image_size: 32}
                data: {kind: csv, path: photos.csv, split: split, columns: {side: category}}
                tasks: {side: {kind: classification, adapter: \(kind)}}
                train: {epochs: 6, batch_size: 8, patience: 1000}
                """, to: "plan.yaml")
            _ = try expectWholeWay(
                workshop, plan, task: "side", kind: kind, predicting: workshop.path("photos/3.png"))
        }

        @Test func `training says which adapter each task has`() throws {
            let workshop = try Workshop()
            try workshop.writeTexts()
            try workshop.writeBERT()
            let outcome = try workshop.program.run(
                "train", try workshop.textPlan(adapter: "bitfit", epochs: 1), "-o", workshop.path("bundle"))
            #expect(outcome.code == 0, "\(outcome.errors)")
            let lines = outcome.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
            #expect(lines.contains { $0.prefix(2) == ["topic", "bitfit"] }, "\(outcome.output)")
            #expect(lines.contains { $0.prefix(3) == ["size", "probe", "0"] }, "\(outcome.output)")
        }

        // MARK: Advice

        private func advise(_ workshop: Workshop, _ arguments: String...) throws -> Outcome {
            try workshop.program.run(["advise", workshop.path("texts.yaml"), "--seconds", "5", "--quiet"] + arguments)
        }

        private func textWorkshop() throws -> Workshop {
            let workshop = try Workshop()
            try workshop.writeTexts()
            try workshop.writeBERT()
            _ = try workshop.textPlan(adapter: "probe", epochs: 5)
            return workshop
        }

        @Test func `adapters are tried, one is recommended, and the front is drawn`() throws {
            let workshop = try textWorkshop()
            let plot = workshop.path("front.svg")
            let outcome = try advise(
                workshop, "--candidates", "probe,unipt,lora,lst", "--tasks", "topic", "--json", "--plot", plot)
            #expect(outcome.code == 0, "\(outcome.errors)")
            let advice = try outcome.json()
            let trials = try #require(advice["trials"] as? [[String: Any]])
            #expect(trials.compactMap { $0["kind"] as? String } == ["probe", "unipt", "lst", "lora"])
            #expect(trials.compactMap { $0["adapterParameters"] as? Int }.map { $0 > 0 } == [false, true, true, true])
            // Two layers' query and value of width 16, rank 8.
            #expect(trials.last?["adapterParameters"] as? Int == 2 * 2 * 8 * (16 + 16))
            for trial in trials {
                #expect(((trial["tasks"] as? [String: Any])?["topic"] as? [String: Any])?["accuracy"] != nil)
            }
            #expect(["probe", "unipt", "lora", "lst"].contains(advice["recommended"] as? String ?? ""))
            let picture = String(decoding: try workshop.bytes("front.svg"), as: UTF8.self)
            for word in ["<title", "<desc", ">unipt</text>", ">accuracy</text>", "MB (log)", "</svg>"] {
                #expect(picture.contains(word), "\(word)")
            }
        }

        @Test func `bounds leave out what takes more, and nothing within them is a failure`() throws {
            let workshop = try textWorkshop()
            let small = try advise(workshop, "--candidates", "probe,full", "--params", "1%", "--json")
            #expect(small.code == 0, "\(small.errors)")
            let advice = try small.json()
            #expect(advice["recommended"] as? String == "probe")
            #expect((advice["trials"] as? [[String: Any]])?.compactMap { $0["meetsBounds"] as? Bool } == [true, false])
            let none = try advise(workshop, "--candidates", "probe,full", "--memory", "1MB")
            #expect(none.code == 1)
            #expect(none.output.contains("nothing meets the bounds (memory 1.00 MB)"), "\(none.output)")
            #expect(none.output.contains("comes nearest"))
        }

        @Test func `what the backbone cannot carry is listed with the reason`() throws {
            let workshop = try Workshop()
            try workshop.drawPhotos(count: 30)
            let plan = try workshop.photoPlan(backbone: "{name: mobilenet_v2, image_size: 32}")
            let outcome = try workshop.program.run(
                "advise", plan, "--candidates", "probe,ia3", "--tasks", "side", "--seconds", "5", "--quiet")
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(outcome.output.contains("not tried: ia3: "), "\(outcome.output)")
            #expect(outcome.output.contains("adapter: probe"), "\(outcome.output)")
        }

        @Test func `trials can be stopped`() throws {
            let workshop = try textWorkshop()
            let running = try workshop.program.start(["advise", workshop.path("texts.yaml"), "--candidates", "full"])
            try running.says("timing ")
            running.send(SIGINT)
            let outcome = running.outcome()
            #expect(outcome.code == 130, "\(outcome.errors)")
            #expect(outcome.output.isEmpty)
        }

        @Test func `kinds of adapters are listed with their options`() throws {
            let program = try Workshop().program
            let all = try program.run("adapter", "list")
            #expect(all.code == 0)
            for word in ["probe", "unipt", "reading", "late", "inline", "rank"] {
                #expect(all.output.contains(word), "\(word)")
            }
            let one = try program.run("adapter", "list", "lora", "--json")
            let listed = try JSONSerialization.jsonObject(with: Data(one.output.utf8)) as? [[String: Any]]
            #expect(listed?.count == 1)
            let options = try #require(listed?.first?["options"] as? [[String: String]])
            #expect(options.first { $0["name"] == "rank" }?["values"] == "1 to 4096")
            try program.expectRefusal(["adapter", "list", "unitp"], says: ["'unitp'", "did you mean 'unipt'?"])
        }
    }
}
