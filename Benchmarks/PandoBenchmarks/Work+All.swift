import Foundation
import PandoBranches

extension Work {
    /// All works in the order of the table, those on files only if there are files.
    ///
    /// - Parameters:
    ///   - everyBusy: whether every forward pass is measured on a busy machine too, not only a few.
    ///   - features: where features are kept from one run to the next.
    static func all(images: [URL], workers: Int, everyBusy: Bool, features: URL) -> [Work] {
        var works: [Work] = []
        let passes = FrozenNetwork.allCases.flatMap { network in
            network.batches.flatMap { batch in Precision.allCases.map { (network, $0, batch) } }
        }
        works += passes.map { forward($0, $1, batch: $2, workers: workers) }
        works += [.mobileNetV2, .resNet50].map { quantized($0, batch: 32, workers: workers) }
        works += [.vitSmall, .vitBase, .miniLM].map { quantized($0, batch: 8, workers: workers) }
        for network in TrainedNetwork.allCases { works += Precision.allCases.map { training(network, $0) } }
        works += [perceptronTraining(), headTraining()]
        for network in AdaptedNetwork.allCases { works += Precision.allCases.map { adapting(network, $0) } }
        works.append(furtherTask(features: features))
        for network in [FrozenNetwork.miniLM, .mobileNetV2] {
            works += Precision.allCases.map { tenTasks(network, $0, batch: 32, workers: workers) }
        }
        for precision in Precision.allCases {
            works += [elastic(TNNConfiguration(), precision), elastic(ECMTConfiguration(), precision)]
        }
        let some: [(FrozenNetwork, Precision, Int)] = [
            (.mobileNetV2, .bf16, 1), (.mobileNetV2, .bf16, 32), (.resNet50, .f32, 1), (.vitSmall, .bf16, 8), (.miniLM, .f32, 8),
        ]
        works += (everyBusy ? passes : some).map { busy($0, $1, batch: $2, workers: workers) }
        if !images.isEmpty { works.append(extraction(images, workers: workers)) }
        works.append(firstPrediction(images))
        for precision in Precision.allCases {
            works += [serving(precision, images: images), servingTasks(precision, images: images)]
        }
        works += tokenization()
        for network in [FrozenNetwork.resNet50, .vitBase] {
            works += Precision.allCases.map { exported(network, $0, batch: 8, workers: workers) }
        }
        works.append(loading())
        return works
    }
}
