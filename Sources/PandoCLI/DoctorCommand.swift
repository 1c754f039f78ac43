import ArgumentParser
import Foundation
import Pando

/// `pando doctor`: whether this machine is ready, and how fast it is.
struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Check this machine: processor, libraries, weights, data, speed.",
        discussion: """
            Takes about five seconds; exits with 1 if something needed is missing. With --memory it says instead what \
            training a plan will hold at most, from a rehearsal with made-up data of the same shapes.

              pando doctor --json
              pando doctor --memory Examples/clipart.yaml
            """)

    @Option(help: ArgumentHelp("Tell how much memory training this plan will take, without training it.", valueName: "plan"))
    var memory: String?

    @OptionGroup var features: FeatureOptions

    @OptionGroup var output: OutputOptions

    struct Report: Encodable {
        struct Check: Encodable {
            let name: String
            let isFine: Bool
            let finding: String
            let remedy: String?
        }

        struct Speed: Encodable {
            let precision: String
            let imagesPerSecond: Double
        }

        var processor: String
        var instructionSet: String
        var coresOnline: Int
        var coresAllowed: Int
        var libraries: [String]
        var checks: [Check]
        var speeds: [Speed]
        var precision: String?
        var precisionReason: String?
    }

    func run() throws {
        if let memory { return try forecast(URL(fileURLWithPath: memory)) }
        var report = Report(
            processor: Self.processorName, instructionSet: Processor.instructionSet,
            coresOnline: ProcessInfo.processInfo.processorCount, coresAllowed: MachineResources.allowedCores,
            libraries: [Processor.kernelLibrary, "libvips \(VipsLibrary.version)", "SQLite \(try RunRegistry.libraryVersion())"],
            checks: Self.checks(), speeds: [])
        if let network = try? PlanDefaults.backbone.loadPretrained() { measure(network, &report) }
        if output.json { try Console.print(json: report) } else { show(report) }
        if report.checks.contains(where: { !$0.isFine && $0.remedy != nil }) { throw ExitCode.failure }
    }

    /// Rehearses a plan and shows what it held.
    private func forecast(_ file: URL) throws {
        let session = try features.session(Plan(contentsOf: file))
        let display = SessionDisplay(isQuiet: output.quiet)
        display.show(.message("rehearsing \(session.plan.name) with \(session.workers) workers"))
        let forecast = try Interruption.watching(display) { try session.forecastMemory(cancellation: $0) }
        if output.json { return try Console.print(json: forecast) }
        var table = Table(
            [.init("phase")] + ["tensors", "weights", "activations", "optimizer", "workspace"].map { .init($0, .right) })
        for phase in forecast.phases {
            let parts = [phase.tensorBytes, phase.weights, phase.activations, phase.optimizer, phase.workspace]
            table.add([phase.name] + parts.map(Console.bytes))
        }
        print(table)
        print("\nat most \(Console.bytes(forecast.residentBytes)) of memory")
    }

    /// Runs MobileNetV2 in both precisions, and says which one this machine should use.
    private func measure(_ network: any ImageBackbone, _ report: inout Report) {
        var generator = SeededGenerator(seed: 1)
        let batch = Tensor.uniform(-2..<2, [16, 224, 224, 3], using: &generator)
        for precision in [ElementType.float32, .bfloat16] {
            let frozen = FrozenBackbone(network, precision: precision)
            _ = frozen.features(of: batch, workers: report.coresAllowed)
            let start = ContinuousClock.now
            var count = 0
            while ContinuousClock.now - start < .seconds(1.8) {
                _ = frozen.features(of: batch, workers: report.coresAllowed)
                count += batch.shape[0]
            }
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            report.speeds.append(.init(precision: precision.rawValue, imagesPerSecond: Double(count) / seconds))
        }
        let gain = report.speeds[1].imagesPerSecond / report.speeds[0].imagesPerSecond
        report.precision = gain > 1.1 ? "bfloat16" : "float32"
        report.precisionReason = String(format: "bfloat16 runs at %.2f times the speed of float32 here", gain)
    }

    private static func checks() -> [Report.Check] {
        var checks: [Report.Check] = []
        for name in Catalog.fetched.map({ "\($0).pth" }) + ["all-MiniLM-L6-v2"] {
            do {
                checks.append(.init(name: "weights \(name)", isFine: true, finding: try WeightsLocation.find(name).path, remedy: nil))
            } catch {
                checks.append(.init(name: "weights \(name)", isFine: false, finding: "not found", remedy: "./run setup"))
            }
        }
        let hasClipart = FileManager.default.fileExists(atPath: Clipart.defaultRoot.appendingPathComponent("png").path)
        checks.append(
            .init(
                name: "Open Clip Art", isFine: hasClipart,
                finding: hasClipart ? Clipart.defaultRoot.path : "not installed; only the clipart plan needs it (pando data fetch clipart)",
                remedy: nil))
        return checks
    }

    private func show(_ report: Report) {
        print("processor      \(report.processor)")
        print("instructions   \(report.instructionSet)")
        print("cores          \(report.coresAllowed) allowed of \(report.coresOnline) online")
        print("libraries      \(report.libraries.joined(separator: ", "))")
        for check in report.checks {
            print("\(check.isFine ? "ok  " : "none")  \(check.name): \(check.finding)\(check.remedy.map { "; run \($0)" } ?? "")")
        }
        for speed in report.speeds {
            print(String(format: "MobileNetV2    %@ %.0f images/s", speed.precision, speed.imagesPerSecond))
        }
        if let precision = report.precision, let reason = report.precisionReason {
            print("precision      \(precision): \(reason)")
        }
    }

    private static var processorName: String {
        guard let data = FileManager.default.contents(atPath: "/proc/cpuinfo") else { return "unknown" }
        let line = String(decoding: data, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("model name") }
        return line?.split(separator: ":", maxSplits: 1).last.map { $0.trimmingCharacters(in: .whitespaces) } ?? "unknown"
    }
}
