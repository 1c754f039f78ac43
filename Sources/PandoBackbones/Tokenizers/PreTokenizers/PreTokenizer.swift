/// One step that cuts a text into words.
enum PreTokenizer: Sendable {
    case byteLevel(addsPrefixSpace: Bool, splits: Bool)
    /// Words, and what is neither word nor white space.
    case whitespace
    case whitespaceSplit
    case bert
    case metaspace(Metaspace)
    case split(TextPattern, SplitBehavior, isInverted: Bool)
    case punctuation(SplitBehavior)
    case digits(SplitBehavior)
    case delimiter(UInt32)

    /// SentencePiece's way: a sign in place of each space, and in front of words.
    struct Metaspace: Sendable {
        enum Scheme: String, Sendable, CaseIterable {
            case always, first, never
        }
        let replacement: [UInt8]
        let scheme: Scheme
        let splits: Bool
    }

    func apply(to list: inout PieceList, _ spare: inout PieceList) {
        switch self {
        case .byteLevel(let addsPrefixSpace, let splits):
            Self.spellBytes(&list, &spare, addsPrefixSpace: addsPrefixSpace, splits: splits)
        case .whitespace: Self.splitWhitespace(&list, &spare)
        case .whitespaceSplit: Self.split(&list, &spare, .removed) { $1.contains(.whitespace) }
        case .bert: Self.splitBert(&list, &spare)
        case .metaspace(let metaspace): metaspace.apply(to: &list, &spare)
        case .split(let pattern, let behavior, let isInverted):
            list.split(into: &spare) { bytes, range, list in
                var cutter = PieceCutter(behavior)
                pattern.forEachSegment(of: bytes, range) {
                    cutter.add($0, $1, isMatch: $2 != isInverted, to: &list)
                }
                cutter.finish(&list)
            }
        case .punctuation(let behavior): Self.split(&list, &spare, behavior) { $1.contains(.punctuation) }
        case .digits(let behavior): Self.split(&list, &spare, behavior) { $1.contains(.numeric) }
        case .delimiter(let value): Self.split(&list, &spare, .removed) { character, _ in character == value }
        }
    }

    /// Splits at single characters.
    @inline(__always) private static func split(
        _ list: inout PieceList, _ spare: inout PieceList, _ behavior: SplitBehavior,
        _ isMatch: (UInt32, CharacterTraits) -> Bool
    ) {
        let table = CharacterTable.shared
        list.split(into: &spare) { bytes, range, list in
            var cutter = PieceCutter(behavior)
            var (done, index) = (range.lowerBound, range.lowerBound)
            while index < range.upperBound {
                let (value, length) = bytes.scalar(at: index)
                if isMatch(value, table[value]) {
                    if done < index { cutter.add(done, index, isMatch: false, to: &list) }
                    cutter.add(index, index + length, isMatch: true, to: &list)
                    done = index + length
                }
                index += length
            }
            if done < index { cutter.add(done, index, isMatch: false, to: &list) }
            cutter.finish(&list)
        }
    }

    private static func splitBert(_ list: inout PieceList, _ spare: inout PieceList) {
        let table = CharacterTable.shared
        list.split(into: &spare) { bytes, range, list in
            var (done, index) = (range.lowerBound, range.lowerBound)
            while index < range.upperBound {
                let (value, length) = bytes.scalar(at: index)
                let traits = table[value]
                if !traits.isDisjoint(with: [.whitespace, .punctuation]) {
                    list.appendPiece(done, index)
                    if traits.contains(.punctuation) { list.appendPiece(index, index + length) }
                    done = index + length
                }
                index += length
            }
            list.appendPiece(done, index)
        }
    }

    /// `\w+|[^\w\s]+`
    private static func splitWhitespace(_ list: inout PieceList, _ spare: inout PieceList) {
        let table = CharacterTable.shared
        list.split(into: &spare) { bytes, range, list in
            var (start, index) = (range.lowerBound, range.lowerBound)
            var current: CharacterTraits = .whitespace
            while index < range.upperBound {
                let (value, length) = bytes.scalar(at: index)
                let kind = table[value].intersection([.word, .whitespace])
                if kind != current {
                    if !current.contains(.whitespace) { list.appendPiece(start, index) }
                    (start, current) = (index, kind)
                }
                index += length
            }
            if !current.contains(.whitespace) { list.appendPiece(start, index) }
        }
    }

    private static func spellBytes(
        _ list: inout PieceList, _ spare: inout PieceList, addsPrefixSpace: Bool, splits: Bool
    ) {
        var prefixed: [UInt8] = []
        list.rewrite(into: &spare) { bytes, range, list in
            func append(_ bytes: UTF8Bytes, _ range: Range<Int>) {
                func append(_ start: Int, _ end: Int, _: Bool) {
                    let before = list.text.count
                    ByteCharacters.append(bytes.slice(start, end), to: &list.text)
                    list.appendPiece(before, list.text.count)
                }
                if splits {
                    WordScanner.gpt2.forEachSegment(of: bytes, range, append)
                } else {
                    append(range.lowerBound, range.upperBound, false)
                }
            }
            if addsPrefixSpace, bytes[range.lowerBound] != 0x20 {
                prefixed.removeAll(keepingCapacity: true)
                prefixed.append(0x20)
                prefixed.append(contentsOf: bytes[range])
                prefixed.withUnsafeBufferPointer { append($0, 0..<$0.count) }
            } else {
                append(bytes, range)
            }
        }
    }
}

extension PreTokenizer.Metaspace {
    fileprivate func apply(to list: inout PieceList, _ spare: inout PieceList) {
        let isAtOrigin = list.beginsAtOrigin
        list.rewrite(into: &spare) { bytes, range, list in
            var start = list.text.count
            let beginsWithSign =
                bytes[range.lowerBound] == 0x20 || bytes.starts(with: replacement, at: range.lowerBound)
            let isPrefixed =
                switch scheme {
                case .always: true
                case .first: isAtOrigin && range.lowerBound == 0
                case .never: false
                }
            if isPrefixed && !beginsWithSign { list.text.append(contentsOf: replacement) }
            var index = range.lowerBound
            while index < range.upperBound {
                let byte = bytes[index]
                let isSpace = byte == 0x20
                if isSpace || (byte == replacement[0] && bytes.starts(with: replacement, at: index)) {
                    if splits {
                        list.appendPiece(start, list.text.count)
                        start = list.text.count
                    }
                    list.text.append(contentsOf: replacement)
                    index += isSpace ? 1 : replacement.count
                } else {
                    list.text.append(byte)
                    index += 1
                }
            }
            list.appendPiece(start, list.text.count)
        }
    }
}
