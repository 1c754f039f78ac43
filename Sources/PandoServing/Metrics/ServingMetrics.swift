import Foundation
import Metrics
import PandoBranches

/// What a server counts and times.
struct ServingMetrics: Sendable {
    let registry: PrometheusRegistry

    init() {
        registry = PrometheusRegistry(
            help: [
                "pando_requests_total": "Requests answered, by what was asked and the status of HTTP.",
                "pando_request_seconds": "Time from a request's arrival to its answer.",
                "pando_phase_seconds": "Time of a request's phases: decode, queue, backbone, heads.",
                "pando_batch_size": "Examples that ran in one backbone pass.",
                "pando_answers_reused_total": "Examples that were answered without a pass, because the same had just been asked.",
                "pando_queue_length": "Examples that wait for their pass.",
                "pando_examples_in_flight": "Examples that were let in and have no answer yet.",
                "pando_compute_level": "Compute level of requests that name none, as a share of the full cost.",
                "pando_resident_memory_bytes": "Memory of the process.",
                "pando_ready": "1 if predictions are answered.",
                "pando_bundle_loads_total": "Bundles opened, by result.",
            ], buckets: ["pando_batch_size": [1, 2, 4, 8, 16, 32, 64]])
    }

    func answered(_ asked: String, status: Int, after time: Duration) {
        Counter(label: "pando_requests_total", dimensions: [("asked", asked), ("status", "\(status)")], factory: registry)
            .increment()
        timer("pando_request_seconds", []).recordNanoseconds(time.nanoseconds)
    }

    func phase(_ name: String, _ time: Duration) {
        timer("pando_phase_seconds", [("phase", name)]).recordNanoseconds(time.nanoseconds)
    }

    func computed(batchOf count: Int) {
        Recorder(label: "pando_batch_size", dimensions: [], aggregate: true, factory: registry).record(count)
    }

    func reused() { Counter(label: "pando_answers_reused_total", dimensions: [], factory: registry).increment() }

    func loaded(_ result: String) {
        Counter(label: "pando_bundle_loads_total", dimensions: [("result", result)], factory: registry).increment()
    }

    func gauge(_ name: String, _ value: Double) {
        Gauge(label: name, dimensions: [], factory: registry).record(value)
    }

    private func timer(_ name: String, _ dimensions: [(String, String)]) -> Timer {
        Timer(label: name, dimensions: dimensions, factory: registry)
    }

    /// Memory of this process that is in use, in bytes.
    static var residentBytes: Int {
        let fields = FileManager.default.contents(atPath: "/proc/self/statm").map { String(decoding: $0, as: UTF8.self) }
        let pages = fields?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }
}

extension Duration {
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }

    var milliseconds: Double { Double(nanoseconds) / 1e6 }
}
