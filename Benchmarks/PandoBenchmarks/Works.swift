import Foundation
import PandoBackbones
import PandoData
import PandoNN
import PandoTensor

extension Work {
    /// All works, those on files only if there are files.
    static func all(images: [URL], workers: Int) -> [Work] {
        var works: [Work] = []
        for kind in ImageBackboneKind.allCases {
            for batch in [1, 32] {
                for precision in Precision.allCases {
                    works.append(forward(kind, precision, batch: batch, workers: workers))
                }
            }
        }
        works.append(headTraining())
        if !images.isEmpty { works.append(extraction(.mobileNetV2, images, workers: workers)) }
        return works
    }

    private enum Precision: String, CaseIterable {
        case f32, bf16

        var elementType: ElementType { self == .f32 ? .float32 : .bfloat16 }
    }

    /// Pictures of 224 x 224 in memory to pooled vectors.
    private static func forward(_ kind: ImageBackboneKind, _ precision: Precision, batch: Int, workers: Int) -> Work {
        let key = Key(work: "forward \(kind.rawValue)", precision: precision.rawValue, batch: batch, unit: "images/s")
        return Work(key: key, peers: ["pytorch", "openvino"]) {
            let backbone = FrozenBackbone(try kind.loadPretrained(), precision: precision.elementType)
            var generator = SeededGenerator(seed: 1)
            let pictures = Tensor.uniform(-2..<2, [batch, 224, 224, 3], using: &generator)
            return (batch, { _ = backbone.features(of: pictures, workers: workers) })
        }
    }

    /// Steps of a linear head on stored features: the batch taken, forward, backward, AdamW.
    private static func headTraining() -> Work {
        let (rows, features, labels, batch) = (5_685, 1_280, 92, 64)
        let key = Key(work: "head training", precision: "f32", batch: batch, unit: "steps/s")
        return Work(key: key, peers: ["pytorch-training"]) {
            var generator = SeededGenerator(seed: 1)
            let stored = Tensor.uniform(-1..<1, [rows, features], using: &generator)
            let rare = Tensor.uniform(0..<1, [rows, labels], using: &generator)
            let targets = (Tensor(Float(0.05)) .> rare).cast(to: .float32)
            var head = Linear(features, labels, using: &generator)
            var optimizer = AdamW(learningRate: 1e-3)
            return (
                1,
                {
                    let chosen = Tensor((0..<batch).map { _ in Int64.random(in: 0..<Int64(rows), using: &generator) })
                    let (x, y) = (stored.gathered(at: chosen), targets.gathered(at: chosen))
                    let (_, gradients) = valueAndGradients(of: head) { binaryCrossEntropy($0(x), y) }
                    optimizer.update(&head, along: gradients)
                }
            )
        }
    }

    /// Files to pooled vectors: decoding, preprocessing and the backbone on the same threads.
    private static func extraction(_ kind: ImageBackboneKind, _ images: [URL], workers: Int) -> Work {
        let batch = 32
        let key = Key(work: "extraction \(kind.rawValue)", precision: "f32", batch: batch, unit: "images/s")
        return Work(key: key, peers: ["pytorch-extraction"]) {
            let backbone = FrozenBackbone(try kind.loadPretrained())
            let pipeline = ImagePipeline(
                preprocessing: .clipart(), batchSize: batch, workers: workers, isStrict: true)
            let examples = images.map { Example(id: $0.path, split: .test, image: .file($0), labels: [:]) }
            return (
                images.count,
                {
                    _ = try pipeline.run(examples) { batch, _ in
                        backbone.features(of: batch.pixels).pooled
                    } deliver: { _, _ in
                    }
                }
            )
        }
    }
}
