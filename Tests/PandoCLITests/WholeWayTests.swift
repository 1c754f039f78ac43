import Foundation
import PandoData
import PandoTestSupport
import Testing

extension CommandLineTests {
    /// From a plan to a bundle, and everything that a bundle is for.
    @Suite struct WholeWayTests {
        @Test func `training writes a whole bundle and reports what it took`() throws {
            let trained = try TrainedScenes.shared
            #expect(trained.outcome.code == 0, "\(trained.outcome.errors)")
            let report = try trained.outcome.json()
            #expect(report["bundle"] as? String == trained.bundle)
            let cost = try #require(report["cost"] as? [String: Any])
            #expect(cost["computedImages"] as? Int == 150)
            let test = try #require(report["test"] as? [String: Any])
            #expect(Set(test.keys) == Set(TrainedScenes.taskNames))
            let tasks = TrainedScenes.taskNames.flatMap { task in
                ["README.md", "head.safetensors", "labels.json", "metrics.json", "task.json"].map { "tasks/\(task)/\($0)" }
            }
            let files = FileManager.default.enumerator(atPath: trained.bundle)?.compactMap { $0 as? String } ?? []
            #expect(
                files.filter { $0.contains(".") }.sorted() == (tasks + [
                    "bundle.json", "backbone/config.json", "backbone/model.safetensors",
                    "backbone/preprocessor_config.json", "text_backbone/config.json", "text_backbone/model.safetensors",
                    "text_backbone/tokenizer.json", "text_backbone/modules.json",
                    "text_backbone/sentence_bert_config.json", "text_backbone/1_Pooling/config.json",
                ]).sorted())
        }

        @Test func `evaluation prints the metrics under their names, the same as after training`() throws {
            let trained = try TrainedScenes.shared
            let outcome = try trained.workshop.program.run("evaluate", trained.bundle, "--split", "test", "--json")
            #expect(outcome.code == 0, "\(outcome.errors)")
            let report = try outcome.json()
            #expect(Array(report.keys) == ["tasks"])
            let tasks = try #require(report["tasks"] as? [String: [String: Double]])
            let afterTraining = try #require(try trained.outcome.json()["test"] as? [String: [String: Double]])
            #expect(tasks == afterTraining)
            let names = [
                "shape": ["accuracy", "macro_f1"], "objects": ["map"], "count": ["mae", "rmse", "r2"],
                "caption": ["recall@1", "recall@5", "recall@10", "median_rank"],
            ]
            for (task, metrics) in names {
                for metric in metrics {
                    #expect(tasks[task]?[metric]?.isFinite == true, "\(task) \(metric)")
                }
            }
            // Far above chance: 1 of 8 shapes, 1 of 17 pictures.
            #expect(try #require(tasks["shape"]?["accuracy"]) > 0.25)
            #expect(try #require(tasks["caption"]?["recall@1"]) > 0.1)
            let table = try trained.workshop.program.run("evaluate", trained.bundle, "--quiet")
            #expect(table.output.contains("accuracy") && table.output.contains("recall@10"))
            #expect(table.errors.isEmpty)
        }

        @Test func `a bundle is inspected: its backbone and its tasks`() throws {
            let trained = try TrainedScenes.shared
            let report = try trained.workshop.program.run("inspect", trained.bundle, "--json").json()
            #expect(report["backbone"] as? String == "mobilenet_v2" && report["front"] == nil)
            let tasks = try #require(report["tasks"] as? [[String: Any]])
            #expect(tasks.compactMap { $0["name"] as? String } == TrainedScenes.taskNames)
            #expect(tasks[0]["labels"] as? Int == 8 && tasks[0]["adapter"] as? String == "probe")
            let shown = try trained.workshop.program.run("inspect", trained.bundle)
            #expect(shown.output.contains("little scenes") && shown.output.contains("retrieval"), "\(shown.output)")
            try trained.workshop.program.expectRefusal(
                ["inspect", trained.bundle, "--image-size", "64"], says: ["is a bundle"])
        }

        @Test func `a second training uses the stored features and gives the same bundle, bit for bit`() throws {
            let trained = try TrainedScenes.shared
            let again = trained.workshop.path("again")
            for _ in 0..<2 {  // The second time it replaces the first.
                let outcome = try trained.workshop.program.run("train", trained.plan, "-o", again, "--json", "--quiet")
                #expect(outcome.code == 0, "\(outcome.errors)")
                #expect(outcome.errors.isEmpty)
                let cost = try #require(try outcome.json()["cost"] as? [String: Any])
                #expect(cost["computedImages"] as? Int == 0)
                for task in TrainedScenes.taskNames {
                    let file = "tasks/\(task)/head.safetensors"
                    #expect(try trained.workshop.bytes("again/\(file)") == trained.workshop.bytes("bundle/\(file)"))
                }
            }
        }

        @Test func `pictures are predicted in their order, with a sheet`() throws {
            let trained = try TrainedScenes.shared
            let workshop = try Workshop()
            try workshop.drawPhotos(count: 9)
            let photos = (0..<9).map { workshop.path("photos/\($0).png") }
            let sheet = workshop.path("sheet.png")
            let program = trained.workshop.program
            let outcome = try program.run(["predict", trained.bundle] + photos + ["--top", "8", "--json", "--sheet", sheet])
            #expect(outcome.code == 0, "\(outcome.errors)")
            let report = try outcome.json()
            #expect((report["unreadable"] as? [Any])?.isEmpty == true)
            let predictions = try #require(report["predictions"] as? [[String: Any]])
            #expect(predictions.compactMap { $0["image"] as? String } == photos)
            for prediction in predictions {
                let tasks = try #require(prediction["tasks"] as? [String: Any])
                // A retrieval task says nothing of a single picture.
                #expect(Set(tasks.keys) == ["shape", "objects", "count"])
                #expect(tasks["count"] is Double)
                let shapes = try #require(tasks["shape"] as? [[String: Any]])
                let scores = shapes.compactMap { $0["score"] as? Double }
                #expect(scores == scores.sorted(by: >))
                #expect(abs(scores.reduce(0, +) - 1) < 1e-3)
            }
            let drawn = try ImageDecoder().image(at: URL(fileURLWithPath: sheet))
            #expect(drawn.width > 900 && drawn.height > 300)

            let text = try program.run("predict", trained.bundle, photos[0], "--tasks", "shape", "--top", "1")
            let lines = text.output.split(separator: "\n")
            #expect(lines.count == 2 && lines[0].hasSuffix("photos/0.png") && lines[1].hasPrefix("  shape"))
        }

        @Test func `a search ranks pictures and computes none twice`() throws {
            let trained = try TrainedScenes.shared
            let workshop = try Workshop()
            try workshop.drawPhotos(count: 12)
            try workshop.write("no picture", to: "photos/notes.txt")
            let arguments = [
                "search", trained.bundle, "a large red circle", "--in", workshop.path("photos"), "--top", "5", "--json",
            ]
            let program = trained.workshop.program
            let first = try program.run(arguments)
            #expect(first.code == 0, "\(first.errors)")
            #expect(first.errors.contains("features 12/12 images"))
            let matches = try #require(try JSONSerialization.jsonObject(with: Data(first.output.utf8)) as? [[String: Any]])
            let scores = matches.compactMap { $0["score"] as? Double }
            #expect(scores.count == 5)
            #expect(scores == scores.sorted(by: >))
            let second = try program.run(arguments)
            #expect(second.output == first.output)
            #expect(!second.errors.contains("features"))
        }

        @Test func `a comparison counts both sides and guesses nothing`() throws {
            let trained = try TrainedScenes.shared
            let program = trained.workshop.program
            let outcome = try program.run("compare", trained.plan, "--bundle", trained.bundle, "--json", "--quiet")
            #expect(outcome.code == 0, "\(outcome.errors)")
            let report = try outcome.json()
            let shared = try #require(report["shared"] as? [String: Any])
            let separate = try #require(report["separate"] as? [String: Any])
            for count in ["parameters", "bytes", "multiplyAddsPerImage"] {
                let (one, several) = try (#require(shared[count] as? Int), #require(separate[count] as? Int))
                #expect(several > 3 * one && several < 4 * one, "\(count): \(one), \(several)")
            }
            #expect(try #require(shared["imagesPerSecond"] as? Double) > 0)
            #expect(try #require(shared["trainingSeconds"] as? Double) > 0)
            #expect(separate["trainingSeconds"] is NSNull)
            #expect(separate["peakTrainingBytes"] is NSNull)
            let metrics = try #require(separate["metrics"] as? [String: Any])
            #expect(metrics.count == 4 && metrics.values.allSatisfy { $0 is NSNull })
            // Without --bundle it is the one of the plan's last finished run.
            let table = try program.run("compare", trained.plan, "--quiet")
            #expect(table.code == 0, "\(table.errors)")
            #expect(table.output.contains("not run") && table.output.contains("multiply-adds per image"))
        }

        @Test func `runs are listed and shown`() throws {
            let trained = try TrainedScenes.shared
            let program = trained.workshop.program
            let id = try #require(try trained.outcome.json()["run"] as? String)
            let list = try program.run("runs")
            #expect(list.output.split(separator: "\n").contains { $0.hasPrefix(id) && $0.contains("finished") })
            let shown = try program.run("runs", "show", id)
            #expect(shown.code == 0, "\(shown.errors)")
            #expect(shown.output.contains("name: little scenes") && shown.output.contains("recall@10"))
            let json = try program.run("runs", "show", id, "--json").json()
            #expect((json["run"] as? [String: Any])?["status"] as? String == "finished")
            let folder = program.home.appendingPathComponent("data/pando/runs/\(id)").path
            let files = try FileManager.default.contentsOfDirectory(atPath: folder)
            #expect(files.contains { $0.hasPrefix("events.out.tfevents.") })
            try program.expectRefusal(["runs", "show", "1999"], says: ["there is no run '1999'"])
        }

        @Test func `stored features are listed, checked and cleaned`() throws {
            let trained = try TrainedScenes.shared
            let store = trained.workshop.program.home.appendingPathComponent("cache/pando/features")
            let copy = try TemporaryDirectory()
            let folder = copy.file("features")
            try FileManager.default.copyItem(at: store, to: folder)
            let program = trained.workshop.program
            func features(_ arguments: String...) throws -> Outcome {
                try program.run(["features"] + arguments + ["--features", folder.path])
            }
            let entries = try JSONSerialization.jsonObject(with: Data(try features("info", "--json").output.utf8))
            #expect((entries as? [Any])?.count == 2)
            #expect(try features("info").output.contains("bytes") == false)
            #expect(try features("verify").code == 0)

            let shards = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)?
                .compactMap { $0 as? URL }.filter { $0.pathExtension == "safetensors" } ?? []
            let shard = try #require(shards.first)
            var bytes = try Data(contentsOf: shard)
            bytes[bytes.count / 2] ^= 1
            try bytes.write(to: shard)
            let damaged = try features("verify")
            #expect(damaged.code == 1)
            #expect(damaged.output.contains(shard.lastPathComponent) && damaged.output.contains("clean --damaged"))
            #expect(try features("clean", "--damaged").output.contains("removed 1 file"))
            #expect(try features("verify").code == 0)
            try program.expectRefusal(
                ["features", "clean", "--identity", "zz", "--features", folder.path], says: ["zz"])
        }

        @Test(arguments: [
            [], ["train"], ["add"], ["remove"], ["advise"], ["adapter"], ["adapter", "list"], ["evaluate"], ["predict"], ["search"], ["compare"], ["features"], ["features", "info"],
            ["features", "verify"], ["features", "clean"], ["data"], ["data", "info"], ["data", "fetch"], ["runs"],
            ["runs", "list"], ["runs", "show"], ["doctor"],
        ])
        func `every command has help with an example`(command: [String]) throws {
            let outcome = try TrainedScenes.shared.workshop.program.run(command + ["--help"])
            #expect(outcome.code == 0)
            let words = (["pando"] + command).joined(separator: " ")
            let beforeUsage = outcome.output.components(separatedBy: "USAGE:")[0]
            #expect(beforeUsage.contains(words), "\(outcome.output)")
        }

        @Test func `data is described by split and column`() throws {
            let trained = try TrainedScenes.shared
            let program = trained.workshop.program
            let outcome = try program.run("data", "info", trained.plan)
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(outcome.output.contains("count     number"))
            let report = try program.run("data", "info", trained.plan, "--json").json()
            #expect((report["statistics"] as? [String: Any])?["name"] as? String == "scenes")
        }

        @Test func `the doctor names processor, libraries and speed`() throws {
            let report = try TrainedScenes.shared.workshop.program.run("doctor", "--json").json()
            #expect((report["coresAllowed"] as? Int ?? 0) >= 1)
            #expect((report["speeds"] as? [Any])?.count == 2)
            #expect((report["libraries"] as? [String])?.contains { $0.hasPrefix("oneDNN") } == true)
        }
    }
}
