import PandoTensor
import Testing

@Suite struct JSONTests {
    private func parse(_ text: String) throws -> JSON {
        try Array(text.utf8).withUnsafeBytes { try JSON(parsing: $0) }
    }

    @Test func `values of every kind are read`() throws {
        let json = try parse(#" {"a":[1,-2.5e3,true,false,null],"b":{"c":"x\n\"\u00e9\ud83d\ude00\\"},"":0} "#)
        let items = try #require(json["a"]?.array)
        #expect(items[0].integer == 1)
        if case .number(let value) = items[1] { #expect(value == -2500) } else { Issue.record("not a number") }
        #expect(items[2].bool == true && items[3].bool == false && items[4].isNull)
        #expect(json["b"]?["c"]?.string == "x\n\"é😀\\")
        #expect(json[""]?.integer == 0)
        #expect(json.members?.map(\.key) == ["a", "b", ""])
    }

    @Test func `a whole number beyond Int is a number, not a whole number`() throws {
        #expect(try parse("9223372036854775807").integer == .max)
        #expect(try parse("9223372036854775808").integer == nil)
    }

    @Test(arguments: [
        "", "{", "[1,]", "{\"a\":1,}", "{a:1}", "01", "1.", ".5", "+1", "1e", "nul", "\"a", "\"\\x\"", "\"\u{1}\"",
        "\"\\ud800\"", "\"\\udc00\\ud800\"", "\"\\u12g4\"", "[1] 2", "1e999", "'a'", "{\"a\" 1}", "[1 2]", "NaN",
    ])
    func `what is not JSON is refused`(text: String) {
        #expect(throws: JSON.ParseError.self) { try parse(text) }
    }

    @Test func `bytes that are not UTF-8 are refused`() {
        #expect(throws: JSON.ParseError.self) {
            try [0x22, 0xC3, 0x28, 0x22].withUnsafeBytes { try JSON(parsing: $0) }
        }
    }

    @Test func `a key that occurs twice is named, but equal looks are not equal keys`() throws {
        let error = #expect(throws: JSON.ParseError.self) { try parse(#"{"k":1,"k":2}"#) }
        #expect("\(try #require(error))".contains("\"k\" occurs twice"))
        // "é" as one scalar and as two.
        #expect(try parse("{\"\u{E9}\":1,\"e\u{301}\":2}")["e\u{301}"]?.integer == 2)
    }

    @Test func `deep nesting is refused before the stack ends`() {
        #expect(throws: JSON.ParseError.self) { try parse(String(repeating: "[", count: 1_000_000)) }
    }

    @Test func `a quoted text reads back as itself`() throws {
        let text = "a\"b\\c\n\r\t\u{0}\u{1F}é😀/"
        #expect(try parse(JSON.quoted(text)).string == text)
    }
}
