import Synchronization

/// Counts the bytes that tensors hold, process-wide: live now, and the highest ever since the last `measure` began.
///
/// Memory-mapped files do not count: their pages belong to the file cache.
public enum MemoryMeter {
    private static let live = Atomic<Int>(0)
    private static let peak = Atomic<Int>(0)

    /// Bytes that live tensors and program arenas hold now.
    public static var liveBytes: Int { live.load(ordering: .relaxed) }

    /// The highest `liveBytes` since the process, or the last `measure`, began.
    public static var peakBytes: Int { peak.load(ordering: .relaxed) }

    /// Runs `body` and returns its result with the highest number of bytes that were live meanwhile, above those
    /// live at its start.
    ///
    /// Regions must not overlap: there is one peak for the process.
    public static func measure<Result>(_ body: () throws -> Result) rethrows -> (result: Result, peakBytes: Int) {
        let start = liveBytes
        peak.store(start, ordering: .relaxed)
        let result = try body()
        return (result, peakBytes - start)
    }

    static func add(_ bytes: Int) {
        let now = live.wrappingAdd(bytes, ordering: .relaxed).newValue
        if bytes > 0 { peak.max(now, ordering: .relaxed) }
    }
}
