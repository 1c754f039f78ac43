import Foundation
import PandoBackbones
import PandoData
import PandoTensor

/// Which features are stored and which are computed anew in every epoch, decided by estimates of bytes and seconds.
///
/// Vectors are small and always stored. Whole activations of taps are stored if they fit on the disk and reading them in
/// every epoch is quicker than computing them. Nothing is timed, so that the same plan on the same machine decides alike:
/// stored features are rounded by their codec, and a run that is resumed must see what it saw before.
struct FeatureProvision {
    /// What to store; `nil` for nothing.
    private(set) var stored: FeatureRequest?
    /// Whether inputs are wanted in memory: something is computed anew, or starts from them.
    private(set) var needsInputs = false
    /// What was chosen and why, in a sentence for each choice.
    private(set) var choices: [String] = []

    /// Bytes of stored features that a second of training reads and decodes, at least.
    private static let readingRate = 400e6
    /// Multiply-adds of a frozen pass in a second, of one worker: about half of what two cores with AVX-512 were seen to do.
    private static func passRate(_ precision: ElementType) -> Double { precision == .bfloat16 ? 50e9 : 25e9 }
    /// Examples that the estimate of a pass is made with.
    private static let sampleCount = 64

    /// - Parameters:
    ///   - requests: of the adapters.
    /// - Throws: `FeatureBudgetExceeded` if the plan insists on storing what its budget does not allow; `UnusableCodec`.
    init(
        for requests: [FeatureRequest], of features: ExampleFeatures, examples: [Example], plan: Plan,
        store: FeatureStore, workers: Int
    ) throws {
        let taps = features.backbone.taps.map(\.name).filter { name in requests.contains { $0.taps.contains(name) } }
        var stored = FeatureRequest(vector: requests.contains(where: \.vector))
        needsInputs = requests.contains(where: \.input)
        if !taps.isEmpty {
            let request = FeatureRequest(taps: taps)
            let sample = features.sample(of: examples, count: Self.sampleCount, workers: workers)
            let bytes = try features.identities(for: request).values.reduce(0.0) { $0 + Double($1.bytesPerRow) }
                * sample.fullness * Double(examples.count)
            let free = try plan.budget.disk.map(\.bytes) ?? Self.freeBytes(at: store.directory) / 2
            let fits = bytes <= Double(free)
            let adds = features.frozen(for: request).multiplyAdds(of: sample.inputs.batch(Array(0..<sample.inputs.count)))
            let pass = Double(adds) / Double(max(sample.inputs.count, 1)) * Double(examples.count)
                / (Double(workers) * Self.passRate(features.precision))
            let reading = bytes / Self.readingRate
            let epochs = plan.train.epochs
            let what = "\(taps.count == 1 ? "tap \(taps[0])" : "\(taps.count) taps") of \(examples.count) examples"
            let size = "\(ByteCount(Int(bytes))) as \(features.codec)"
            if plan.features.stores == true, !fits {
                throw FeatureBudgetExceeded(what: what, bytes: Int(bytes), limit: free)
            }
            // Measuring and the first vectors take a pass or more besides the epochs'.
            let isQuicker = pass + Double(epochs + 1) * reading < Double(epochs + 1) * pass
            if plan.features.stores ?? (fits && isQuicker) {
                stored.taps = taps
                choices.append(
                    "storing \(what): \(size), about \(Self.text(pass)) once and \(Self.text(reading)) to read in each of "
                        + "at most \(epochs) epochs, instead of \(Self.text(pass)) in each")
            } else {
                needsInputs = true
                let why =
                    plan.features.stores == false
                    ? "as the plan says"
                    : fits
                        ? "reading \(size) would take \(Self.text(reading))"
                        : "\(size) would not fit in \(ByteCount(free)) of disk"
                choices.append("computing \(what) anew in each epoch, about \(Self.text(pass)); \(why)")
            }
        }
        if stored.vector || !stored.taps.isEmpty { self.stored = stored }
    }

    /// Vectors and taps stored, whatever they take.
    init(for request: FeatureRequest) {
        if request.vector || !request.taps.isEmpty { stored = FeatureRequest(taps: request.taps, vector: request.vector) }
        needsInputs = request.input
    }

    private static func freeBytes(at folder: URL) throws -> Int {
        let attributes = try FileManager.default.attributesOfFileSystem(forPath: folder.path)
        return (attributes[.systemFreeSize] as? NSNumber)?.intValue ?? 0
    }

    private static func text(_ seconds: Double) -> String { String(format: seconds < 9.95 ? "%.1f s" : "%.0f s", seconds) }
}

/// Stored features that the plan asks for and its budget does not allow.
public struct FeatureBudgetExceeded: Error, Sendable, CustomStringConvertible {
    let what: String
    let bytes: Int
    let limit: Int

    public var description: String {
        "storing \(what) would take \(ByteCount(bytes)), but \(ByteCount(limit)) of disk may be used; raise budget.disk, "
            + "choose a smaller features.codec, or leave features.store out to have them computed anew in each epoch"
    }
}

extension ExampleFeatures {
    /// Some examples to estimate by, and which share of the longest text theirs have; pictures are all alike, so that
    /// blank ones do.
    fileprivate func sample(of examples: [Example], count: Int, workers: Int) -> (inputs: ExampleInputs, fullness: Double) {
        let count = min(count, examples.count)
        guard case .texts(let texts) = reading else { return (reading.blank(min(count, 1)), 1) }
        let chosen = (0..<count).map { examples[$0 * examples.count / count].text ?? "" }
        let tokens = TokenizedTexts(
            chosen, by: texts.tokenizer, maximumTokens: texts.maximumTokens, workers: workers)
        let total = (0..<count).reduce(0) { $0 + tokens.length(of: $1) }
        return (.texts(tokens), Double(total) / Double(max(count * texts.maximumTokens, 1)))
    }
}
