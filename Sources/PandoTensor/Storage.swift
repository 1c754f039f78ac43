import Glibc
import Synchronization

/// The bytes behind one or more tensors.
///
/// `@unchecked Sendable`: bytes are written only by the function that made the storage, before it hands the
/// storage to a tensor that anyone else can see; afterwards they are only read.
final class Storage: @unchecked Sendable {
    let pointer: UnsafeMutableRawPointer
    let byteCount: Int
    /// Keeps foreign bytes (a mapped file) alive; `nil` when the bytes came from the pool.
    private let owner: (any AnyObject & Sendable)?

    /// Uninitialised bytes from the pool, 64-byte aligned.
    init(byteCount: Int) {
        require(byteCount <= Int.max / 2, "out of memory: a tensor of \(byteCount) bytes")
        self.byteCount = byteCount
        pointer = StoragePool.shared.take(byteCount)
        owner = nil
    }

    /// Bytes that `owner` keeps alive and nobody writes.
    init(foreign bytes: UnsafeRawBufferPointer, owner: any AnyObject & Sendable) {
        byteCount = bytes.count
        pointer = UnsafeMutableRawPointer(mutating: bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 64)!)
        self.owner = owner
    }

    deinit {
        if owner == nil { StoragePool.shared.give(back: pointer, byteCount: byteCount) }
    }
}

/// Hands out aligned memory and keeps what comes back for the next request of about the same size, because a
/// training step asks for the same sizes again and again.
private final class StoragePool: Sendable {
    static let shared = StoragePool()
    /// Memory kept for reuse is bounded by this; beyond it, returned blocks go to the system.
    private static let keptLimit = 256 << 20
    private static let alignment = 64

    private struct State {
        var free: [Int: [UnsafeMutableRawPointer]] = [:]
        var keptBytes = 0
    }
    // Raw pointers are not Sendable, but each sits in exactly one place: the free list or one Storage.
    private struct Box: @unchecked Sendable { var state = State() }
    private let state = Mutex(Box())

    /// Rounds up so that at most an eighth is wasted and few sizes exist.
    private static func capacity(for byteCount: Int) -> Int {
        let minimum = max(byteCount, alignment)
        let step = max(alignment, (1 << (Int.bitWidth - 1 - minimum.leadingZeroBitCount)) >> 3)
        return (minimum + step - 1) / step * step
    }

    func take(_ byteCount: Int) -> UnsafeMutableRawPointer {
        let capacity = Self.capacity(for: byteCount)
        MemoryMeter.add(capacity)
        let kept: Block? = state.withLock { box in
            guard let pointer = box.state.free[capacity]?.popLast() else { return nil }
            box.state.keptBytes -= capacity
            return Block(pointer: pointer)
        }
        if let kept { return kept.pointer }
        var fresh: UnsafeMutableRawPointer?
        guard posix_memalign(&fresh, Self.alignment, capacity) == 0, let fresh else {
            stop("out of memory: could not allocate \(capacity) bytes for a tensor")
        }
        return fresh
    }

    func give(back pointer: UnsafeMutableRawPointer, byteCount: Int) {
        let capacity = Self.capacity(for: byteCount)
        MemoryMeter.add(-capacity)
        let returned = Block(pointer: pointer)
        let kept = state.withLock { box in
            guard box.state.keptBytes + capacity <= Self.keptLimit else { return false }
            box.state.free[capacity, default: []].append(returned.pointer)
            box.state.keptBytes += capacity
            return true
        }
        if !kept { free(pointer) }
    }

    /// One owner at a time, as above.
    private struct Block: @unchecked Sendable { let pointer: UnsafeMutableRawPointer }
}
