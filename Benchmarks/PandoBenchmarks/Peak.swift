import CPeak
import PandoTensor
import Synchronization

/// The most that this machine's cores can multiply in bfloat16, from a loop over registers.
enum Peak {
    /// Floating-point operations a second on `cores` cores, measured now; nil where nothing multiplies bfloat16.
    static func bfloat16(cores: Int) -> Double? {
        let kind = pando_peak_best()
        guard kind != pando_peak_none else { return nil }
        // About a tenth of a second at 100 billion operations a second.
        let rounds: Int64 = kind == pando_peak_amx ? 2_000_000 : 10_000_000
        let best = (0..<3).map { _ in
            let operations = Mutex(0.0)
            let seconds = Stopwatch.seconds {
                Parallel.run(cores) { _ in
                    let done = pando_peak_run(kind, rounds)
                    operations.withLock { $0 += done }
                }
            }
            return operations.withLock { $0 } / seconds
        }.max()
        return best
    }
}
