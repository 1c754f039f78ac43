import Foundation
import PandoBackbones
import PandoBranches
import PandoData
import PandoTensor
import PandoTraining

/// A bundle that is open, compiled and warm.
///
/// A request belongs to the one that was there when it came: another one may take its place meanwhile.
public final class ServedBundle: Sendable {
    public let bundle: PandoTraining.Bundle
    let frozen: FrozenBundle
    /// What each compute level takes here, where there are several.
    let costs: MeasuredCosts?
    /// Pictures to look for, where there is a gallery and a task that knows words.
    let search: TextSearch?

    /// - Parameters:
    ///   - costCache: folder that keeps what elastic bundles take on this machine.
    ///   - gallery: pictures that `search` looks through.
    /// - Throws: every error of opening the bundle, of measuring its costs, and of computing the gallery's features.
    public init(at url: URL, costCache: URL, gallery: Gallery? = nil, workers: Int) throws {
        let bundle = try PandoTraining.Bundle(at: url)
        self.bundle = bundle
        frozen = FrozenBundle(bundle)
        costs = bundle.elasticPolicy == nil ? nil : try bundle.costs(cachedIn: costCache)
        search = try gallery.flatMap { try TextSearch(in: $0, by: bundle, workers: workers) }
        warm(workers: workers)
        frozen.releaseFiles()
    }

    /// The plan's name.
    public var name: String { bundle.plan.name }
    public var version: String { bundle.version }

    /// Everything that the tasks can say of one example.
    var answeringTasks: [Int] { Array(bundle.tasks.indices) }

    var readsTexts: Bool {
        if case .texts = bundle.backbone.reading { true } else { false }
    }

    /// Length of a retrieval task's places.
    func placeWidth(of task: Int) -> Int {
        if case .retrieval(let head) = bundle.tasks[task].branch.head { head.image.outputCount } else { 0 }
    }

    /// The points of the cost front, cheapest first.
    var levels: [CostTable.Entry] { costs?.table.front() ?? [] }

    /// The share of the full cost that an entry takes.
    func share(of entry: CostTable.Entry) -> Double { costs?.table.share(of: entry) ?? 1 }

    /// Compiles what requests will need, so that the first of them need not wait.
    private func warm(workers: Int) {
        let points: [OperatingPoint?] = costs == nil ? [nil] : levels.map(\.point)
        let asked = answeringTasks.map { TaskRows($0) }
        if case .pictures(let preprocessing) = bundle.backbone.reading {
            // The first picture starts libvips.
            let blank = Image(width: 8, height: 8, pixels: [UInt8](repeating: 255, count: 192))
            if let png = try? blank.encodedPNG() {  // where this fails, pictures will say why
                _ = try? ImageDecoder().image(.bytes(png, name: "blank"), fittedTo: preprocessing)
            }
        }
        for point in points {
            for count in [1, 2] {
                for threads in Set([1, workers]) {
                    _ = frozen.answers(to: blank(count), for: asked, at: point, workers: threads)
                }
            }
        }
    }

    private func blank(_ count: Int) -> BackboneInput {
        switch bundle.backbone.reading {
        case .pictures(let preprocessing):
            let size = preprocessing.outputSize
            return .pictures(.zeros([count, size.height, size.width, 3]))
        case .texts(let reading):
            let ids = Array(reading.tokenizer.encode("a text").ids.prefix(reading.maximumTokens))
            let length = TokenTensors.paddedLength(ids.count, atMost: reading.maximumTokens)
            return .texts(TokenTensors(Array(repeating: ids, count: count), paddedTo: length))
        }
    }
}
