/// A text on its way to words: bytes, and the pieces that it has been cut into.
struct PieceList {
    struct Piece {
        var start, end: Int
    }

    var text: [UInt8] = []
    var pieces: [Piece] = []
    /// Whether the text's first byte comes from the very beginning of the text that was given.
    var beginsAtOrigin = false

    mutating func removeAll() {
        text.removeAll(keepingCapacity: true)
        pieces.removeAll(keepingCapacity: true)
    }

    @inline(__always) mutating func appendPiece(_ start: Int, _ end: Int) {
        if start < end { pieces.append(Piece(start: start, end: end)) }
    }

    /// Cuts each piece anew; `cut` is given the text, a piece's range, and the place for new pieces.
    @inline(__always) mutating func split(
        into spare: inout PieceList, _ cut: (UTF8Bytes, Range<Int>, inout PieceList) -> Void
    ) {
        spare.pieces.removeAll(keepingCapacity: true)
        text.withUnsafeBufferPointer { bytes in
            for piece in pieces { cut(bytes, piece.start..<piece.end, &spare) }
        }
        swap(&pieces, &spare.pieces)
    }

    /// Writes each piece anew, cut or whole; `rewrite` is given the text, a piece's range, and the place for new text
    /// and pieces.
    @inline(__always) mutating func rewrite(
        into spare: inout PieceList, _ rewrite: (UTF8Bytes, Range<Int>, inout PieceList) -> Void
    ) {
        spare.removeAll()
        spare.beginsAtOrigin = beginsAtOrigin && pieces.first?.start == 0
        text.withUnsafeBufferPointer { bytes in
            for piece in pieces { rewrite(bytes, piece.start..<piece.end, &spare) }
        }
        swap(&self, &spare)
    }
}

/// What becomes of a match when a text is split at it.
enum SplitBehavior: String, Sendable, CaseIterable {
    case removed = "Removed"
    case isolated = "Isolated"
    case mergedWithPrevious = "MergedWithPrevious"
    case mergedWithNext = "MergedWithNext"
    case contiguous = "Contiguous"
}

/// Turns matches, and what is between them, into pieces.
struct PieceCutter {
    let behavior: SplitBehavior
    /// A piece that may grow.
    private var start = 0
    private var end = 0
    private var isOpen = false
    private var wasMatch = false

    init(_ behavior: SplitBehavior) { self.behavior = behavior }

    /// Takes the next part of the text, which begins where the last one ended.
    @inline(__always) mutating func add(_ start: Int, _ end: Int, isMatch: Bool, to list: inout PieceList) {
        switch behavior {
        case .removed: if !isMatch { list.appendPiece(start, end) }
        case .isolated: list.appendPiece(start, end)
        case .contiguous: addGrowing(start, end, grows: isMatch == wasMatch, to: &list)
        case .mergedWithPrevious: addGrowing(start, end, grows: isMatch && !wasMatch, to: &list)
        case .mergedWithNext: addGrowing(start, end, grows: !isMatch && wasMatch, to: &list)
        }
        wasMatch = isMatch
    }

    /// Ends the last piece.
    mutating func finish(_ list: inout PieceList) {
        if isOpen { list.appendPiece(start, end) }
        isOpen = false
    }

    private mutating func addGrowing(_ start: Int, _ end: Int, grows: Bool, to list: inout PieceList) {
        if !(isOpen && grows) {
            finish(&list)
            self.start = start
        }
        self.end = end
        isOpen = true
    }
}
