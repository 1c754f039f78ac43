import Foundation
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBackbones

/// Files as they are written in several ways, and files that cannot be used.
@Suite struct TokenizerFileTests {
    private func content(_ name: String) throws -> [String: Any] {
        let data = try Data(contentsOf: TokenizerTexts.folder.appendingPathComponent("\(name)/tokenizer.json"))
        return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    private func read(_ content: [String: Any]) throws -> Tokenizer {
        let directory = try TemporaryDirectory()
        let data = try JSONSerialization.data(withJSONObject: content)
        return try Tokenizer(directory.file("tokenizer.json", holding: Array(data)))
    }

    /// A file whose model, or another part, is this JSON.
    private func read(_ part: String, _ json: String) throws -> Tokenizer {
        var content = try content("wordlevel")
        content[part] = try JSONSerialization.jsonObject(with: Data(json.utf8))
        return try read(content)
    }

    @Test func `merges are pairs, or strings with a space, in files with and without the model's type`() throws {
        var content = try content("gpt2")
        let newer = try read(content)
        var model = try #require(content["model"] as? [String: Any])
        let merges = try #require(model["merges"] as? [[String]])
        model["merges"] = ["#version: 0.2"] + merges.map { $0.joined(separator: " ") }
        model["type"] = nil
        content["model"] = model
        let older = try read(content)
        for text in TokenizerTexts.all.prefix(300) { #expect(older.encode(text) == newer.encode(text)) }
    }

    @Test func `an unknown token may be among the added ones`() throws {
        var content = try content("wordlevel")
        content["model"] = ["type": "BPE", "vocab": ["a": 0], "merges": [String](), "unk_token": "<other>"]
        content["added_tokens"] = [Any]()
        let error = #expect(throws: TokenizerError.self) { try read(content) }
        #expect("\(try #require(error))".contains("\"unk_token\" \"<other>\" is not in \"vocab\""))
        content["added_tokens"] = [
            [
                "id": 5000, "content": "<other>", "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true,
            ]
        ]
        let tokenizer = try read(content)
        #expect(tokenizer.encode("A\u{1F9EA}a").ids == [0, 5000, 0])
        #expect(tokenizer.vocabularySize == 5001 && tokenizer.token(of: 5000) == "<other>")
        #expect(tokenizer.token(of: 4999) == nil)
    }

    @Test(arguments: [
        ("model", #"{"type":"BPE","vocab":{"a":0,"b":1},"merges":["a b"]}"#, "merge 0 joins \"a\" and \"b\""),
        ("model", #"{"type":"BPE","vocab":{"a":0},"merges":["a  a"]}"#, "merge 0 is neither \"a b\" nor"),
        ("model", #"{"type":"BPE","vocab":{"a":0},"merges":[["a"]]}"#, "merge 0 is neither \"a b\" nor"),
        ("model", #"{"type":"BPE","vocab":{"a":0}}"#, "has no list \"merges\""),
        ("model", #"{"type":"BPE","vocab":{"a":0},"merges":[],"dropout":0.1}"#, "\"dropout\" makes tokens random"),
        ("model", #"{"type":"BPE","vocab":{"a":4294967296},"merges":[]}"#, "the number of a is not a whole number"),
        ("model", #"{"type":"WordLevel","vocab":{"a":0},"unk_token":"u"}"#, "\"unk_token\" \"u\" is not in \"vocab\""),
        ("model", #"{"type":"Unigram","vocab":[["a",0.5]]}"#, "\"unk_id\" is not a whole number"),
        ("model", #"{"type":"Unigram","vocab":[["a",0.5]],"unk_id":1}"#, "\"unk_id\" 1 is outside the 1 pieces"),
        ("model", #"{"type":"Unigram","vocab":[["a"]],"unk_id":0}"#, "entry 0 of \"vocab\" is not a piece"),
        ("model", #"{"type":"Unigram","vocab":[["a","b"]],"unk_id":0}"#, "the score of \"a\" is not a number"),
        ("model", "{}", "model: has no \"vocab\""),
        ("normalizer", #"{"type":"Precompiled","precompiled_charsmap":"?"}"#, "is not in base 64"),
        ("normalizer", #"{"type":"Precompiled","precompiled_charsmap":"AAA="}"#, "has 2 bytes, too few"),
        ("normalizer", #"{"type":"Precompiled","precompiled_charsmap":"/////wAAAAA="}"#, "trie of 4294967295 bytes in 4"),
        ("normalizer", #"{"type":"Precompiled","precompiled_charsmap":"BAAAAAgAAIA="}"#, "points to byte 8 of its"),
        ("normalizer", #"{"type":"Replace","pattern":{"Regex":"(a"},"content":""}"#, "regular expression (a cannot be read"),
        ("normalizer", #"{"type":"Replace","pattern":{"String":""},"content":"x"}"#, "\"pattern\" is empty"),
        ("normalizer", #"{"type":"Sequence","normalizers":[{"type":"Lowercase"},{"type":"Up"}]}"#, "type Up is not supported"),
        (
            "pre_tokenizer", #"{"type":"Split","pattern":{"Regex":"\\d{2}+"},"behavior":"Removed","invert":false}"#,
            "has a + behind }"
        ),
        (
            "pre_tokenizer", #"{"type":"Split","pattern":{"String":"a"},"behavior":"Shredded","invert":false}"#,
            "expected one of Removed, Isolated"
        ),
        (
            "pre_tokenizer", #"{"type":"Metaspace","replacement":"▁","add_prefix_space":false}"#,
            "\"prepend_scheme\" is always; expected never"
        ),
        ("pre_tokenizer", #"{"type":"Metaspace","replacement":"ab"}"#, "\"replacement\" is not one character"),
        (
            "post_processor",
            #"{"type":"Sequence","processors":[{"type":"BertProcessing","sep":["a",1],"cls":["b",2]},{"type":"RobertaProcessing","sep":["a",1],"cls":["b",2]}]}"#,
            "two parts of the Sequence put tokens around"
        ),
        (
            "added_tokens",
            #"[{"id":3,"content":"new!","single_word":false,"lstrip":false,"rstrip":false,"normalized":false}]"#,
            "new! has number 3, which is"
        ),
    ])
    func `a file that contradicts itself is refused, saying where`(part: String, json: String, says: String) throws {
        let error = #expect(throws: TokenizerError.self) { try read(part, json) }
        #expect("\(try #require(error))".contains(says), "\(error.debugDescription)")
    }

    @Test func `a damaged character map is refused or does no harm`() throws {
        var content = try content("t5")
        var normalizer = try #require(content["normalizer"] as? [String: Any])
        var steps = try #require(normalizer["normalizers"] as? [[String: Any]])
        let encoded = try #require(steps[0]["precompiled_charsmap"] as? String)
        let map = try #require(Data(base64Encoded: encoded))
        var generator = SeededGenerator(seed: 3)
        var refused = 0
        for _ in 0..<200 {
            var damaged = map
            for _ in 0..<4 {
                damaged[Int.random(in: 0..<map.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
            if Bool.random(using: &generator) {
                damaged = damaged.prefix(Int.random(in: 0..<map.count, using: &generator))
            }
            steps[0]["precompiled_charsmap"] = damaged.base64EncodedString()
            normalizer["normalizers"] = steps
            content["normalizer"] = normalizer
            do {
                let tokenizer = try read(content)
                for text in TokenizerTexts.all.prefix(50) { #expect(!tokenizer.encode(text).ids.isEmpty) }
            } catch let error as TokenizerError {
                #expect("\(error)".contains("precompiled_charsmap"))
                refused += 1
            }
        }
        #expect(refused > 20 && refused < 200)
    }

    // MARK: Two texts

    @Test func `two texts are cut as asked for`() throws {
        var tokenizer = try read(content("bert"))
        let (first, second) = ("the of and to in is", "red blue")
        let (a, b) = (
            tokenizer.encode(first, addingSpecialTokens: false).ids,
            tokenizer.encode(second, addingSpecialTokens: false).ids
        )
        #expect(a.count == 6 && b.count == 2)
        let (begin, end) = (try #require(tokenizer.id(of: "[CLS]")), try #require(tokenizer.id(of: "[SEP]")))
        tokenizer.truncation = .init(length: 8, strategy: .onlyFirst)
        #expect(try tokenizer.encode(first, second).ids == [begin] + a.prefix(3) + [end] + b + [end])
        #expect(try tokenizer.encode(first, second).typeIDs == [0, 0, 0, 0, 0, 1, 1, 1])
        tokenizer.truncation = .init(length: 8, side: .left, strategy: .onlySecond)
        #expect(throws: TruncationError(count: 2, excess: 3)) { try tokenizer.encode(first, second) }
        #expect(try tokenizer.encode(second, first).ids == [begin] + b + [end] + a.suffix(3) + [end])
        tokenizer.truncation = .init(length: 4)
        #expect(try tokenizer.encode(first, second, addingSpecialTokens: false).ids == a.prefix(2) + b)
        let batch = try tokenizer.encode(pairs: [(first, second), ("", "")])
        #expect(batch.length == 4 && batch.attentionMask == [1, 1, 1, 1, 1, 1, 1, 0])
    }

    @Test func `tokens become text again, with or without special ones`() throws {
        let tokenizer = try read(content("bert"))
        let ids = tokenizer.encode("The red picture, please!").ids
        #expect(tokenizer.decode(ids) == "the red picture, please!")
        #expect(tokenizer.decode(ids, skippingSpecialTokens: false) == "[CLS] the red picture, please! [SEP]")
        let bytes = try read(content("gpt2"))
        #expect(bytes.decode(bytes.encode("na\u{EF}ve \u{1F642}").ids) == "na\u{EF}ve \u{1F642}")
        #expect(bytes.decode(bytes.encode("\u{1F642}").ids.dropLast()) == "\u{FFFD}", "not yet complete")
        var plain = try content("gpt2")
        plain["decoder"] = NSNull()
        #expect(try read(plain).decode(bytes.encode("a b").ids) == "a \u{120}b")
        #expect(bytes.decode([1 << 20]) == "")
    }
}
