/// Why two texts cannot be cut to the length that is asked for.
public struct TruncationError: Error, CustomStringConvertible, Sendable, Equatable {
    /// Tokens of the text that alone is to be cut, and how many are to go.
    public let count, excess: Int

    public var description: String {
        "a text of \(count) tokens is to lose \(excess); cut the longer text instead, or allow for more tokens"
    }
}

extension Tokenizer.Truncation {
    func cut(_ ids: ArraySlice<Int32>, to length: Int) -> ArraySlice<Int32> {
        side == .right ? ids.prefix(length) : ids.suffix(length)
    }

    /// Cuts two texts so that together they have at most `length` tokens.
    func cut(
        _ first: inout ArraySlice<Int32>, _ second: inout ArraySlice<Int32>, to length: Int
    ) throws(TruncationError) {
        let excess = first.count + second.count - length
        guard excess > 0 else { return }
        guard length > 0 else {
            (first, second) = ([], [])
            return
        }
        switch strategy {
        case .longestFirst:
            let (shorter, longer) = Self.lengths(min(first.count, second.count), of: length)
            let isSwapped = first.count > second.count
            first = cut(first, to: isSwapped ? longer : shorter)
            second = cut(second, to: isSwapped ? shorter : longer)
        case .onlyFirst: try cutAlone(&first, excess)
        case .onlySecond: try cutAlone(&second, excess)
        }
    }

    private func cutAlone(_ ids: inout ArraySlice<Int32>, _ excess: Int) throws(TruncationError) {
        guard ids.count > excess else { throw TruncationError(count: ids.count, excess: excess) }
        ids = cut(ids, to: ids.count - excess)
    }

    /// What the shorter and the longer text may have: the shorter one all of its tokens if they are less than half.
    private static func lengths(_ shorter: Int, of length: Int) -> (shorter: Int, longer: Int) {
        shorter <= length / 2 ? (shorter, length - shorter) : (length / 2, length / 2 + length % 2)
    }
}
