/// What tokenizers ask of a character. Each trait is that of the Unicode version that the original asks.
struct CharacterTraits: OptionSet, Sendable {
    let rawValue: UInt16

    /// `\p{L}`, `\p{N}` and `\w` of regular expressions, as of Unicode 16.
    static let letter = CharacterTraits(rawValue: 1 << 0)
    static let number = CharacterTraits(rawValue: 1 << 1)
    static let word = CharacterTraits(rawValue: 1 << 2)
    /// White space, the same in all versions.
    static let whitespace = CharacterTraits(rawValue: 1 << 3)
    /// Numbers as of today.
    static let numeric = CharacterTraits(rawValue: 1 << 4)
    /// Its lower case is something else.
    static let hasLowercase = CharacterTraits(rawValue: 1 << 5)
    /// ASCII's marks that are neither letters, digits nor spaces, and Unicode 8's punctuation.
    static let punctuation = CharacterTraits(rawValue: 1 << 6)
    /// What BERT's cleaning drops, and what its stripping of accents drops: as of Unicode 8.
    static let control = CharacterTraits(rawValue: 1 << 7)
    static let accent = CharacterTraits(rawValue: 1 << 8)
    /// A mark as of Unicode 9.
    static let mark = CharacterTraits(rawValue: 1 << 9)
    /// Not there yet in Unicode 9, to which normalisation forms keep.
    static let afterNormalization = CharacterTraits(rawValue: 1 << 10)
}

/// The traits of all characters, found by two look-ups.
///
/// Most blocks of 256 characters are like another one, so that the whole takes some tens of kilobytes.
///
/// `@unchecked Sendable`: the memory is filled before the one value is made, never written again, and never freed.
struct CharacterTable: @unchecked Sendable {
    static let shared = CharacterTable()

    /// The place of each block of 256 characters.
    private let blocks: UnsafePointer<UInt16>
    private let traits: UnsafePointer<UInt16>

    @inline(__always) subscript(scalar: UInt32) -> CharacterTraits {
        CharacterTraits(rawValue: traits[Int(blocks[Int(scalar >> 8)]) << 8 | Int(scalar & 0xFF)])
    }

    /// The traits of an ASCII character; the first block is stored first.
    @inline(__always) subscript(ascii byte: UInt8) -> CharacterTraits {
        CharacterTraits(rawValue: traits[Int(byte)])
    }

    private init() {
        let blockCount = 0x1100
        var places: [[UInt16]: UInt16] = [:]
        var uniformPlaces: [UInt16: UInt16] = [:]
        var all: [UInt16] = []
        let blocks = UnsafeMutablePointer<UInt16>.allocate(capacity: blockCount)
        for block in 0..<blockCount {
            let first = UInt32(block) << 8
            let next = UInt16(all.count / 256)
            if Self.isUniform(block) {
                let value = Self.traits(of: first).rawValue
                blocks[block] = uniformPlaces[value, default: next]
                guard uniformPlaces.updateValue(blocks[block], forKey: value) == nil else { continue }
                all += repeatElement(value, count: 256)
            } else {
                let content = (0..<256).map { Self.traits(of: first + $0).rawValue }
                blocks[block] = places[content, default: next]
                guard places.updateValue(blocks[block], forKey: content) == nil else { continue }
                all += content
            }
        }
        let traits = UnsafeMutablePointer<UInt16>.allocate(capacity: all.count)
        traits.initialize(from: all, count: all.count)
        self.blocks = UnsafePointer(blocks)
        self.traits = UnsafePointer(traits)
    }

    /// Blocks of ideographs, of Hangul and without any characters: what holds for the first holds for all.
    private static func isUniform(_ block: Int) -> Bool {
        switch block {
        case 0x34...0x4C, 0x4E...0x9E, 0xAC...0xD6, 0xD8...0xDF, 0x200...0x2A5, 0x324...0xDFF, 0xE10...0xFFE: true
        default: false
        }
    }

    private static func traits(of value: UInt32) -> CharacterTraits {
        guard let scalar = Unicode.Scalar(value) else { return [] }
        let properties = scalar.properties
        guard let age = properties.age else { return .afterNormalization }
        let category = properties.generalCategory
        var traits: CharacterTraits = []
        if properties.isWhitespace { traits.insert(.whitespace) }
        if properties.changesWhenLowercased { traits.insert(.hasLowercase) }
        if category.isNumber { traits.insert(.numeric) }
        if age.major <= 16 {
            if category.isLetter { traits.insert(.letter) }
            if category.isNumber { traits.insert(.number) }
            if properties.isAlphabetic || properties.isJoinControl || category.isMark
                || category == .decimalNumber || category == .connectorPunctuation
            {
                traits.insert(.word)
            }
        }
        if age.major > 9 { traits.insert(.afterNormalization) }
        if Self.isMark(value, category) && age.major <= 9 { traits.insert(.mark) }
        let early = Self.earlyCategory(value, category, majorAge: age.major)
        if early == .nonspacingMark { traits.insert(.accent) }
        switch value {
        case 0x09, 0x0A, 0x0D: break
        case 0x00...0x1F, 0x7F...0x9F, 0xFFFD: traits.insert(.control)
        default: if early == .format || early == .privateUse { traits.insert(.control) }
        }
        switch value {
        case 0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E: traits.insert(.punctuation)
        default: if value >= 0x80 && early.isPunctuation { traits.insert(.punctuation) }
        }
        return traits
    }

    /// Two signs were marks in Unicode 9 and are letters now; with a third it is the other way round.
    private static func isMark(_ value: UInt32, _ category: Unicode.GeneralCategory) -> Bool {
        switch value {
        case 0x1CF2, 0x1CF3: true
        case 0x111C9: false
        default: category.isMark
        }
    }

    /// The category in Unicode 8; unassigned if the character came later.
    private static func earlyCategory(
        _ value: UInt32, _ category: Unicode.GeneralCategory, majorAge: Int
    ) -> Unicode.GeneralCategory {
        guard majorAge <= 8 else { return .unassigned }
        switch value {
        case 0x166D, 0x111C9: return .otherPunctuation
        case 0x1734, 0x1171E: return .nonspacingMark
        case 0x1885, 0x1886: return .otherLetter
        case 0xA9BD: return .spacingMark
        default: return category
        }
    }
}

extension Unicode.GeneralCategory {
    fileprivate var isLetter: Bool {
        switch self {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
        default: false
        }
    }

    fileprivate var isNumber: Bool {
        switch self {
        case .decimalNumber, .letterNumber, .otherNumber: true
        default: false
        }
    }

    fileprivate var isMark: Bool {
        switch self {
        case .nonspacingMark, .spacingMark, .enclosingMark: true
        default: false
        }
    }

    fileprivate var isPunctuation: Bool {
        switch self {
        case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
            .finalPunctuation, .otherPunctuation:
            true
        default: false
        }
    }
}
