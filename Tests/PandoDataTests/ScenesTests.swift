import Foundation
import Testing

@testable import PandoData

@Suite struct ScenesTests {
    @Test func aSeedDecidesEveryScene() {
        let (few, many) = (Scenes(seed: 7, count: 3), Scenes(seed: 7, count: 50))
        #expect((0..<3).allSatisfy { few.scene($0) == many.scene($0) })
        #expect(Scenes(seed: 8).scene(0) != few.scene(0) && few.scene(0) != few.scene(1))
        #expect(few.scene(1).image(side: 48) == many.scene(1).image(side: 48))
    }

    @Test func theDrawingIsWhatTheTruthSays() {
        for index in 0..<60 {
            let scene = Scenes().scene(index)
            let (side, largest) = (160, scene.largest)
            let image = scene.image(side: side)
            var plain = scene
            plain.objects = []
            let bare = plain.image(side: side)
            // The pixels that a figure alone changes fill its box, and most of them keep its colour in the scene.
            var alone = scene
            alone.objects = [largest]
            let figure = alone.image(side: side)
            let changed = (0..<side * side).filter {
                figure.pixels[$0 * 3..<$0 * 3 + 3] != bare.pixels[$0 * 3..<$0 * 3 + 3]
            }
            let columns = changed.map { $0 % side }
            let rows = changed.map { $0 / side }
            let box = largest.box
            #expect(abs(Float(columns.min()!) - box.x * 160) < 2 && abs(Float(rows.min()!) - box.y * 160) < 2)
            #expect(abs(Float(columns.max()! + 1) - (box.x + box.width) * 160) < 2)
            #expect(abs(Float(rows.max()! + 1) - (box.y + box.height) * 160) < 2)
            let visible = changed.count { image[$0 % side, $0 / side] == largest.color }
            #expect(Double(visible) > 0.5 * Double(changed.count), "scene \(index)")
        }
    }

    @Test func labelsFollowFromTheFigures() throws {
        for index in 0..<200 {
            let scene = Scenes().scene(index)
            #expect((1...6).contains(scene.objects.count))
            let others = scene.objects.filter { $0 != scene.largest }
            #expect(others.count == scene.objects.count - 1)
            #expect(others.allSatisfy { $0.radius < scene.largest.radius })
            let labels = scene.labels
            #expect(labels["count"] == .number(Double(scene.objects.count)))
            #expect(labels["shape"] == .category(scene.largest.shape.rawValue))
            guard case .categories(let names)? = labels["objects"], case .text(let caption)? = labels["caption"] else {
                Issue.record("scene \(index) lacks labels")
                continue
            }
            #expect(scene.objects.allSatisfy { names.contains($0.paint.rawValue) && names.contains($0.shape.rawValue) })
            #expect(caption.hasPrefix("a \(scene.largest.phrase)"))
            let second = scene.second
            #expect((second == nil) == (scene.objects.count == 1))
            if let second, caption.contains("left of") { #expect(scene.largest.x < second.x) }
            if let second, caption.contains("below") { #expect(scene.largest.y > second.y) }
            switch scene.position {
            case "left": #expect(scene.largest.x < 0.5)
            case "right": #expect(scene.largest.x > 0.5)
            case "top": #expect(scene.largest.y < 0.5)
            default: #expect(scene.largest.y > 0.5)
            }
        }
    }

    @Test func outlinesMeasureDistances() {
        func outline(_ shape: SceneObject.Shape) -> SceneOutline {
            SceneOutline(
                SceneObject(shape: shape, paint: .red, color: .black, x: 0.5, y: 0.5, radius: 0.2, angle: 0))
        }
        #expect(abs(outline(.circle).distance(0.5, 0.8) - 0.1) < 1e-6)
        #expect(abs(outline(.ring).distance(0.5, 0.5) - 0.11) < 1e-6)
        let half = 0.2 * Float(0.5).squareRoot()
        #expect(abs(outline(.square).distance(0.5, 0.5) + half) < 1e-6)
        #expect(abs(outline(.square).distance(0.5 + half + 0.1, 0.5) - 0.1) < 1e-6)
        #expect(abs(outline(.diamond).distance(0.5, 0.75) - 0.05) < 1e-6)
        for shape in SceneObject.Shape.allCases where shape != .ring { #expect(outline(shape).distance(0.5, 0.5) < 0) }
    }

    @Test func theDefaultSetIsSoundAndHasSomethingToLearn() {
        let dataset = Scenes().dataset()
        #expect(dataset.examples.count == 2000)
        let report = DatasetReport(checking: dataset)
        #expect(report.findings.isEmpty, "\(report)")
        #expect(dataset.classes(of: "shape").count == 8 && dataset.classes(of: "color").count == 8)
        #expect(dataset.classes(of: "position") == ["bottom", "left", "right", "top"])
        #expect(dataset.classes(of: "objects").count == 16)
        let counts = Set(dataset.examples.compactMap { $0.labels["count"] })
        #expect(counts.count == 6)
        let captions = Set(dataset.examples.compactMap { $0.labels["caption"] })
        #expect(captions.count > 1500)
    }
}
