import Foundation
import PandoTestSupport
import Testing

extension CommandLineTests {
    /// Plans, data and options that are refused before any work is done.
    @Suite struct PlanRefusalTests {
        @Test(arguments: [
            ("name: x\ndata: {kind: scenes}\ntasks: {shape: {kind: classification}}\ntrian: {epochs: 1}", "'train'"),
            ("name: x\ndata: {kind: scenes}\ntasks: {shape: {kind: clasification}}", "'classification'"),
            ("name: x\ndata: {kind: scenes}\ntasks: {shape: {kind: classification, head: linaer}}", "'linear'"),
            ("name: x\ndata: {kind: scnes}\ntasks: {shape: {kind: classification}}", "'scenes'"),
            ("name: x\nbackbone: mobilenet_v3\ndata: {kind: scenes}\ntasks: {shape: {kind: classification}}", "'mobilenet_v2'"),
            ("name: x\ndata: {kind: scenes}\ntasks: {shap: {kind: classification}}", "did you mean 'shape'?"),
            ("name: x\ndata: {kind: scenes}\ntasks:\n  shape: {kind: classification}\n  shape: {kind: regression}", "twice"),
            ("name: x\ndata: {kind: csv, path: nowhere.csv, columns: {a: number}}\ntasks: {a: {kind: regression}}", "nowhere.csv"),
            ("name: x\nbackbone: {weights: gone.pth}\ndata: {kind: scenes}\ntasks: {shape: {kind: classification}}", "gone.pth"),
            ("name: x\ndata: {kind: scenes}\ntasks: {shape: {kind: regression}}", "a number"),
            ("name: [", "line"),
            ("", "empty"),
        ])
        func `a plan that is wrong is refused with what is meant`(text: String, says: String) throws {
            let workshop = try Workshop()
            let plan = try workshop.write(text, to: "plan.yaml")
            try workshop.program.expectRefusal(["train", plan, "-o", workshop.path("bundle")], says: [says])
            #expect(!FileManager.default.fileExists(atPath: workshop.path("bundle")))
        }

        @Test func `a plan that is not there is named`() throws {
            let workshop = try Workshop()
            for verb in [["train", "gone.yaml", "-o", "x"], ["compare", "gone.yaml"], ["data", "info", "gone.yaml"]] {
                try workshop.program.expectRefusal(verb, says: ["gone.yaml", "there is no such file"])
            }
        }

        @Test(arguments: [
            // (lines after the photos', what is said)
            (["photos/a.png,odd,1,test,x", "photos/b.png,rare,1,test,x", "photos/c.png,rare,1,test,x"], ["tasks.side", "'rare'", "outside the training split"]),
            (["photos/a.png,single,1,train,x"], ["tasks.side", "'single'", "one example alone"]),
            (["photos/a.png,odd,many,train,x"], ["photos.csv:22: ", "many"]),
            (["photos/a.png,odd,1,trian,x"], ["photos.csv:22: ", "trian"]),
        ])
        func `labels that cannot be learned are refused by name`(lines: [String], says: [String]) throws {
            let workshop = try Workshop()
            try workshop.drawPhotos(count: 20, more: lines)
            let plan = try workshop.photoPlan()
            try workshop.program.expectRefusal(["train", plan, "-o", workshop.path("bundle")], says: says)
        }

        @Test func `an empty split is refused`() throws {
            let workshop = try Workshop()
            try workshop.drawPhotos(count: 3)  // all of them for training
            let plan = try workshop.photoPlan()
            try workshop.program.expectRefusal(
                ["train", plan, "-o", workshop.path("bundle")],
                says: ["the validation split has no example", "the test split has no example"])
        }

        @Test(arguments: [
            (["evaluate", "B", "--split", "tset"], "'tset'"),
            (["predict", "B", "x.png", "--top", "0"], "--top is 1 to 1000, not 0"),
            (["predict", "B", "x.png", "--top", "many"], "'many'"),
            (["predict", "B"], "examples"),
            (["predict", "B", "x.png", "--workers", "0"], "--workers is 1 to 1024, not 0"),
            (["search", "B", "x", "--in", ".", "--max-megapixels", "-3"], "max-megapixels"),
            (["search", "B", "  ", "--in", "."], "the text to look for is empty"),
            (["train", "plan.yaml"], "--output"),
            (["data", "fetch", "cliprat"], "cliprat"),
            (["trian"], "trian"),
        ])
        func `options out of range are refused`(arguments: [String], says: String) throws {
            let workshop = try Workshop()
            let outcome = try workshop.program.run(arguments)
            #expect(outcome.code == 64)
            #expect(outcome.output.isEmpty)
            #expect(outcome.errors.contains(says), "\(outcome.errors)")
        }

        @Test func `without weights the way to get them is told`() throws {
            let workshop = try Workshop()
            let copy = workshop.folder.file("pando")
            try FileManager.default.copyItem(at: Program.built, to: copy)
            let lost = Program(home: workshop.folder.file("home"), executable: copy, folder: workshop.folder.url)
            let plan = try workshop.write(
                "name: x\ndata: {kind: scenes, limit: 100}\ntasks: {shape: {kind: classification}}", to: "plan.yaml")
            try lost.expectRefusal(
                ["train", plan, "-o", workshop.path("bundle")],
                says: ["mobilenet_v2.pth", "./run setup", workshop.folder.url.lastPathComponent])
            let doctor = try lost.run("doctor")
            #expect(doctor.code == 1)
            #expect(doctor.output.contains("./run setup"))
        }
    }
}
