/// The symbols of a word while pairs of them are merged: always the pair of lowest rank, the leftmost first.
struct SymbolChain {
    private var ids: [Int32] = []
    /// Of each symbol with the one behind it; `none` where they do not merge.
    private var ranks: [Int32] = []
    private static let none = Int32.max
    /// Up to this many symbols all pairs are looked through for each merge; a heap would take longer.
    private static let shortCount = 40

    mutating func removeAll() {
        ids.removeAll(keepingCapacity: true)
        ranks.removeAll(keepingCapacity: true)
    }

    @inline(__always) mutating func append(_ id: Int32) { ids.append(id) }
    mutating func append(contentsOf other: [Int32]) { ids.append(contentsOf: other) }

    /// Merges what can be merged and appends the symbols that are left.
    mutating func merge(by pairs: PairTable, into result: inout [Int32]) {
        guard ids.count > 1 else {
            result.append(contentsOf: ids)
            return
        }
        for index in 0..<ids.count - 1 { ranks.append(pairs[ids[index], ids[index + 1]]?.rank ?? Self.none) }
        ranks.append(Self.none)
        if ids.count <= Self.shortCount {
            mergeShort(by: pairs)
            result.append(contentsOf: ids)
        } else {
            mergeLong(by: pairs, into: &result)
        }
    }

    private mutating func mergeShort(by pairs: PairTable) {
        var count = ids.count
        ids.withUnsafeMutableBufferPointer { ids in
            ranks.withUnsafeMutableBufferPointer { ranks in
                while true {
                    var best = Self.none
                    var place = 0
                    for index in 0..<count - 1 where ranks[index] < best {
                        best = ranks[index]
                        place = index
                    }
                    guard best != Self.none, let merge = pairs[ids[place], ids[place + 1]] else { break }
                    ids[place] = merge.id
                    count -= 1
                    var index = place + 1
                    while index < count {
                        ids[index] = ids[index + 1]
                        ranks[index] = ranks[index + 1]
                        index += 1
                    }
                    ranks[count - 1] = Self.none
                    if place + 1 < count { ranks[place] = pairs[ids[place], ids[place + 1]]?.rank ?? Self.none }
                    if place > 0 { ranks[place - 1] = pairs[ids[place - 1], ids[place]]?.rank ?? Self.none }
                }
            }
        }
        ids.removeLast(ids.count - count)
    }

    /// In n log n steps, with links between the symbols and a heap of ranks and places.
    private mutating func mergeLong(by pairs: PairTable, into result: inout [Int32]) {
        var next = (1...ids.count).map { $0 < ids.count ? Int32($0) : -1 }
        var previous = (0..<ids.count).map { Int32($0) - 1 }
        var heap = MinimumHeap()
        for index in ids.indices where ranks[index] != Self.none { heap.append(rank: ranks[index], place: index) }
        heap.order()
        while let (rank, place) = heap.popFirst() {
            // What was said of a pair that is there no longer, or was merged with others, is out of date.
            guard ranks[place] == rank, next[place] >= 0 else { continue }
            let right = Int(next[place])
            guard let merge = pairs[ids[place], ids[right]] else { continue }
            ids[place] = merge.id
            ranks[right] = Self.none
            next[place] = next[right]
            if next[place] >= 0 { previous[Int(next[place])] = Int32(place) }
            func update(_ place: Int) {
                ranks[place] = Self.none
                guard next[place] >= 0, let merge = pairs[ids[place], ids[Int(next[place])]] else { return }
                ranks[place] = merge.rank
                heap.push(rank: merge.rank, place: place)
            }
            update(place)
            if previous[place] >= 0 { update(Int(previous[place])) }
        }
        var index = 0
        while index >= 0 {
            result.append(ids[index])
            index = Int(next[index])
        }
        removeAll()
    }
}

/// Ranks and places, the lowest rank first and of equal ones the leftmost place.
private struct MinimumHeap {
    private var items: [UInt64] = []

    /// Adds to a heap that is ordered afterwards.
    mutating func append(rank: Int32, place: Int) { items.append(Self.item(rank, place)) }

    mutating func order() { for index in (0..<items.count / 2).reversed() { sink(index) } }

    mutating func push(rank: Int32, place: Int) {
        items.append(Self.item(rank, place))
        var index = items.count - 1
        while index > 0 {
            let parent = (index - 1) / 2
            guard items[index] < items[parent] else { return }
            items.swapAt(index, parent)
            index = parent
        }
    }

    mutating func popFirst() -> (rank: Int32, place: Int)? {
        guard let first = items.first else { return nil }
        let last = items.removeLast()
        if !items.isEmpty {
            items[0] = last
            sink(0)
        }
        return (Int32(truncatingIfNeeded: first >> 32), Int(first & 0xFFFF_FFFF))
    }

    private mutating func sink(_ start: Int) {
        var index = start
        while true {
            var child = 2 * index + 1
            guard child < items.count else { return }
            if child + 1 < items.count, items[child + 1] < items[child] { child += 1 }
            guard items[child] < items[index] else { return }
            items.swapAt(index, child)
            index = child
        }
    }

    private static func item(_ rank: Int32, _ place: Int) -> UInt64 { UInt64(rank) << 32 | UInt64(place) }
}
