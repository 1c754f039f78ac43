import Foundation
import PandoBackbones
import PandoNN
import PandoTensor

/// The networks whose training from nothing is measured.
enum TrainedNetwork: String, CaseIterable {
    case resNet18 = "resnet18"
    case vitSmall = "vit_small"

    static let batch = 32
    private static let side = 224
    private static let classes = 1000

    /// One step: forward over slices of the batch side by side, cross entropy, backward, AdamW.
    ///
    /// In bf16 layers compute in bf16 from weights kept in f32.
    func step(_ precision: Precision, workers: Int) -> () -> Void {
        switch self {
        case .resNet18: Self.step(of: initialized(ResNetConfiguration.resNet18), precision.elementType, workers)
        case .vitSmall: Self.step(of: initialized(VisionTransformerConfiguration.small), precision.elementType, workers)
        }
    }

    private func initialized<Configuration: ImageBackboneConfiguration>(_ configuration: Configuration) -> Configuration.Network {
        var network = configuration.resized(to: Self.side).makeNetwork()
        network.initialize(configuration.initialization, seed: 1)
        return network
    }

    private static func step(of network: some ImageBackbone, _ type: ElementType, _ workers: Int) -> () -> Void {
        var network = network
        var optimizer = AdamW(learningRate: 1e-3)
        var generator = SeededGenerator(seed: 2)
        let pictures = Tensor.uniform(-2..<2, [batch, side, side, 3], using: &generator)
        let targets = (0..<batch).map { _ in Int.random(in: 0..<classes, using: &generator) }
        return {
            var updates = BufferUpdates()
            let (_, gradients) = valueAndGradients(of: network) { network in
                let lanes = inLanes(workers) { lane in
                    let part = pictures.slice(lane.share(of: batch)).cast(to: type)
                    let pass = TrainingPass(using: SeededGenerator(seed: UInt64(lane.index)))
                    let pooled = network.features(of: part, reading: [], during: pass).pooled
                    return (pooled: pooled, updates: pass.updates)
                }
                updates = lanes[0].updates
                return crossEntropy(network.logits(.concatenated(lanes.map(\.pooled)))!.cast(to: .float32), targets)
            }
            network.updateBuffers(by: updates)
            optimizer.update(&network, along: gradients)
        }
    }
}

/// The peak of the anonymous memory resident from now on, above what is now: code that is read in does not count.
///
/// - Source: Linux, Documentation/filesystems/proc.rst (`clear_refs`, `status`); `peer_measuring.py` does the same.
struct ResidentMemory {
    private let start: Int

    init() throws {
        start = Self.fields["RssAnon"] ?? 0
        try forgetPeak()
    }

    /// What was resident for a while until now does not count; what is, does.
    func forgetPeak() throws { try Data("5".utf8).write(to: URL(fileURLWithPath: "/proc/self/clear_refs")) }

    var peak: Int {
        let fields = Self.fields
        return (fields["VmHWM"] ?? 0) - (fields["RssFile"] ?? 0) - (fields["RssShmem"] ?? 0) - start
    }

    /// Bytes, by the name that `/proc/self/status` has.
    private static var fields: [String: Int] {
        let text = FileManager.default.contents(atPath: "/proc/self/status") ?? Data()
        var fields: [String: Int] = [:]
        for line in String(decoding: text, as: UTF8.self).split(separator: "\n") where line.hasSuffix("kB") {
            let words = line.split(whereSeparator: \.isWhitespace)
            if words.count == 3, let number = Int(words[1]) { fields[String(words[0].dropLast())] = number * 1024 }
        }
        return fields
    }
}
