import Foundation
import PandoTensor
import PandoTestSupport
import Testing

extension CommandLineTests {
    /// Pictures, weights, bundles and places that are damaged, hostile, full or not what they should be.
    @Suite struct FileRefusalTests {
        // MARK: Full disks

        @Test(arguments: ["sharing", "adapter list --json"])
        func `results that could not be written are not taken for written`(command: String) throws {
            let workshop = try Workshop()
            let program = try RunningProgram(
                URL(fileURLWithPath: "/bin/sh"), ["-c", "exec \"$0\" \(command) >/dev/full", Program.built.path],
                in: workshop.folder.url, environment: [])
            let outcome = program.outcome()
            #expect(outcome.signal == nil && outcome.code != 0)
            #expect(outcome.errors.contains("standard output: No space left on device"), "\(outcome.errors)")
        }

        // MARK: Pictures

        /// Photos, and five files that only look like some.
        private func drawBadPhotos(_ workshop: Workshop) throws -> [String] {
            let bad = ["truncated", "empty", "renamed", "nothing", "bomb"].map { "photos/\($0).png" }
            try workshop.drawPhotos(count: 20, more: bad.map { "\($0),odd,1,train,x" })
            let whole = try workshop.bytes("photos/0.png")
            try workshop.write(Array(whole.prefix(whole.count / 2)), to: bad[0])
            try workshop.write([], to: bad[1])
            try workshop.write(Array("a text".utf8), to: bad[2])
            try workshop.write(PNGBytes.file(width: 0, height: 0), to: bad[3])
            try workshop.write(PNGBytes.file(width: 100_000, height: 100_000), to: bad[4])
            return bad.map(workshop.path)
        }

        @Test func `pictures that cannot be read are named and left out, or stop a strict run`() throws {
            let workshop = try Workshop()
            let bad = try drawBadPhotos(workshop)
            let plan = try workshop.photoPlan()
            let bundle = workshop.path("bundle")
            let outcome = try workshop.program.run("train", plan, "-o", bundle, "--json")
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(outcome.errors.contains("left out 5 pictures"))
            for path in bad { #expect(outcome.errors.contains(path), "\(outcome.errors)") }
            #expect(outcome.errors.contains("10000 megapixels") || outcome.errors.contains("100000 x 100000"))
            let cost = try #require(try outcome.json()["cost"] as? [String: Any])
            #expect(cost["computedImages"] as? Int == 20)

            let before = try workshop.bytes("bundle/bundle.json")
            try workshop.program.expectRefusal(["train", plan, "-o", bundle, "--strict"], says: [workshop.path("photos/")])
            #expect(try workshop.bytes("bundle/bundle.json") == before)

            let good = workshop.path("photos/1.png")
            let predicted = try workshop.program.run(["predict", bundle, good] + bad + ["--json"])
            #expect(predicted.code == 1)
            let report = try predicted.json()
            #expect((report["predictions"] as? [Any])?.count == 1)
            #expect((report["unreadable"] as? [[String: String]])?.compactMap { $0["image"] } == bad)
            try workshop.program.expectRefusal(["predict", bundle, good, bad[0], "--strict"], says: [bad[0]])
            try workshop.program.expectRefusal(["search", bundle, "x", "--in", workshop.path("photos")], says: ["retrieval"])
        }

        // MARK: Weights

        /// Where the stored hostile checkpoints are.
        private static let hostile = Program.package.appendingPathComponent("Tests/PandoTensorTests/Golden/pth/hostile")

        private func expectRefusal(ofWeights path: String, says: [String]) throws {
            let workshop = try Workshop()
            let plan = try workshop.write(
                """
                name: x
                backbone: {name: mobilenet_v2, weights: \(path)}
                data: {kind: scenes, limit: 150}
                tasks: {shape: {kind: classification}}
                """, to: "plan.yaml")
            try workshop.program.expectRefusal(["train", plan, "-o", workshop.path("bundle")], says: [path] + says)
            #expect(try workshop.folder.names.sorted() == ["home", "plan.yaml"])
        }

        @Test(arguments: [
            ("system_zip.pth", "posix.system"), ("system_stream.pth", "posix.system"), ("eval_zip.pth", "__builtin__.eval"),
            ("text.pth", ""), ("empty.pth", ""), ("truncated_zip.pth", ""), ("overflowing_size.pth", ""),
        ])
        func `a hostile or broken checkpoint is refused by name and runs nothing`(name: String, says: String) throws {
            try expectRefusal(
                ofWeights: Self.hostile.appendingPathComponent(name).path, says: says.isEmpty ? [] : [says])
        }

        @Test func `weights that overlap, reach outside, are cut or are not finite are refused`() throws {
            let folder = try TemporaryDirectory()
            func file(_ name: String, _ header: String, data: Int) throws -> String {
                let length = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) }
                return try folder.file(name, holding: length + Array(header.utf8) + [UInt8](repeating: 0, count: data)).path
            }
            func entry(_ name: String, _ start: Int, _ end: Int) -> String {
                #""\#(name)":{"dtype":"F32","shape":[2],"data_offsets":[\#(start),\#(end)]}"#
            }
            try expectRefusal(
                ofWeights: file("overlap.safetensors", "{\(entry("a", 0, 8)),\(entry("b", 4, 12))}", data: 12), says: ["b"])
            try expectRefusal(ofWeights: file("outside.safetensors", "{\(entry("a", 0, 8))}", data: 4), says: [])
            try expectRefusal(ofWeights: file("wrong.safetensors", "{\(entry("a", 0, 8))}", data: 8), says: ["features."])
            let trained = try TrainedScenes.shared
            let whole = trained.workshop.folder.file("bundle/backbone/model.safetensors")
            let bytes = Array(try Data(contentsOf: whole))
            try expectRefusal(ofWeights: folder.file("cut.safetensors", holding: Array(bytes.prefix(5000))).path, says: [])
            let poisoned = Array(bytes.dropLast(4)) + [0, 0, 0xC0, 0x7F]
            try expectRefusal(ofWeights: folder.file("nan.safetensors", holding: poisoned).path, says: ["not finite"])
        }

        // MARK: Bundles

        @Test func `a bundle that is not what was written is refused by everything that reads it`() throws {
            let workshop = try Workshop()
            try workshop.drawPhotos(count: 20)
            let plan = try workshop.photoPlan()
            let bundle = workshop.path("bundle")
            let program = workshop.program
            #expect(try program.run("train", plan, "-o", bundle).code == 0)
            let photo = workshop.path("photos/0.png")
            func expectRefusal(says: [String]) throws {
                try program.expectRefusal(["predict", bundle, photo], says: [bundle] + says)
                try program.expectRefusal(["evaluate", bundle], says: [bundle] + says)
                try program.expectRefusal(["search", bundle, "x", "--in", workshop.path("photos")], says: [bundle] + says)
                try program.expectRefusal(["compare", plan, "--bundle", bundle], says: [bundle] + says)
            }
            try program.expectRefusal(["predict", bundle, photo, "--tasks", "sied"], says: ["'sied'", "did you mean 'side'?"])

            let head = workshop.folder.file("bundle/tasks/side/head.safetensors")
            let whole = try Data(contentsOf: head)
            var changed = whole
            changed[whole.count - 1] ^= 1
            try changed.write(to: head)
            try expectRefusal(says: ["tasks/side/head.safetensors", "checksum"])
            try FileManager.default.removeItem(at: head)
            try expectRefusal(says: ["tasks/side/head.safetensors"])
            try whole.write(to: head)

            let manifest = workshop.folder.file("bundle/bundle.json")
            let text = try String(contentsOf: manifest, encoding: .utf8)
            try Data(text.replacing("\"version\" : 4", with: "\"version\" : 7").utf8).write(to: manifest)
            try expectRefusal(says: ["newer Pando", "7"])
            try Data(text.utf8).write(to: manifest)
            #expect(try program.run("predict", bundle, photo).code == 0)

            try program.expectRefusal(["evaluate", workshop.path("nowhere")], says: ["nowhere", "there is no such bundle"])
            try program.expectRefusal(["evaluate", workshop.path("photos")], says: ["photos", "it is no bundle"])
        }

        // MARK: Places

        @Test func `a place that cannot take what is written is refused before the work`() throws {
            let trained = try TrainedScenes.shared
            let workshop = try Workshop()
            let program = trained.workshop.program
            try workshop.drawPhotos(count: 2)
            try workshop.write("mine", to: "diary.txt")
            let photos = workshop.path("photos")
            try program.expectRefusal(["train", trained.plan, "-o", photos], says: [photos, "no bundle stands there"])
            try program.expectRefusal(["train", trained.plan, "-o", workshop.path("diary.txt")], says: ["diary.txt"])
            try program.expectRefusal(
                ["train", trained.plan, "-o", workshop.path("diary.txt/bundle")], says: ["diary.txt is a file"])
            try program.expectRefusal(
                ["train", trained.plan, "-o", workshop.path("bundle"), "--features", workshop.path("diary.txt")],
                says: ["diary.txt"])
            try program.expectRefusal(
                ["predict", trained.bundle, workshop.path("photos/0.png"), "--sheet", workshop.path("no/sheet.png")],
                says: ["no/sheet.png"])
            try program.expectRefusal(["search", trained.bundle, "x", "--in", workshop.path("no")], says: [workshop.path("no")])
            try program.expectRefusal(["search", trained.bundle, "x", "--in", workshop.path("diary.txt")], says: ["diary.txt"])
            try FileManager.default.createDirectory(at: workshop.folder.file("bare"), withIntermediateDirectories: true)
            try program.expectRefusal(["search", trained.bundle, "x", "--in", workshop.path("bare")], says: ["no pictures"])
            try program.expectRefusal(
                ["predict", trained.bundle, workshop.path("photos/0.png"), "--tasks", "caption"], says: ["pando search"])
            #expect(try workshop.bytes("diary.txt") == Data("mine".utf8))
        }

        @Test(.enabled(if: SmallDisk.isAvailable, "mounting needs root"))
        func `a full disk is told, and the old bundle stays whole`() throws {
            let workshop = try Workshop()
            try workshop.drawPhotos(count: 20)
            let plan = try workshop.photoPlan()
            let program = workshop.program
            let disk = try #require(SmallDisk(kilobytes: 20_000))  // room for one bundle
            let bundle = disk.url.appendingPathComponent("bundle").path
            let first = try program.run("train", plan, "-o", bundle)
            #expect(first.code == 0, "\(first.errors)")
            try program.expectRefusal(["train", plan, "-o", bundle], says: [disk.url.path, "No space left on device"])
            #expect(try FileManager.default.contentsOfDirectory(atPath: disk.url.path) == ["bundle"])
            #expect(try program.run("predict", bundle, workshop.path("photos/0.png")).code == 0)

            let small = try #require(SmallDisk(kilobytes: 160))
            try program.expectRefusal(
                ["train", plan, "-o", workshop.path("other"), "--features", small.url.path], says: [small.url.path])
        }
    }
}
