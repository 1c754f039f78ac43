import Foundation
import Testing

/// The texts that tokenizers are held against, made as `Tests/golden/tokenizer_texts.py` makes them, and what the
/// reference makes of them.
struct TokenizerTexts: Decodable, Sendable {
    struct Expected: Decodable, Sendable, CustomTestStringConvertible {
        let name: String
        /// Of each block of texts: numbers, types, decoded bytes.
        let ids, types, decoded: [String]
        /// Pairs: cut at the right, cut at the left, not cut.
        let pairs: [String]
        let first: [[Int32]]
        var testDescription: String { name }
    }

    let seed: UInt64
    let count, block, cut, textPairs: Int
    let blocks: [[UInt32]]
    let words, pieces: [String]
    let textDigest: String
    let tokenizers: [Expected]

    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Golden/Tokenizers")

    static let golden: TokenizerTexts = {
        do {
            let data = try Data(contentsOf: folder.appendingPathComponent("expected.json"))
            return try JSONDecoder().decode(TokenizerTexts.self, from: data)
        } catch { fatalError("\(folder.path)/expected.json: \(error)") }
    }()

    static let all = golden.texts(seed: golden.seed, count: golden.count)

    func texts(seed: UInt64, count: Int) -> [String] {
        var generator = SplitMix64(state: seed)
        return (0..<count).map { text($0, &generator) }
    }

    private func text(_ index: Int, _ generator: inout SplitMix64) -> String {
        var blocks = blocks
        if index % 3 != 0 { blocks = (0..<2).map { _ in self.blocks[generator.below(self.blocks.count)] } }
        var text = String.UnicodeScalarView()
        for _ in 0..<1 + generator.below(20) {
            let kind = generator.below(10)
            if kind < 2 {
                text += pieces[generator.below(pieces.count)].unicodeScalars
            } else if kind < 6 {
                text += words[generator.below(words.count)].unicodeScalars
                if generator.below(2) == 1 { text.append(" ") }
            } else {
                let block = blocks[generator.below(blocks.count)]
                for _ in 0..<1 + generator.below(5) {
                    let value = block[0] + UInt32(generator.below(Int(block[1] - block[0] + 1)))
                    if let scalar = Unicode.Scalar(value) { text.append(scalar) }
                }
            }
        }
        return String(text)
    }

    /// FNV-1a, a number at a time.
    static func digest(_ numbers: some Sequence<some BinaryInteger>) -> String {
        var digest: UInt64 = 0xCBF2_9CE4_8422_2325
        for number in numbers { digest = (digest ^ UInt64(truncatingIfNeeded: number)) &* 0x100_0000_01B3 }
        let digits = String(digest, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    static func digest(_ texts: some Sequence<String>) -> String {
        digest(texts.flatMap { $0.utf8.map(Int.init) + [256] })
    }
}

private struct SplitMix64 {
    var state: UInt64

    mutating func below(_ bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return Int((value ^ value >> 31) % UInt64(bound))
    }
}
