import Synchronization

/// Counts the bytes that tensors hold, process-wide and by what they are for: live now, and at most during a region.
///
/// Memory-mapped files do not count: their pages belong to the file cache.
public enum MemoryMeter {
    /// What bytes are held for. It can change while they live: an ordinary value becomes an activation when the tape
    /// keeps it, and is an ordinary value again when the tape lets go.
    public enum Category: Int, CaseIterable, Sendable {
        /// Everything else: inputs, intermediate values, gradients, arenas, scratch memory.
        case workspace
        /// Values that gradients are asked for, loaded parameters, and what programs packed of them.
        case weights
        /// An optimizer's moments.
        case optimizer
        /// What the tape keeps for the backward pass.
        case activations
    }

    /// Bytes by category.
    public struct Composition: Sendable, Hashable {
        /// At each category's raw value.
        fileprivate var bytes = SIMD4<Int>()

        public init() {}

        public subscript(category: Category) -> Int { bytes[category.rawValue] }

        public var weights: Int { self[.weights] }
        public var activations: Int { self[.activations] }
        public var optimizer: Int { self[.optimizer] }
        public var workspace: Int { self[.workspace] }
        public var total: Int { bytes.wrappedSum() }
    }

    /// What a region returned and what it held.
    public struct Report<Result> {
        public let result: Result
        /// Live when the region began.
        public let start: Composition
        /// Live when it ended.
        public let end: Composition
        /// Live at the moment when the total was highest.
        public let peak: Composition
        /// The highest of each category, whenever that was.
        public let peaks: Composition

        /// The highest total, above what was live at the start.
        public var peakBytes: Int { peak.total - start.total }
    }

    /// The highest compositions of one region.
    private struct Region {
        let number: Int
        var peak: Composition
        var peaks: Composition
    }

    private struct State {
        var live = Composition()
        /// The first is the process.
        var regions = [Region(number: 0, peak: Composition(), peaks: Composition())]
        var nextNumber = 1

        mutating func record() {
            for index in regions.indices {
                // At an equal total too: what was just made is told apart a moment later.
                if live.total >= regions[index].peak.total { regions[index].peak = live }
                regions[index].peaks.bytes = pointwiseMax(regions[index].peaks.bytes, live.bytes)
            }
        }
    }

    private static let state = Mutex(State())

    /// Bytes that live tensors and program arenas hold now, by category.
    public static var live: Composition { state.withLock { $0.live } }

    /// Bytes that live tensors and program arenas hold now.
    public static var liveBytes: Int { live.total }

    /// The highest `liveBytes` since the process began.
    public static var peakBytes: Int { state.withLock { $0.regions[0].peak.total } }

    /// Runs `body` and reports what was live meanwhile, on all threads. Regions may overlap and lie within each other.
    public static func measure<Result>(_ body: () throws -> Result) rethrows -> Report<Result> {
        let (number, start) = state.withLock { state in
            let number = state.nextNumber
            state.nextNumber += 1
            state.regions.append(Region(number: number, peak: state.live, peaks: state.live))
            return (number, state.live)
        }
        defer { state.withLock { $0.regions.removeAll { $0.number == number } } }
        let result = try body()
        let (end, region) = state.withLock { state in
            (state.live, state.regions.first { $0.number == number })
        }
        guard let region else { stop("memory meter: region \(number) is gone") }
        return Report(result: result, start: start, end: end, peak: region.peak, peaks: region.peaks)
    }

    static func add(_ bytes: Int, to category: Category) {
        state.withLock { state in
            state.live.bytes[category.rawValue] += bytes
            if bytes > 0 { state.record() }
        }
    }

    static func move(_ bytes: Int, from source: Category, to target: Category) {
        state.withLock { state in
            state.live.bytes[source.rawValue] -= bytes
            state.live.bytes[target.rawValue] += bytes
            state.record()
        }
    }
}
