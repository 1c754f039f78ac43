import PandoNN
import PandoTensor

/// What a decoder keeps of the tokens it has seen, so that a next one costs a pass over itself alone.
public struct KeyValueCache: Sendable {
    /// Keys and values of one layer, `[N, heads, T, D]`; `nil` before the first token.
    struct Layer: Sendable {
        private(set) var key, value: Tensor?

        mutating func append(key new: Tensor, value: Tensor) {
            key = key.map { .concatenated([$0, new], along: 2) } ?? new
            self.value = self.value.map { .concatenated([$0, value], along: 2) } ?? value
        }
    }

    var layers: [Layer] = []

    /// An empty one.
    public init() {}

    /// Tokens seen.
    public var length: Int { layers.first?.key?.shape[2] ?? 0 }

    /// Which of all tokens each of the next `count` sees: `bool` `[count, length + count]`.
    func mask(forNext count: Int) -> Tensor {
        let seen = length
        return Tensor(
            (0..<count).flatMap { row in (0..<seen + count).map { $0 <= seen + row } }, shape: [count, seen + count])
    }
}

/// A network that tells a text's next token.
public protocol LanguageModel: Module {
    var vocabularySize: Int { get }

    /// The longest text it can see, in tokens.
    var maximumLength: Int { get }

    /// The tokens that end a text.
    var ends: Set<Int> { get }

    /// Scores of the token after each of `ids`, which follow those that `cache` has seen.
    ///
    /// - Shapes: `int64` `[N, T]` → `[N, T, vocabularySize]`.
    /// - Precondition: ids are in the vocabulary; the text is no longer than `maximumLength`.
    func logits(of ids: Tensor, cache: inout KeyValueCache) -> Tensor
}

extension LanguageModel {
    /// What follows `prompt`, always the likeliest token, up to one that ends the text, which is left out.
    ///
    /// - Parameter count: tokens at most; fewer where the text would grow too long.
    /// - Precondition: `prompt` is not empty and no longer than `maximumLength`.
    public func continuation(of prompt: [Int], atMost count: Int) -> [Int] {
        require(
            (1...maximumLength).contains(prompt.count),
            "a prompt of \(prompt.count) tokens, expected 1...\(maximumLength)")
        var cache = KeyValueCache()
        return greedily(from: prompt, atMost: min(count, maximumLength - prompt.count), endingWith: ends) { ids in
            logits(of: ids, cache: &cache)
        }
    }
}

/// The likeliest token after `first`, the one after that, and so on.
///
/// - Parameter step: scores `[1, T, V]` after each of the ids `[1, T]`, which follow those of the calls before.
func greedily(from first: [Int], atMost count: Int, endingWith ends: Set<Int>, _ step: (Tensor) -> Tensor) -> [Int] {
    var found: [Int] = []
    var next = first
    while found.count < count {
        let scores = step(Tensor(next.map(Int64.init), shape: [1, next.count]))
        let likeliest = Int(scores.element(next.count - 1, along: 1).argmax().scalars(as: Int64.self)[0])
        if ends.contains(likeliest) { break }
        found.append(likeliest)
        next = [likeliest]
    }
    return found
}

extension TokenTensors {
    /// 1 where the last token of each text stands, `float32` `[N, T]`.
    var lastTokens: Tensor {
        let present = attentionMask.cast(to: .float32)
        let (count, length) = (present.shape[0], present.shape[1])
        let next = Tensor.concatenated([present.slice(1..<length, along: 1), .zeros([count, 1])], along: 1)
        return (present * (1 - next)).firstLargest()
    }
}
