import CoreMetrics
import Foundation
import Metrics
import Synchronization

/// Collects what swift-metrics is told, and writes it as Prometheus reads it.
///
/// - Source: Prometheus, exposition formats, text format 0.0.4.
public final class PrometheusRegistry: MetricsFactory {
    /// A metric by its name and its labels.
    private struct Key: Hashable, Comparable {
        let name: String
        /// As they are written between braces.
        let labels: String

        static func < (left: Key, right: Key) -> Bool { (left.name, left.labels) < (right.name, right.labels) }
    }

    private enum Collector {
        case counter(CollectedCounter)
        case gauge(CollectedGauge)
        case histogram(CollectedHistogram)

        var kind: String {
            switch self {
            case .counter: "counter"
            case .gauge: "gauge"
            case .histogram: "histogram"
            }
        }
    }

    private let collectors = Mutex<[Key: Collector]>([:])
    private let help: [String: String]
    /// Upper bounds of histograms' buckets by metric; seconds for those that are not named.
    private let buckets: [String: [Double]]

    static let secondBuckets = [
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    ]

    /// - Parameter help: one sentence for each metric.
    public init(help: [String: String], buckets: [String: [Double]] = [:]) { (self.help, self.buckets) = (help, buckets) }

    // MARK: - Making

    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        made(label, dimensions, .counter(CollectedCounter())) { if case .counter(let counter) = $0 { counter } else { nil } }
            ?? CollectedCounter()
    }

    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        if aggregate { return histogram(label, dimensions) }
        return made(label, dimensions, .gauge(CollectedGauge())) { if case .gauge(let gauge) = $0 { gauge } else { nil } }
            ?? CollectedGauge()
    }

    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler { histogram(label, dimensions) }

    private func histogram(_ label: String, _ dimensions: [(String, String)]) -> CollectedHistogram {
        let fresh = CollectedHistogram(bounds: buckets[label] ?? Self.secondBuckets)
        return made(label, dimensions, .histogram(fresh)) { if case .histogram(let histogram) = $0 { histogram } else { nil } }
            ?? fresh
    }

    /// What there is under a name and labels, or `fresh` from now on.
    private func made<Handler>(
        _ label: String, _ dimensions: [(String, String)], _ fresh: @autoclosure () -> Collector,
        _ handler: (Collector) -> Handler?
    ) -> Handler? {
        let labels = dimensions.map { "\($0.0)=\"\(Self.escaped($0.1))\"" }.joined(separator: ",")
        let key = Key(name: label, labels: labels)
        return handler(
            collectors.withLock { collectors in
                let collector = collectors[key] ?? fresh()
                collectors[key] = collector
                return collector
            })
    }

    /// Metrics live as long as the registry: what was counted stays counted.
    public func destroyCounter(_ handler: any CounterHandler) {}
    public func destroyRecorder(_ handler: any RecorderHandler) {}
    public func destroyTimer(_ handler: any TimerHandler) {}

    // MARK: - Writing

    private static func escaped(_ value: String) -> String {
        value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }

    /// All metrics in Prometheus's text format.
    public func text() -> String {
        var lines: [String] = []
        var name = ""
        for (key, collector) in collectors.withLock({ Array($0) }).sorted(by: { $0.key < $1.key }) {
            if key.name != name {
                name = key.name
                if let help = help[name] { lines.append("# HELP \(name) \(help)") }
                lines.append("# TYPE \(name) \(collector.kind)")
            }
            switch collector {
            case .counter(let counter): lines.append("\(Self.sample(name, key.labels)) \(counter.value)")
            case .gauge(let gauge): lines.append("\(Self.sample(name, key.labels)) \(gauge.value)")
            case .histogram(let histogram):
                let state = histogram.state
                var sum = 0
                for (bound, count) in zip(histogram.bounds.map { "\($0)" } + ["+Inf"], state.counts) {
                    sum += count
                    let labels = key.labels.isEmpty ? "le=\"\(bound)\"" : "\(key.labels),le=\"\(bound)\""
                    lines.append("\(name)_bucket{\(labels)} \(sum)")
                }
                lines.append("\(Self.sample("\(name)_sum", key.labels)) \(state.sum)")
                lines.append("\(Self.sample("\(name)_count", key.labels)) \(sum)")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func sample(_ name: String, _ labels: String) -> String { labels.isEmpty ? name : "\(name){\(labels)}" }
}

private final class CollectedCounter: CounterHandler {
    private let count = Atomic<Int64>(0)

    var value: Int64 { count.load(ordering: .relaxed) }
    func increment(by amount: Int64) { count.wrappingAdd(amount, ordering: .relaxed) }
    func reset() { count.store(0, ordering: .relaxed) }
}

private final class CollectedGauge: RecorderHandler {
    private let latest = Mutex(0.0)

    var value: Double { latest.withLock { $0 } }
    func record(_ value: Int64) { record(Double(value)) }
    func record(_ value: Double) { latest.withLock { $0 = value } }
}

private final class CollectedHistogram: RecorderHandler, TimerHandler {
    let bounds: [Double]
    private let collected: Mutex<(counts: [Int], sum: Double)>

    init(bounds: [Double]) {
        self.bounds = bounds
        collected = Mutex((Array(repeating: 0, count: bounds.count + 1), 0))
    }

    var state: (counts: [Int], sum: Double) { collected.withLock { $0 } }

    func record(_ value: Int64) { record(Double(value)) }

    func record(_ value: Double) {
        let place = bounds.firstIndex { value <= $0 } ?? bounds.count
        collected.withLock { collected in
            collected.counts[place] += 1
            collected.sum += value
        }
    }

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }
}
