import Testing

@testable import PandoTraining

@Suite struct TableTests {
    @Test func `columns are aligned, whatever the letters' widths`() {
        var table = Table([.init("name"), .init("n", .right)])
        table.add("apple", "7")
        table.add("日本", "12")
        table.add("e\u{301}te\u{301} 👩‍👩‍👧", "3")
        #expect(
            table.description == """
                name     n
                ──────  ──
                apple    7
                日本    12
                e\u{301}te\u{301} 👩‍👩‍👧   3
                """)
    }

    @Test func `long cells are cut, missing ones empty, and line breaks become spaces`() {
        var table = Table([.init("a"), .init("b")], widestCell: 6)
        table.add("abcdefgh", "x\ny")
        table.add("日本語日本")
        #expect(
            table.description == """
                a       b
                ──────  ───
                abcde…  x y
                日本…
                """)
    }

    @Test func `control characters take no column`() {
        #expect(DisplayWidth.of("a\u{7}b") == 2)
        #expect(DisplayWidth.of("") == 0)
        #expect(DisplayWidth.of("🍎") == 2)
    }
}
