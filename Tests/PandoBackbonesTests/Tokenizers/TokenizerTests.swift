import Foundation
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBackbones

@Suite struct TokenizerTests {
    private static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    /// The tokenizer of the sentence encoder, from the weights that the set-up fetches.
    private static let real = tests.deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent(".prefix/weights/all-MiniLM-L6-v2/tokenizer.json")

    private struct Golden: Decodable {
        struct Case: Decodable { let text: String, ids: [Int32], truncated: [Int32]? }
        let texts: [Case]
    }

    @Test func `numbers are those of the tokenizers package on nasty texts`() throws {
        let data = try Data(contentsOf: Self.tests.appendingPathComponent("Golden/wordpiece.json"))
        let cases = try JSONDecoder().decode(Golden.self, from: data).texts
        #expect(cases.count > 400)
        let cutting = try Tokenizer(Self.real)
        var whole = cutting
        whole.truncation = nil
        whole.padding = nil
        for example in cases {
            #expect(whole.encode(example.text).ids == example.ids, "\(example.text.debugDescription)")
            let cut = example.truncated ?? example.ids
            let found = cutting.encode(example.text)
            #expect(found.ids == cut + [Int32](repeating: 0, count: 128 - cut.count))
            #expect(found.attentionMask.reduce(0, +) == Int32(cut.count))
        }
    }

    /// Characters that changed their category, or came, after Unicode 8; numbers by tokenizers 0.23.3.
    @Test(
        arguments: [
            ("a\u{166D}b", [101, 1037, 100, 1038, 102]), ("a\u{1734}b", [101, 11113, 102]),
            ("a\u{1885}b", [101, 100, 102]),
            ("a\u{A9BD}b", [101, 100, 102]), ("a\u{111C9}b", [101, 1037, 100, 1038, 102]),
            ("a\u{1171E}b", [101, 11113, 102]),
            ("a\u{890}b", [101, 100, 102]), ("a\u{2E52}b", [101, 100, 102]), ("a\u{AD}b", [101, 11113, 102]),
        ] as [(String, [Int32])])
    func `characters are those of Unicode 8`(text: String, ids: [Int32]) throws {
        var tokenizer = try Tokenizer(Self.real)
        tokenizer.padding = nil
        #expect(tokenizer.encode(text).ids == ids)
    }

    @Test func `a batch is filled up to its longest text, and masked`() throws {
        var tokenizer = try Tokenizer(Self.real)
        tokenizer.padding = .init(.longest)
        let batch = tokenizer.encode(["red apple", "", "a red apple"])
        #expect(batch.count == 3 && batch.length == 5)
        #expect(batch.ids == [101, 2417, 6207, 102, 0, 101, 102, 0, 0, 0, 101, 1037, 2417, 6207, 102])
        #expect(batch.attentionMask == [1, 1, 1, 1, 0, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1])
        #expect(batch.typeIDs == [Int32](repeating: 0, count: 15))
        #expect(tokenizer.encode([]).length == 0)
        tokenizer.padding = nil
        #expect(tokenizer.encode(["red apple", "", "a red apple"]) == batch)
        #expect(
            tokenizer.vocabularySize == 30522 && tokenizer.id(of: "##ing") == 2075 && tokenizer.id(of: "nope!") == nil)
    }

    // MARK: A small tokenizer

    private static let vocabulary = [
        "[PAD]", "[UNK]", "[CLS]", "[SEP]", "un", "##aff", "##able", "##a", "hello", "e\u{301}", "\u{E9}", "é!",
    ]

    /// A tokenizer.json of a dozen tokens, with parts replaced by `changes` (JSON texts by their names).
    private static func file(_ changes: [String: String] = [:]) -> String {
        let vocab = vocabulary.enumerated().map { "\(JSON.quoted($1)):\($0)" }.joined(separator: ",")
        var parts = [
            "truncation": "null", "padding": "null", "added_tokens": "[]",
            "pre_tokenizer": #"{"type":"BertPreTokenizer"}"#,
            "normalizer":
                #"{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":false,"lowercase":true}"#,
            "post_processor": #"{"type":"BertProcessing","sep":["[SEP]",3],"cls":["[CLS]",2]}"#,
            "model": """
            {"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":9,\
            "vocab":{\(vocab)}}
            """,
        ]
        parts.merge(changes) { $1 }
        return "{" + parts.map { "\"\($0)\":\($1)" }.joined(separator: ",") + "}"
    }

    private func tokenizer(_ changes: [String: String] = [:]) throws -> Tokenizer {
        let directory = try TemporaryDirectory()
        return try Tokenizer(directory.file("tokenizer.json", holding: Array(Self.file(changes).utf8)))
    }

    @Test func `a word is split into its longest known pieces, or is unknown`() throws {
        let tokenizer = try tokenizer()
        #expect(tokenizer.encode("unaffable").ids == [2, 4, 5, 6, 3])
        #expect(tokenizer.encode("unaffa").ids == [2, 4, 5, 7, 3])
        #expect(tokenizer.encode("unaffx").ids == [2, 1, 3])
        #expect(tokenizer.encode("unaffaaaaa").ids == [2, 1, 3], "ten characters are too long")
        #expect(tokenizer.encode("Hello,hello").ids == [2, 8, 1, 8, 3])
    }

    @Test func `spellings that look alike are different tokens`() throws {
        let tokenizer = try tokenizer()
        #expect(tokenizer.encode("e\u{301}").ids == [2, 9, 3])
        #expect(tokenizer.encode("\u{E9}").ids == [2, 10, 3])
    }

    @Test func `truncation and padding do as the file says, on either side`() throws {
        let tokenizer = try tokenizer([
            "truncation": #"{"max_length":4,"strategy":"LongestFirst","stride":0,"direction":"Left"}"#,
            "padding":
                #"{"strategy":"BatchLongest","direction":"Left","pad_to_multiple_of":3,"pad_id":7,"pad_type_id":1,"pad_token":"x"}"#,
        ])
        let batch = tokenizer.encode(["hello un hello", ""])
        #expect(batch.length == 6)
        #expect(batch.ids == [7, 7, 2, 4, 8, 3, 7, 7, 7, 7, 2, 3])
        #expect(batch.attentionMask == [0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1])
        #expect(batch.typeIDs == [1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0])
    }

    @Test func `a fixed padding shorter than a text does not cut it`() throws {
        var tokenizer = try tokenizer()
        tokenizer.padding = .init(.fixed(3))
        let batch = tokenizer.encode(["un un un", ""])
        #expect(batch.length == 5 && batch.ids == [2, 4, 4, 4, 3, 2, 3, 0, 0, 0])
    }

    @Test func `added tokens are found in the text, by their own rules`() throws {
        let added = [
            (20, "<a>", #""lstrip":true,"rstrip":false,"single_word":false,"normalized":false"#),
            (21, "hallo", #""lstrip":false,"rstrip":false,"single_word":true,"normalized":true"#),
            (22, "<a>b", #""lstrip":false,"rstrip":true,"single_word":false,"normalized":false"#),
        ].map { #"{"id":\#($0),"content":"\#($1)","special":false,\#($2)}"# }
        let tokenizer = try tokenizer(["added_tokens": "[\(added.joined(separator: ","))]"])
        #expect(tokenizer.encode("un  <a>un").ids == [2, 4, 20, 4, 3])
        #expect(tokenizer.encode("<a>b  un").ids == [2, 22, 4, 3], "the longest at a place wins")
        #expect(tokenizer.encode("HALLO un").ids == [2, 21, 4, 3], "searched for in the normalised text")
        #expect(tokenizer.encode("hallox hallo").ids == [2, 1, 21, 3], "only as a word of its own")
        #expect(tokenizer.vocabularySize == 23)
    }

    // MARK: Refusals

    @Test(arguments: [
        ("model", #"{"type":"CharCNN","vocab":{}}"#, "type CharCNN is not supported; supported: BPE, Unigram, Word"),
        ("model", "null", "model: is missing"),
        ("model", #"{"type":"WordPiece","unk_token":"[UNK]","vocab":{"a":0}}"#, "is not in \"vocab\""),
        ("model", #"{"type":"WordPiece","unk_token":"a","vocab":{"a":-1}}"#, "the number of a is not a whole number"),
        ("normalizer", #"{"type":"Romanize"}"#, "normalizer: type Romanize is not supported; supported: BertNormalizer"),
        ("normalizer", #"{"type":"BertNormalizer","lowercase":1}"#, "normalizer: \"lowercase\" is not true or false"),
        ("pre_tokenizer", #"{"type":"UnicodeScripts"}"#, "pre_tokenizer: type UnicodeScripts is not supported"),
        ("post_processor", #"{"type":"Chat"}"#, "type Chat is not supported; supported: BertProcessing, ByteLevel"),
        ("decoder", #"{"type":"CTC"}"#, "decoder: type CTC is not supported; supported: BPEDecoder"),
        (
            "post_processor",
            #"{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"[X]","type_id":0}}],"special_tokens":{}}"#,
            "numbers of [X]"
        ),
        ("truncation", #"{"max_length":4,"strategy":"OnlySecond"}"#, "truncation: strategy OnlySecond"),
        ("truncation", #"{"max_length":1,"strategy":"LongestFirst"}"#, "no room for the 2 special tokens"),
        ("padding", #"{"strategy":"Random"}"#, "padding: \"strategy\" is neither"),
        (
            "added_tokens",
            #"[{"id":3,"content":"hello","single_word":false,"lstrip":false,"rstrip":false,"normalized":false}]"#,
            "hello has number 3 here and 8"
        ),
    ])
    func `a part that there is no equal for is refused by name`(part: String, value: String, says: String) throws {
        let error = #expect(throws: TokenizerError.self) { try tokenizer([part: value]) }
        #expect("\(try #require(error))".contains(says))
    }

    @Test func `all problems are told at once`() throws {
        let error = #expect(throws: TokenizerError.self) {
            try tokenizer(["model": #"{"type":"BPE"}"#, "normalizer": #"{"type":"NF"}"#, "padding": "{}"])
        }
        #expect(error?.problems.count == 3)
    }

    @Test func `a file that is missing or no JSON is told so`() throws {
        let directory = try TemporaryDirectory()
        #expect(throws: TokenizerError.self) { try Tokenizer(directory.file("none.json")) }
        let place = try directory.file("tokenizer.json", holding: Array("<html>".utf8))
        let error = #expect(throws: TokenizerError.self) { try Tokenizer(place) }
        #expect("\(try #require(error))".contains("not valid JSON"))
        let other = try directory.file("config.json", holding: Array(#"{"architectures":["BertModel"]}"#.utf8))
        let otherError = #expect(throws: TokenizerError.self) { try Tokenizer(other) }
        #expect("\(try #require(otherError))".contains("but no tokenizer.json"))
    }
}
