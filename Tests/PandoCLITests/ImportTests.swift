import Foundation
import PandoTensor
import PandoTestSupport
import Testing

extension CommandLineTests {
    /// Backbones from elsewhere: inspected, imported, trained on.
    @Suite struct ImportTests {
        private static let exported = Program.package
            .appendingPathComponent("Tests/PandoONNXTests/Golden/resnet-script-13.onnx").path
        private static let weights = Program.package.appendingPathComponent(".prefix/weights/mobilenet_v2.pth").path

        @Test func `an ONNX file becomes a folder, and the folder a bundle`() throws {
            let workshop = try Workshop()
            let program = workshop.program
            let seen = try program.run("inspect", Self.exported, "--json").json()
            let graph = try #require(seen["graph"] as? [String: Any])
            #expect(graph["operatorSet"] as? Int == 13)
            let values = try #require(graph["values"] as? [[String: Any]])
            let tap = try #require(values[values.count / 2]["name"] as? String)
            let folder = workshop.path("backbone")
            let imported = try program.run("import", Self.exported, "--preprocessing", "resnet18", "--image-size", "64", "-o", folder)
            #expect(imported.code == 0, "\(imported.errors)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == [
                "config.json", "model.onnx", "preprocessor_config.json",
            ])
            let plan = try workshop.write(
                """
                name: x
                backbone: {weights: \(folder), taps: ["\(tap)"]}
                data: {kind: scenes, limit: 60}
                tasks: {shape: {kind: classification}}
                train: {epochs: 1}
                """, to: "plan.yaml")
            let bundle = workshop.path("bundle")
            let trained = try program.run("train", plan, "-o", bundle, "--quiet")
            #expect(trained.code == 0, "\(trained.errors)")
            let measured = try program.run("evaluate", bundle, "--json")
            #expect(measured.code == 0, "\(measured.errors)")
        }

        @Test func `a checkpoint is inspected and imported, and opens again as it was`() throws {
            let workshop = try Workshop()
            let folder = workshop.path("mobilenet")
            #expect(try workshop.program.run("import", Self.weights, "-o", folder).code == 0)
            let reports = try [Self.weights, folder].map { try workshop.program.run("inspect", $0, "--json").json() }
            #expect(reports[0]["dialect"] as? String == "torchvision")
            for report in reports {
                #expect(report["network"] as? String == "mobilenet_v2")
                #expect(report["parameters"] as? Int == 3_504_872)
                #expect((report["taps"] as? [[String: Any]])?.count == 19)
            }
            #expect((reports[0]["ignored"] as? [String])?.count == 52)
            reports[1]["ignored"].map { #expect(($0 as? [String])?.isEmpty == true) }
            try workshop.program.expectRefusal(["import", Self.weights, "-o", folder], says: [folder, "stands there already"])
        }

        @Test func `weights of another network, and names that are none, are refused with what is wrong`() throws {
            let workshop = try Workshop()
            let wrong = try workshop.program.run("inspect", Self.weights, "--name", "efficientnet_lite0", "--quiet")
            #expect(wrong.code == 1)
            #expect(wrong.errors.contains("is missing, expected shape [32, 1, 3, 3]"))
            let program = workshop.program
            try program.expectRefusal(["inspect", Self.weights, "--name", "resnet51"], says: ["did you mean 'resnet"])
            try program.expectRefusal(["inspect", workshop.path("nothing")], says: ["no such file or folder"])
            let text = try workshop.write("{\"model_type\": \"brt\"}", to: "config.json")
            let folder = (text as NSString).deletingLastPathComponent
            try program.expectRefusal(["inspect", folder], says: ["'brt' names no network", "did you mean 'bert'"])
            let notONNX = try workshop.write("nonsense", to: "broken.onnx")
            try program.expectRefusal(["inspect", notONNX], says: ["broken.onnx"])
        }

        @Test func `an ONNX network can be neither trained nor fed without being told how`() throws {
            let workshop = try Workshop()
            func plan(_ backbone: String) throws -> String {
                try workshop.write(
                    "name: x\nbackbone: \(backbone)\ndata: {kind: scenes, limit: 60}\ntasks: {shape: {kind: classification}}\n",
                    to: "plan.yaml")
            }
            let model = workshop.path("model.onnx")
            try FileManager.default.copyItem(atPath: Self.exported, toPath: model)
            try workshop.program.expectRefusal(
                ["train", try plan(model), "-o", workshop.path("b")], says: ["nothing says how pictures are fed"])
            let folder = workshop.path("backbone")
            _ = try workshop.program.run("import", model, "--preprocessing", "resnet18", "--image-size", "64", "-o", folder)
            try workshop.program.expectRefusal(
                ["train", try plan("{weights: \(folder), train: true}"), "-o", workshop.path("b")],
                says: ["stays as it was exported"])
            try workshop.program.expectRefusal(
                ["train", try plan("{weights: \(folder), taps: [nowhere]}"), "-o", workshop.path("b")], says: ["nowhere"])
        }
    }
}
