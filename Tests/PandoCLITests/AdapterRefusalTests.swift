import Foundation
import PandoTestSupport
import Testing

extension CommandLineTests {
    /// Adapters, features and budgets that cannot be: one message that says where, and no bundle.
    @Suite struct AdapterRefusalTests {
        private func expectRefusal(of plan: String, in workshop: Workshop, says: [String]) throws {
            try workshop.program.expectRefusal(["train", plan, "-o", workshop.path("bundle")], says: says)
            #expect(!FileManager.default.fileExists(atPath: workshop.path("bundle")))
        }

        private func textWorkshop() throws -> Workshop {
            let workshop = try Workshop()
            try workshop.writeTexts()
            try workshop.writeBERT()
            return workshop
        }

        @Test(arguments: [
            ("lroa", "", ["tasks.topic.adapter", "'lroa'", "did you mean 'lora'?"]),
            ("{kind: lora, rnak: 3}", "", ["tasks.topic.adapter.rnak", "did you mean 'rank'?"]),
            ("{kind: lora, rank: 0}", "", ["tasks.topic.adapter.rank", "from 1 to 4096, found 0"]),
            ("{kind: lora, rank: 17}", "", ["tasks.topic.adapter", "[16, 16]", "rank 16 at most"]),
            ("{kind: lora, targets: [qeury]}", "", ["tasks.topic.adapter", "qeury"]),
            ("{kind: unipt, taps: [layers.7]}", "", ["tasks.topic.adapter", "layers.7", "layers.2"]),
            ("{kind: lora, rank: many}", "", ["tasks.topic.adapter.rank", "'many'"]),
            ("{rank: 3}", "", ["tasks.topic.adapter", "'kind' is missing"]),
            ("unipt", "features: {codec: nonsense}", ["features.codec", "'nonsense'", "uniform4"]),
            ("unipt", "features: {pool: 2}", ["features.pool", "unknown key"]),
            ("unipt", "features: {store: true}\nbudget: {disk: 1kB}", ["1.00 kB", "budget.disk"]),
            ("unipt", "budget: {memory: 1MB}", ["budget.memory", "1 MB"]),
            ("unipt", "budget: {memory: lots}", ["budget.memory", "'lots'"]),
        ])
        func `an adapter that cannot be is refused with its place in the plan`(adapter: String, more: String, says: [String])
            throws
        {
            let workshop = try textWorkshop()
            let plan = try workshop.textPlan(adapter: adapter, more: more)
            try expectRefusal(of: plan, in: workshop, says: says)
        }

        @Test func `an adapter that the backbone cannot carry is refused with one that it can`() throws {
            let workshop = try Workshop()
            let plan = try workshop.write(
                "name: x\ndata: {kind: scenes, limit: 150}\ntasks: {shape: {kind: classification, adapter: ia3}}",
                to: "plan.yaml")
            try expectRefusal(of: plan, in: workshop, says: ["tasks.shape.adapter", "ia3", "no attention", "ssf"])
        }

        @Test func `a codec that cannot keep a tap is refused with the tap`() throws {
            let workshop = try Workshop()
            let plan = try workshop.write(
                """
                name: x
                data: {kind: scenes, limit: 150}
                features: {codec: pq16, store: true}
                tasks: {shape: {kind: classification, adapter: unipt}}
                """, to: "plan.yaml")
            try expectRefusal(
                of: plan, in: workshop, says: ["features.codec", "tap features.3", "24 channels", "int8"])
        }

        @Test func `texts and pictures want backbones of their kind`() throws {
            let workshop = try textWorkshop()
            let pictures = try workshop.write(
                """
                name: x
                data: {kind: csv, path: texts.csv, text: text, columns: {topic: category}}
                tasks: {topic: {kind: classification}}
                """, to: "pictures.yaml")
            try expectRefusal(of: pictures, in: workshop, says: ["backbone", "sees pictures", "the data are texts"])
            let texts = try workshop.write(
                "name: x\nbackbone: ./bert\ndata: {kind: scenes}\ntasks: {shape: {kind: classification}}", to: "texts.yaml")
            try expectRefusal(of: texts, in: workshop, says: ["line 2: backbone", "reads texts", "the data are pictures"])
            let retrieval = try workshop.write(
                """
                name: x
                backbone: ./bert
                data: {kind: csv, path: texts.csv, text: text, columns: {topic: text}}
                tasks: {topic: {kind: retrieval}}
                """, to: "retrieval.yaml")
            try expectRefusal(of: retrieval, in: workshop, says: ["tasks.topic.kind", "retrieval"])
        }

        @Test func `a trained backbone takes no adapter`() throws {
            let workshop = try Workshop()
            let plan = try workshop.write(
                """
                name: x
                backbone: {name: mobilenet_v2, train: true}
                data: {kind: scenes, limit: 150}
                tasks: {shape: {kind: classification, adapter: lora}}
                """, to: "plan.yaml")
            try expectRefusal(of: plan, in: workshop, says: ["tasks.shape.adapter", "'train'", "lora"])
            let plain = try workshop.write(
                """
                name: x
                backbone: {name: mobilenet_v2, train: true}
                data: {kind: scenes, limit: 150}
                tasks: {shape: {kind: classification}}
                """, to: "plain.yaml")
            try workshop.program.expectRefusal(["advise", plain], says: ["backbone.train", "frozen"])
        }

        @Test(arguments: [
            (["--memory", "lots"], "'lots'"), (["--params", "120%"], "'120%'"), (["--params", "few"], "'few'"),
            (["--seconds", "0"], "--seconds"),
        ])
        func `bounds that mean nothing are refused`(arguments: [String], says: String) throws {
            let outcome = try Workshop().program.run(["advise", "plan.yaml"] + arguments)
            #expect(outcome.code == 64)
            #expect(outcome.errors.contains(says), "\(outcome.errors)")
        }

        @Test func `names of adapters and tasks that are not there are refused`() throws {
            let workshop = try textWorkshop()
            let plan = try workshop.textPlan(adapter: "probe")
            try workshop.program.expectRefusal(
                ["advise", plan, "--candidates", "probe,unitp"], says: ["'unitp'", "did you mean 'unipt'?"])
            try workshop.program.expectRefusal(
                ["advise", plan, "--tasks", "topci"], says: ["'topci'", "did you mean 'topic'?"])
        }

        @Test func `a damaged adapter in a bundle is refused by name`() throws {
            let workshop = try textWorkshop()
            let bundle = workshop.path("bundle")
            let trained = try workshop.program.run(
                "train", try workshop.textPlan(adapter: "lora", epochs: 1), "-o", bundle, "--json")
            #expect(trained.code == 0, "\(trained.errors)")
            let name = "bundle/tasks/topic/adapter_model.safetensors"
            var bytes = Array(try workshop.bytes(name))
            bytes[bytes.count - 3] ^= 1
            try workshop.write(bytes, to: name)
            try workshop.program.expectRefusal(
                ["predict", bundle, "apple soup"], says: ["tasks/topic/adapter_model.safetensors"])
            try workshop.write(Array(bytes.prefix(bytes.count / 2)), to: name)
            try workshop.program.expectRefusal(
                ["evaluate", bundle], says: ["tasks/topic/adapter_model.safetensors"])
        }

        @Test func `an adapter of another model is refused with the layer that does not fit`() throws {
            let workshop = try textWorkshop()
            try workshop.writeBERT("wide", width: 24)
            let adapter = workshop.path("lora")
            let made = try workshop.program.run("adapter", "new", "--backbone", workshop.path("bert"), "-o", adapter)
            #expect(made.code == 0, "\(made.errors)")
            let fits = try workshop.program.run("adapter", "info", adapter, "--backbone", workshop.path("bert"))
            #expect(fits.code == 0, "\(fits.errors)")
            let outcome = try workshop.program.run("adapter", "info", adapter, "--backbone", workshop.path("wide"))
            #expect(outcome.code == 1 && outcome.output.isEmpty)
            #expect(outcome.errors.contains(adapter) && outcome.errors.contains("query"), "\(outcome.errors)")
        }
    }
}
