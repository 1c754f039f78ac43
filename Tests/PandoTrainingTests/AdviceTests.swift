import Foundation
import PandoBranches
import PandoData
import Testing

@testable import PandoTraining

/// What is concluded from trials, and how it is drawn.
@Suite struct AdviceTests {
    private static func trial(_ kind: String, _ score: Double, memory: Int, parameters: Int) -> TriedAdapter {
        TriedAdapter(
            choice: AdapterChoice(AdapterCatalog.kind(named: kind)!.init()), metrics: [:], score: score,
            adapterParameters: parameters, storedBytes: 4 * parameters, trainingBytes: memory,
            processBytes: memory + 100_000_000, seconds: 1)
    }

    private static func advice(_ bounds: AdviceBounds = AdviceBounds(), validation: Int = 10_000) -> Advice {
        Advice(
            backbone: "bert", backboneParameters: 1_000_000, tasks: ["topic"],
            brief: .init(availableExamples: 900, trainingExamples: 90, validationExamples: validation, epochs: 3),
            bounds: bounds,
            trials: [
                trial("probe", 0.50, memory: 10_000_000, parameters: 0),
                trial("mlp", 0.48, memory: 12_000_000, parameters: 9_000),
                trial("unipt", 0.70, memory: 40_000_000, parameters: 50_000),
                trial("lora", 0.71, memory: 300_000_000, parameters: 8_000),
                trial("ssf", 0.69, memory: 400_000_000, parameters: 20_000),
                trial("full", 0.74, memory: 900_000_000, parameters: 1_000_000),
            ], refusals: [], seconds: 60)
    }

    @Test func `the front is what nothing else beats in everything`() {
        let advice = Self.advice()
        #expect(advice.trials.filter(advice.isOnFront).map(\.kind) == ["probe", "unipt", "lora", "full"])
    }

    @Test func `bounds leave out what takes more`() {
        let memory = Self.advice(AdviceBounds(memory: ByteCount(450_000_000)))
        #expect(memory.best?.kind == "lora")
        #expect(memory.trials.filter(memory.meetsBounds).count == 4)
        let both = Self.advice(AdviceBounds(memory: ByteCount(450_000_000), parameters: .share(0.005)))
        #expect(both.recommended?.kind == "probe")
        let count = Self.advice(AdviceBounds(parameters: .count(8_000)))
        #expect(count.trials.filter(count.meetsBounds).map(\.kind) == ["probe", "lora"])
        let none = Self.advice(AdviceBounds(memory: ByteCount(50_000_000)))
        #expect(none.recommended == nil && none.nearest?.kind == "probe")
    }

    /// √(0.74 · 0.26 / N) is 0.0044 for 10,000 examples and 0.044 for 100.
    @Test func `what the examples cannot tell apart is decided by memory`() {
        #expect(abs(Self.advice().margin - 0.004386) < 1e-6)
        #expect(Self.advice().recommended?.kind == "full")
        let few = Self.advice(validation: 100)
        #expect(few.best?.kind == "full" && few.recommended?.kind == "unipt")
    }

    @Test(arguments: [
        ("1%", ParameterBound.share(0.01)), ("0.5 %", .share(0.005)), ("300k", .count(300_000)), ("2M", .count(2_000_000)),
        ("0", .count(0)), ("100%", .share(1)),
    ])
    func `bounds of parameters are read`(text: String, bound: ParameterBound) {
        #expect(ParameterBound(parsing: text) == bound)
    }

    @Test(arguments: ["", "%", "101%", "-1", "few", "3kk", "1e3", "nan%", "9999999999999999999G"])
    func `what is no bound is refused`(text: String) { #expect(ParameterBound(parsing: text) == nil) }

    @Test func `less time means fewer epochs, then fewer examples`() throws {
        let tasks = try SyntheticTasks().tasks()
        let schedule = TrainPlan(epochs: 20, batchSize: 4)
        func size(_ seconds: Double) -> BriefSize {
            BriefSize(of: tasks, schedule: schedule, secondsPerVisit: 0.001, seconds: seconds)
        }
        // 4 tasks of 120 examples for training and 60 for validation: 61 times 120 and 22 times 60.
        #expect(BriefSize.visits(tasks[0], 120, 60, epochs: 20) == 61 * 120 + 22 * 60)
        #expect(size(34.561).epochs == 20 && size(34.561).training == 120)
        #expect(size(34.559).epochs == 19)
        let less = size(10)
        #expect(less.epochs == 8 && less.training < 120 && less.training >= 16)
        let least = size(0.001)
        #expect(least.epochs == 1 && least.training == 16 && least.validation == 8)
    }

    @Test func `a sample keeps its labels and texts where rows move`() throws {
        let world = SyntheticTasks()
        let tasks = try world.tasks()
        let few = tasks[3].sampled(training: 10, validation: 5, seed: 3)
        #expect(few.examples(in: .train).count == 10 && few.examples(in: .validation).count == 5)
        let rows = few.examples.values.flatMap(\.rows).sorted()
        let left = Array(rows.dropFirst())
        let moved = few.renumbered(Dictionary(uniqueKeysWithValues: zip(left, 0...)))
        #expect(moved.texts.count == 14 && Set(moved.examples.values.flatMap(\.rows)) == Set(0..<14))
        for examples in moved.examples.values {
            guard case .texts(let texts) = examples.targets else { continue }
            for (row, text) in zip(examples.rows, texts) { #expect(moved.texts[text] == "text \(left[row])") }
        }
    }

    @Test func `names in a plot cover neither points nor each other`() {
        var labels = PlotLabels(
            area: .init(left: 0, top: 0, right: 400, bottom: 300),
            avoiding: [(100, 100), (120, 100), (110, 112), (395, 150)])
        var boxes: [PlotLabels.Box] = []
        for point in [(x: 100.0, y: 100.0), (120, 100), (110, 112), (395, 150)] {
            boxes.append(labels.place("bottleneck", beside: point))
        }
        for (index, box) in boxes.enumerated() {
            #expect(boxes[..<index].allSatisfy { $0.overlap(box) == 0 }, "\(index)")
            #expect(box.right <= 400 && box.left >= 0)
        }
        #expect(boxes[0].nearest(to: (boxes[0].left - 5, boxes[0].bottom)) == (boxes[0].left, boxes[0].bottom))
    }

    @Test func `axes hold every number and mark round ones`() {
        let score = PlotAxis(linear: [0.48, 0.74], "score")
        #expect(score.ticks.map(\.text) == ["0.4", "0.5", "0.6", "0.7", "0.8"])
        #expect(abs(score.place(of: 0.6) - 0.5) < 1e-9)
        let parameters = PlotAxis(logarithmic: [0, 8_000, 1_000_000], "parameters") { "\(Int($0))" }
        #expect(parameters.place(of: 0) == 0 && parameters.ticks.first?.text == "0")
        #expect(parameters.place(of: 8_000) > 0.2 && parameters.place(of: 1_000_000) <= 1)
        let alike = PlotAxis(logarithmic: [50, 50], "memory") { "\($0)" }
        #expect((0...1).contains(alike.place(of: 50)))
    }

    @Test func `a plot names every adapter, its axes and itself`() {
        let picture = FrontPlot(Self.advice(), scoreName: "accuracy <topic>").svg
        for trial in Self.advice().trials {
            #expect(picture.components(separatedBy: ">\(trial.kind)</text>").count == 3)
        }
        for word in ["<title id=\"title\">", "<desc id=\"description\">", "accuracy &lt;topic&gt;", "Recommended: full."] {
            #expect(picture.contains(word), "\(word)")
        }
        #expect(!picture.contains("nan") && !picture.contains("inf"))
    }
}
