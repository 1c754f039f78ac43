/// Spellings with numbers, arranged so that all that a text begins with are found in one pass over its bytes.
///
/// A node is a beginning of spellings. Nodes are numbered level by level, so that a node's children stand side by
/// side, sorted by their byte.
struct ByteTrie: Sendable {
    /// Where each node's children begin; those of the next node follow.
    private let firstChild: [Int32]
    /// The byte that leads to each node.
    private let labels: [UInt8]
    /// The number of the spelling that ends at each node, or -1.
    private let values: [Int32]
    /// The root's child for each byte, or -1.
    private let roots: [Int32]

    /// - Parameter spellings: of equal ones the last counts; an empty one is never found.
    init(_ spellings: [(bytes: ArraySlice<UInt8>, value: Int32)]) {
        let order = Self.sorted(spellings)
        var firstChild: [Int32] = []
        var labels: [UInt8] = [0]
        var values: [Int32] = [-1]
        // Which of the sorted spellings pass through each node; the node's level is their common length.
        var ranges: [Range<Int>] = [0..<order.count]
        var level = 0
        var node = 0
        while node < ranges.count {
            let levelEnd = ranges.count
            while node < levelEnd {
                firstChild.append(Int32(ranges.count))
                var index = ranges[node].lowerBound
                let end = ranges[node].upperBound
                while index < end, spellings[order[index]].bytes.count == level {
                    if level > 0 { values[node] = spellings[order[index]].value }
                    index += 1
                }
                while index < end {
                    let byte = Self.byte(of: spellings[order[index]].bytes, level)
                    var next = index + 1
                    while next < end, Self.byte(of: spellings[order[next]].bytes, level) == byte { next += 1 }
                    ranges.append(index..<next)
                    labels.append(byte)
                    values.append(-1)
                    index = next
                }
                node += 1
            }
            level += 1
        }
        firstChild.append(Int32(ranges.count))
        var roots = [Int32](repeating: -1, count: 256)
        for child in Int(firstChild[0])..<Int(firstChild[1]) { roots[Int(labels[child])] = Int32(child) }
        self.firstChild = firstChild
        self.labels = labels
        self.values = values
        self.roots = roots
    }

    /// Whether any spelling begins with this byte.
    @inline(__always) func begins(with byte: UInt8) -> Bool { roots[Int(byte)] >= 0 }

    /// Calls `body` with the end and number of each spelling that stands at `start`, shortest first.
    @inline(__always) func forEachMatch(in text: UTF8Bytes, at start: Int, _ body: (Int, Int32) -> Void) {
        guard start < text.count else { return }
        var node = roots[Int(text[start])]
        var index = start + 1
        while node >= 0 {
            let value = values[Int(node)]
            if value >= 0 { body(index, value) }
            guard index < text.count else { return }
            node = child(of: node, text[index])
            index += 1
        }
    }

    /// The longest spelling that stands at `start`: where it ends, and its number.
    @inline(__always) func longestMatch(in text: UTF8Bytes, at start: Int) -> (end: Int, value: Int32)? {
        var match: (end: Int, value: Int32)?
        forEachMatch(in: text, at: start) { match = ($0, $1) }
        return match
    }

    @inline(__always) private func child(of node: Int32, _ byte: UInt8) -> Int32 {
        var low = Int(firstChild[Int(node)])
        var high = Int(firstChild[Int(node) + 1])
        while high - low > 8 {
            let middle = (low + high) / 2
            if labels[middle] <= byte { low = middle } else { high = middle }
        }
        while low < high {
            if labels[low] == byte { return Int32(low) }
            low += 1
        }
        return -1
    }

    @inline(__always) private static func byte(of bytes: ArraySlice<UInt8>, _ index: Int) -> UInt8 {
        bytes[bytes.startIndex + index]
    }

    /// Positions in the order of the bytes; those of equal spellings in their own order.
    private static func sorted(_ spellings: [(bytes: ArraySlice<UInt8>, value: Int32)]) -> [Int] {
        // Eight bytes at once settle most comparisons.
        let heads = spellings.map { spelling -> UInt64 in
            var head: UInt64 = 0
            for offset in 0..<8 {
                head = head << 8 | UInt64(offset < spelling.bytes.count ? byte(of: spelling.bytes, offset) : 0)
            }
            return head
        }
        return spellings.indices.sorted { left, right in
            if heads[left] != heads[right] { return heads[left] < heads[right] }
            let (a, b) = (spellings[left].bytes, spellings[right].bytes)
            if a.lexicographicallyPrecedes(b) { return true }
            return !b.lexicographicallyPrecedes(a) && left < right
        }
    }
}
