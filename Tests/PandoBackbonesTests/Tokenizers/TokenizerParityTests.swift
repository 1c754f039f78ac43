import Foundation
import PandoTestSupport
import Testing

@testable import PandoBackbones

/// Small tokenizers of every kind against the `tokenizers` package, on ten thousand texts in many scripts.
@Suite struct TokenizerParityTests {
    private func tokenizer(_ name: String) throws -> Tokenizer {
        try Tokenizer(TokenizerTexts.folder.appendingPathComponent("\(name)/tokenizer.json"))
    }

    @Test func `the texts are those that the reference was given`() {
        #expect(TokenizerTexts.all.count >= 10_000)
        #expect(TokenizerTexts.digest(TokenizerTexts.all) == TokenizerTexts.golden.textDigest)
    }

    @Test(arguments: TokenizerTexts.golden.tokenizers)
    func `numbers, types and decoded texts are those of the tokenizers package`(
        _ expected: TokenizerTexts.Expected
    ) throws {
        let tokenizer = try tokenizer(expected.name)
        let texts = TokenizerTexts.all
        for (text, ids) in zip(texts, expected.first) {
            #expect(tokenizer.encode(text).ids == ids, "\(text.debugDescription)")
        }
        let size = TokenizerTexts.golden.block
        for (index, start) in stride(from: 0, to: texts.count, by: size).enumerated() {
            let sequences = texts[start..<start + size].map { tokenizer.encode($0) }
            let place: Comment = "texts \(start)..<\(start + size)"
            let numbers = sequences.flatMap { [Int32($0.ids.count)] + $0.ids }
            #expect(TokenizerTexts.digest(numbers) == expected.ids[index], place)
            #expect(TokenizerTexts.digest(sequences.flatMap(\.typeIDs)) == expected.types[index], place)
            #expect(
                TokenizerTexts.digest(sequences.map { tokenizer.decode($0.ids) }) == expected.decoded[index], place)
        }
    }

    @Test(arguments: TokenizerTexts.golden.tokenizers)
    func `pairs are put together and cut as by the tokenizers package`(_ expected: TokenizerTexts.Expected) throws {
        var tokenizer = try tokenizer(expected.name)
        let golden = TokenizerTexts.golden
        let cuts: [Tokenizer.Truncation?] = [
            .init(length: golden.cut), .init(length: golden.cut, side: .left), nil,
        ]
        for (cut, digest) in zip(cuts, expected.pairs) {
            tokenizer.truncation = cut
            let pairs = try (0..<golden.textPairs).map {
                try tokenizer.encode(TokenizerTexts.all[2 * $0], TokenizerTexts.all[2 * $0 + 1])
            }
            #expect(
                TokenizerTexts.digest(pairs.flatMap { [Int32($0.ids.count)] + $0.ids + $0.typeIDs }) == digest,
                "\(cut.debugDescription)")
        }
    }

    @Test func `threads share a tokenizer`() async throws {
        let tokenizer = try tokenizer("gpt2")
        let texts = Array(TokenizerTexts.all.prefix(1000))
        let expected = texts.map { tokenizer.encode($0) }
        await withTaskGroup(of: [TokenSequence].self) { group in
            for _ in 0..<4 { group.addTask { texts.map { tokenizer.encode($0) } } }
            for await found in group { #expect(found == expected) }
        }
    }

    /// Time that grows with the square of the length would take hours.
    @Test(arguments: ["bert", "clip", "llama3", "llama2", "t5", "unigram_bytes", "mixture"])
    func `a megabyte is no trouble, in words or without any`(name: String) throws {
        let tokenizer = try tokenizer(name)
        let megabyte = 1 << 20
        let words = String(repeating: "a red picture of the sea ", count: megabyte / 25)
        #expect(tokenizer.encode(words).ids.count > 100_000)
        for text in ["a", " ", "\u{301}", "'", "\u{1F1E6}"] {
            let long = String(repeating: text, count: megabyte / text.utf8.count)
            let ids = tokenizer.encode(long).ids
            #expect(ids.count <= megabyte * 3 + 2)
        }
    }

    // MARK: Patterns

    @Test(arguments: WordScanner.allCases)
    func `a scanner finds what the regular expression finds`(_ scanner: WordScanner) throws {
        let expression = try RegularExpression(scanner.expression)
        var matches = 0
        for text in TokenizerTexts.golden.texts(seed: 99, count: 3000) {
            // The system's regular expressions may know characters that the scanners take for unassigned.
            let known = String(
                String.UnicodeScalarView(text.unicodeScalars.filter { ($0.properties.age?.major ?? 99) <= 13 }))
            var bytes = Array(known.utf8)
            bytes.withUnsafeMutableBufferPointer { bytes in
                let bytes = UTF8Bytes(bytes)
                var found: [[Int]] = []
                var expected: [[Int]] = []
                scanner.forEachSegment(of: bytes, 0..<bytes.count) { found.append([$0, $1, $2 ? 1 : 0]) }
                expression.forEachSegment(of: bytes, 0..<bytes.count) { expected.append([$0, $1, $2 ? 1 : 0]) }
                #expect(found == expected, "\(known.debugDescription)")
                matches += found.count
            }
        }
        #expect(matches > 3000)
    }

    @Test(arguments: [
        (.removed, ["the", "final", "countdown"]), (.isolated, ["the", "-", "final", "-", "-", "countdown"]),
        (.mergedWithPrevious, ["the-", "final-", "-", "countdown"]),
        (.mergedWithNext, ["the", "-final", "-", "-countdown"]), (.contiguous, ["the", "-", "final", "--", "countdown"]),
    ] as [(SplitBehavior, [String])])
    func `a text is split in five ways`(behavior: SplitBehavior, pieces: [String]) {
        let step = PreTokenizer.split(.literal([0x2D]), behavior, isInverted: false)
        #expect(Self.pieces(of: "the-final--countdown", step) == pieces)
    }

    @Test func `a split that is turned round takes what is between matches for matches`() {
        let step = PreTokenizer.split(.scanner(.clip), .removed, isInverted: true)
        #expect(Self.pieces(of: "It's 42 dogs!", step) == ["It", "'s", "4", "2", "dogs", "!"])
    }

    @Test func `a sign stands before the first word only, or before each`() {
        let sign = Array("\u{2581}".utf8)
        func step(_ scheme: PreTokenizer.Metaspace.Scheme) -> PreTokenizer {
            .metaspace(.init(replacement: sign, scheme: scheme, splits: true))
        }
        #expect(Self.pieces(of: "a  b", step(.first)) == ["▁a", "▁", "▁b"])
        #expect(Self.pieces(of: "a b", step(.first), beginsAtOrigin: false) == ["a", "▁b"])
        #expect(Self.pieces(of: "a b", step(.never)) == ["a", "▁b"])
        #expect(Self.pieces(of: " a", step(.always), beginsAtOrigin: false) == ["▁a"])
    }

    private static func pieces(of text: String, _ step: PreTokenizer, beginsAtOrigin: Bool = true) -> [String] {
        var list = PieceList()
        list.text = Array(text.utf8)
        list.beginsAtOrigin = beginsAtOrigin
        list.appendPiece(0, list.text.count)
        var spare = PieceList()
        step.apply(to: &list, &spare)
        return list.pieces.map { String(decoding: list.text[$0.start..<$0.end], as: UTF8.self) }
    }
}
