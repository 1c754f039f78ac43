/// What a text is searched for.
///
/// The patterns of well-known tokenizers are recognised by their text and searched for by hand-written scanners, many
/// times faster than by a general regular expression, which all others become.
enum TextPattern: Sendable {
    case literal([UInt8])
    case scanner(WordScanner)
    case expression(RegularExpression)

    /// - Throws: `RegularExpression.SyntaxError`.
    init(expression: String) throws(RegularExpression.SyntaxError) {
        if let scanner = WordScanner(expression) {
            self = .scanner(scanner)
        } else {
            self = .expression(try RegularExpression(expression))
        }
    }

    /// Cuts `range` of a text into matches and what is between them: start, end, whether it matches.
    func forEachSegment(of bytes: UTF8Bytes, _ range: Range<Int>, _ body: (Int, Int, Bool) -> Void) {
        switch self {
        case .literal(let content): Self.search(content, bytes, range, body)
        case .scanner(let scanner): scanner.forEachSegment(of: bytes, range, body)
        case .expression(let expression): expression.forEachSegment(of: bytes, range, body)
        }
    }

    private static func search(
        _ content: [UInt8], _ bytes: UTF8Bytes, _ range: Range<Int>, _ body: (Int, Int, Bool) -> Void
    ) {
        let text = UTF8Bytes(rebasing: bytes[..<range.upperBound])
        var done = range.lowerBound
        var index = done
        while index + content.count <= text.count {
            guard text[index] == content[0], text.starts(with: content, at: index) else {
                index += 1
                continue
            }
            if done < index { body(done, index, false) }
            body(index, index + content.count, true)
            index += content.count
            done = index
        }
        if done < range.upperBound { body(done, range.upperBound, false) }
    }
}
