import Foundation
import Glibc
import PandoTestSupport
import Testing

extension CommandLineTests {
    /// Tasks that share something, all the way through the program.
    @Suite struct SharingTests {
        /// A plan for the texts in which both tasks share what `sharing` says.
        private func plan(_ workshop: Workshop, _ sharing: String, _ name: String) throws -> String {
            try workshop.write(
                """
                name: texts
                backbone: ./bert
                data: {kind: csv, path: texts.csv, text: text, split: split, columns: {topic: category, size: number}}
                sharing: \(sharing)
                tasks: {topic: {kind: classification}, size: {kind: regression}}
                train: {epochs: 25, batch_size: 8, patience: 1000}
                """, to: name)
        }

        @Test(arguments: ["trunk", "{kind: trunk, adapter: last-blocks}", "{kind: trunk, adapter: unipt, stages: three-stage}"])
        func `tasks learn together, go on after a break, are measured and predict`(sharing: String) throws {
            let workshop = try Workshop()
            try workshop.writeTexts()
            try workshop.writeBERT()
            let plan = try plan(workshop, sharing, "plan.yaml")
            let program = workshop.program
            let trained = try program.run("train", plan, "-o", workshop.path("unbroken"), "--json")
            try #require(trained.code == 0, "\(trained.errors)")
            let report = try trained.json()
            let branches = try #require(report["branches"] as? [String: [String: Any]])
            #expect(branches["topic"]?["adapter"] as? String == "shared trunk")

            let stopped = try program.start(["train", plan, "-o", workshop.path("broken")])
            try stopped.says("training ")
            stopped.send(SIGINT)
            #expect(stopped.outcome().code == 130)
            let resumed = try program.run("train", plan, "-o", workshop.path("broken"), "--resume", "--json")
            #expect(resumed.code == 0, "\(resumed.errors)")
            for file in ["sharing/model.safetensors", "tasks/topic/head.safetensors", "tasks/size/head.safetensors"] {
                #expect(try workshop.bytes("unbroken/\(file)") == workshop.bytes("broken/\(file)"), "\(file)")
            }

            let evaluated = try program.run("evaluate", workshop.path("unbroken"), "--split", "test", "--json")
            #expect(evaluated.code == 0, "\(evaluated.errors)")
            let tasks = try #require(try evaluated.json()["tasks"] as? [String: [String: Double]])
            #expect(tasks == (report["test"] as? [String: [String: Double]]))
            // All tasks from one pass say what each says alone.
            func predict(_ more: String...) throws -> [String: Any] {
                let found = try program.run(["predict", workshop.path("unbroken"), "apple soup rice tea", "--json"] + more)
                #expect(found.code == 0, "\(found.errors)")
                let predictions = try #require(try found.json()["predictions"] as? [[String: Any]])
                return try #require(predictions.first?["tasks"] as? [String: Any])
            }
            let all = try predict()
            #expect(Set(all.keys) == ["topic", "size"])
            let size = try #require(try predict("--tasks", "size")["size"] as? Double)
            #expect(try size == #require(all["size"] as? Double))
        }

        @Test func `a bundle that runs at several costs takes a level, and refuses what is none`() throws {
            let workshop = try Workshop()
            try workshop.writeTexts()
            try workshop.writeBERT()
            let program = workshop.program
            let bundle = workshop.path("bundle")
            let plan = try plan(workshop, "{kind: tnn, levels: 2}", "plan.yaml")
            let trained = try program.run("train", plan, "-o", bundle)
            try #require(trained.code == 0, "\(trained.errors)")
            let found = try program.run("predict", bundle, "apple soup", "--compute", "0.5", "--json")
            #expect(found.code == 0, "\(found.errors)")
            #expect(found.errors.contains("compute 0.5: "))
            for (level, reason) in [
                ("0", "something has to be computed"), ("1.5", "the full cost is 1"), ("nan", "it is not a number"),
                ("much", "'much' is none"),
            ] {
                let refused = try program.run("predict", bundle, "apple soup", "--compute", level)
                #expect(refused.code != 0 && refused.errors.contains(reason), "\(level): \(refused.errors)")
            }
            let inspected = try program.run("inspect", bundle, "--json")
            let front = try #require(try inspected.json()["front"] as? [[String: Any]], "\(inspected.errors)")
            let shares = front.compactMap { $0["share"] as? Double }
            #expect(!shares.isEmpty && shares.allSatisfy { $0 > 0 } && shares == shares.sorted())
            #expect(front.allSatisfy { ($0["metrics"] as? [String: Double])?.count == 2 && $0["milliseconds"] is Double })
            let shown = try program.run("inspect", bundle)
            #expect(shown.output.contains("shared tnn") && shown.output.contains("of full"), "\(shown.output)")
            let unknown = try program.run("predict", bundle, "soup", "--compute", "0.5", "--prefer", "topc=2")
            #expect(unknown.code != 0 && unknown.errors.contains("preferences name topc; the tasks are topic, size"))
            let negative = try program.run("predict", bundle, "soup", "--compute", "0.5", "--prefer", "topic=-2")
            #expect(negative.code != 0 && negative.errors.contains("topic has -2"))
        }

        @Test func `what can be shared is listed with its options, and a near miss is told`() throws {
            let program = try Workshop().program
            let listed = try program.run("sharing")
            for kind in ["trunk", "mmoe", "taskexpert", "adashare", "tnn", "ecmt", "pcgrad", "nash"] {
                #expect(listed.output.contains(kind))
            }
            #expect(try program.run("sharing", "mmoe").output.contains("experts"))
            let missed = try program.run("sharing", "mmeo")
            #expect(missed.code != 0 && missed.errors.contains("did you mean 'mmoe'?"))
        }

        @Test func `a plan whose tasks have changed does not go on from what was found of others`() throws {
            let workshop = try Workshop()
            try workshop.writeTexts()
            try workshop.writeBERT()
            let sharing = "{kind: trunk, adapter: unipt, stages: three-stage}"
            let file = try plan(workshop, sharing, "plan.yaml")
            let stopped = try workshop.program.start(["train", file, "-o", workshop.path("bundle")])
            try stopped.says("training ")
            stopped.send(SIGINT)
            #expect(stopped.outcome().code == 130)
            let text = String(decoding: try workshop.bytes("plan.yaml"), as: UTF8.self)
            _ = try workshop.write(text.replacing(", size: {kind: regression}", with: ""), to: "plan.yaml")
            let refused = try workshop.program.run("train", file, "-o", workshop.path("bundle"), "--resume")
            #expect(refused.code == 1)
            #expect(refused.errors.contains("the tasks that share have changed since"), "\(refused.errors)")
        }

        @Test func `a bundle whose shared part is missing is refused`() throws {
            let workshop = try Workshop()
            try workshop.writeTexts()
            try workshop.writeBERT()
            let plan = try plan(workshop, "trunk", "plan.yaml")
            try #require(try workshop.program.run("train", plan, "-o", workshop.path("bundle")).code == 0)
            try FileManager.default.removeItem(atPath: workshop.path("bundle/sharing/model.safetensors"))
            let refused = try workshop.program.run("predict", workshop.path("bundle"), "apple soup")
            #expect(refused.code != 0)
            #expect(refused.errors.contains("sharing/model.safetensors"), "\(refused.errors)")
        }
    }
}
