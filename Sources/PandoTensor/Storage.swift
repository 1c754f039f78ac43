import Glibc
import Synchronization

/// The bytes behind one or more tensors.
///
/// `@unchecked Sendable`: bytes are written only by the function that made the storage, before it hands the
/// storage to a tensor that anyone else can see, and by the only tensor that refers to it; otherwise they are only read.
final class Storage: @unchecked Sendable {
    let pointer: UnsafeMutableRawPointer
    let byteCount: Int
    /// Keeps foreign bytes (a mapped file) alive; `nil` when the bytes came from the pool.
    private let owner: (any AnyObject & Sendable)?
    private let use = Atomic<UInt>(0)

    /// Whether somebody else keeps the bytes.
    var isForeign: Bool { owner != nil }

    /// The file in which the bytes lie, if they are mapped.
    var file: MappedFile? { owner as? MappedFile }

    /// Uninitialised bytes from the pool, 64-byte aligned.
    init(byteCount: Int) {
        require(byteCount <= Int.max / 2, "out of memory: a tensor of \(byteCount) bytes")
        self.byteCount = byteCount
        pointer = StoragePool.shared.take(byteCount)
        MemoryMeter.add(StoragePool.capacity(for: byteCount), to: .workspace)
        owner = nil
    }

    /// Bytes that `owner` keeps alive and nobody writes.
    init(foreign bytes: UnsafeRawBufferPointer, owner: any AnyObject & Sendable) {
        byteCount = bytes.count
        pointer = UnsafeMutableRawPointer(mutating: bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 64)!)
        self.owner = owner
    }

    deinit {
        guard owner == nil else { return }
        MemoryMeter.add(-StoragePool.capacity(for: byteCount), to: Use(bits: use.load(ordering: .relaxed)).category)
        StoragePool.shared.give(back: pointer, byteCount: byteCount)
    }
}

// MARK: - What the bytes are for

extension Storage {
    /// What a storage is marked as, and how many nodes of the tape keep it.
    private struct Use {
        var mark: MemoryMeter.Category
        var keepers: UInt

        init(bits: UInt) {
            mark = MemoryMeter.Category(rawValue: Int(bits & 3)) ?? .workspace
            keepers = bits >> 2
        }

        var bits: UInt { keepers << 2 | UInt(mark.rawValue) }

        /// A mark outweighs the tape: weights that it keeps remain weights.
        var category: MemoryMeter.Category { mark == .workspace && keepers > 0 ? .activations : mark }
    }

    /// Counts the bytes as `category` from now on, kept by the tape or not.
    /// - Precondition: `category` is not `.activations`; those are what nodes keep.
    func mark(as category: MemoryMeter.Category) {
        require(category != .activations, "memory meter: activations are what the tape keeps, nothing is marked so")
        change { $0.mark = category }
    }

    /// Counts one more node of the tape that keeps the bytes.
    func keep() { change { $0.keepers += 1 } }

    /// Counts one node less.
    func letGo() { change { $0.keepers -= 1 } }

    private func change(_ body: (inout Use) -> Void) {
        guard owner == nil else { return }
        var bits = use.load(ordering: .relaxed)
        while true {
            let old = Use(bits: bits)
            var new = old
            body(&new)
            let (exchanged, found) = use.compareExchange(expected: bits, desired: new.bits, ordering: .relaxed)
            if exchanged {
                if old.category != new.category {
                    MemoryMeter.move(
                        StoragePool.capacity(for: byteCount), from: old.category, to: new.category)
                }
                return
            }
            bits = found
        }
    }
}

extension Tensor {
    /// The same tensor, its bytes counted as `category` from now on.
    @discardableResult
    package func counted(as category: MemoryMeter.Category) -> Tensor {
        storage.mark(as: category)
        return self
    }
}

/// Hands out aligned memory and keeps what comes back for the next request of about the same size, because a
/// training step asks for the same sizes again and again.
///
/// What is handed out and what is kept are together hardly more than was ever handed out at once: a request that
/// nothing kept serves sends as much of the kept to the system as it needs. The quarter above, 128 MiB at most, lets the
/// gradients of one step take no place from the activations of the next: with an eighth, training a whole small
/// transformer is a fifth slower.
private final class StoragePool: Sendable {
    static let shared = StoragePool()
    private static let alignment = 64
    /// From this size on, blocks are the system's own pages: the C library would keep what is freed.
    private static let mappedSize = 1 << 19
    /// Bytes above the highest that are kept at most.
    private static let mostAbove = 128 << 20

    private struct State {
        var free: [Int: [UnsafeMutableRawPointer]] = [:]
        var keptBytes = 0
        var handedBytes = 0
        /// The highest `handedBytes` so far.
        var highestBytes = 0

        /// Takes kept blocks out, the largest first, until the bound holds.
        mutating func evicted() -> [(pointer: UnsafeMutableRawPointer, capacity: Int)] {
            var evicted: [(pointer: UnsafeMutableRawPointer, capacity: Int)] = []
            let bound = highestBytes + min(highestBytes / 4, StoragePool.mostAbove)
            while handedBytes + keptBytes > bound, let size = free.keys.max() {
                if let block = free[size]?.popLast() {
                    evicted.append((block, size))
                    keptBytes -= size
                }
                if free[size]?.isEmpty ?? true { free[size] = nil }
            }
            return evicted
        }
    }
    // Raw pointers are not Sendable, but each sits in exactly one place: the free list or one Storage.
    private struct Box: @unchecked Sendable { var state = State() }
    private let state = Mutex(Box())

    /// Rounds up so that at most an eighth is wasted and few sizes exist.
    static func capacity(for byteCount: Int) -> Int {
        let minimum = max(byteCount, alignment)
        let step = max(alignment, (1 << (Int.bitWidth - 1 - minimum.leadingZeroBitCount)) >> 3)
        return (minimum + step - 1) / step * step
    }

    func take(_ byteCount: Int) -> UnsafeMutableRawPointer {
        let capacity = Self.capacity(for: byteCount)
        let (kept, evicted): (Block?, Blocks) = state.withLock { box in
            box.state.handedBytes += capacity
            box.state.highestBytes = max(box.state.highestBytes, box.state.handedBytes)
            if let pointer = box.state.free[capacity]?.popLast() {
                box.state.keptBytes -= capacity
                return (Block(pointer: pointer), Blocks(blocks: []))
            }
            return (nil, Blocks(blocks: box.state.evicted()))
        }
        if let kept { return kept.pointer }
        for (pointer, capacity) in evicted.blocks { Self.release(pointer, capacity) }
        guard let fresh = Self.allocate(capacity) else {
            stop("out of memory: could not allocate \(capacity) bytes for a tensor")
        }
        return fresh
    }

    private static func allocate(_ capacity: Int) -> UnsafeMutableRawPointer? {
        if capacity >= mappedSize {
            let pages = mmap(nil, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
            guard let pages, pages != MAP_FAILED else { return nil }
            // Large pages where the system has them: a tensor's first touch then costs little. It is a wish only.
            madvise(pages, capacity, MADV_HUGEPAGE)
            return pages
        }
        var block: UnsafeMutableRawPointer?
        return posix_memalign(&block, alignment, capacity) == 0 ? block : nil
    }

    private static func release(_ pointer: UnsafeMutableRawPointer, _ capacity: Int) {
        if capacity >= mappedSize {
            let status = munmap(pointer, capacity)
            require(status == 0, "memory that was mapped could not be unmapped: error \(errno)")
        } else {
            free(pointer)
        }
    }

    func give(back pointer: UnsafeMutableRawPointer, byteCount: Int) {
        let capacity = Self.capacity(for: byteCount)
        let returned = Block(pointer: pointer)
        state.withLock { box in
            box.state.handedBytes -= capacity
            box.state.free[capacity, default: []].append(returned.pointer)
            box.state.keptBytes += capacity
        }
    }

    /// One owner at a time, as above.
    private struct Block: @unchecked Sendable { let pointer: UnsafeMutableRawPointer }
    private struct Blocks: @unchecked Sendable { let blocks: [(pointer: UnsafeMutableRawPointer, capacity: Int)] }
}
