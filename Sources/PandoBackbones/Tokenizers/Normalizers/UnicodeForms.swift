import Foundation

/// One of Unicode's four normalisation forms.
struct UnicodeForm: Sendable {
    let isComposed: Bool
    /// Whether characters that only look or mean much the same become one.
    let isCompatible: Bool

    static let composed = UnicodeForm(isComposed: true, isCompatible: false)
    static let decomposed = UnicodeForm(isComposed: false, isCompatible: false)
    static let compatiblyComposed = UnicodeForm(isComposed: true, isCompatible: true)
    static let compatiblyDecomposed = UnicodeForm(isComposed: false, isCompatible: true)
}

/// Brings texts into normalisation forms as of Unicode 9: characters that came later stay as they are.
///
/// The mappings of single characters and pairs are Foundation's; each is asked for once and kept.
/// - Source: Unicode Standard Annex 15; the version is that of the Hugging Face `tokenizers` package.
final class UnicodeForms {
    private struct Character {
        var value: UInt32
        /// The canonical combining class.
        var order: UInt8
    }

    /// Decompositions: where each begins in `mapped`, and how long it is; by compatibility, then by character.
    private var places: [[UInt32: Range<Int>]] = [[:], [:]]
    private var mapped: [Character] = []
    /// What two characters become together; 0 if they stay apart.
    private var composites: [UInt64: UInt32] = [:]
    /// More pairs than any language has; a text of nonsense could have millions.
    private static let compositeLimit = 1 << 14
    private var buffer: [Character] = []

    func applied(_ form: UnicodeForm, to text: [UInt8]) -> [UInt8] {
        text.withUnsafeBufferPointer { bytes in
            var result: [UInt8] = []
            var done = 0
            var index = 0
            var lastSettled = 0
            while index < bytes.count {
                if bytes[index] < 0x80 {
                    lastSettled = index
                    index += 1
                    continue
                }
                let (value, length) = bytes.scalar(at: index)
                if isSettled(value, form) {
                    lastSettled = index
                    index += length
                    continue
                }
                if result.isEmpty { result.reserveCapacity(bytes.count * 2) }
                // Composing may change the character in front, too.
                let start = form.isComposed ? max(lastSettled, done) : index
                result.append(contentsOf: bytes[done..<start])
                var end = index + length
                while end < bytes.count {
                    let next = bytes.scalar(at: end)
                    if isSettled(next.value, form) { break }
                    end += next.length
                }
                appendNormalized(bytes.slice(start, end), form, to: &result)
                (done, index, lastSettled) = (end, end, end)
            }
            if done == 0 { return text }
            result.append(contentsOf: bytes[done...])
            return result
        }
    }

    /// Whether a character stays as it is and has no part in what the next one becomes; for some that do, it says no.
    private func isSettled(_ value: UInt32, _ form: UnicodeForm) -> Bool {
        switch value {
        case ..<0xA0, 0x5D0...0x5EA, 0xE01...0xE30, 0x2012...0x2016, 0x2018...0x2023, 0x3400...0x9FFF,
            0x1F300...0x1FAFF:
            return true
        case 0x400...0x482, 0x48A...0x52F, 0x679...0x6BF, 0x3041...0x3096, 0x30A1...0x30FA, 0xAC00...0xD7A3,
            0xC0...0x131, 0x14A...0x17E:
            if form.isComposed { return true }
        case ..<0x300: if form.isComposed && !form.isCompatible { return true }
        default: break
        }
        return CharacterTable.shared[value].contains(.afterNormalization)
    }

    private func appendNormalized(_ bytes: UTF8Bytes, _ form: UnicodeForm, to result: inout [UInt8]) {
        buffer.removeAll(keepingCapacity: true)
        var index = 0
        while index < bytes.count {
            let (value, length) = bytes.scalar(at: index)
            buffer.append(contentsOf: mapped[decomposition(of: value, isCompatible: form.isCompatible)])
            index += length
        }
        orderMarks()
        if form.isComposed { compose() }
        for character in buffer { result.append(scalar: character.value) }
    }

    /// Sorts the marks behind each character by their combining classes, keeping the order of equal ones.
    private func orderMarks() {
        var start = 0
        while start < buffer.count {
            guard buffer[start].order > 0 else {
                start += 1
                continue
            }
            var end = start + 1
            while end < buffer.count, buffer[end].order > 0 { end += 1 }
            if end - start > 1 { buffer[start..<end].sort { $0.order < $1.order } }
            start = end
        }
    }

    private func compose() {
        var kept = 0
        var starter = -1
        // The class of what stands between the starter and the next character; nil if nothing does.
        var last: UInt8?
        for index in buffer.indices {
            let character = buffer[index]
            let isBlocked = last.map { $0 >= character.order } ?? false
            if starter >= 0, !isBlocked, let composite = composite(buffer[starter].value, character.value) {
                buffer[starter].value = composite
                continue
            }
            if character.order == 0 {
                starter = kept
                last = nil
            } else {
                last = character.order
            }
            buffer[kept] = character
            kept += 1
        }
        buffer.removeLast(buffer.count - kept)
    }

    /// Where the decomposition stands in `mapped`.
    private func decomposition(of value: UInt32, isCompatible: Bool) -> Range<Int> {
        let kind = isCompatible ? 1 : 0
        if let place = places[kind][value] { return place }
        let start = mapped.count
        if let scalar = Unicode.Scalar(value), !CharacterTable.shared[value].contains(.afterNormalization) {
            let text = String(scalar)
            let decomposed =
                isCompatible ? text.decomposedStringWithCompatibilityMapping : text.decomposedStringWithCanonicalMapping
            for part in decomposed.unicodeScalars {
                mapped.append(
                    Character(value: part.value, order: part.properties.canonicalCombiningClass.rawValue))
            }
        } else {
            mapped.append(Character(value: value, order: 0))
        }
        let place = start..<mapped.count
        places[kind][value] = place
        return place
    }

    private func composite(_ first: UInt32, _ second: UInt32) -> UInt32? {
        let table = CharacterTable.shared
        if let syllable = Self.syllable(first, second) { return syllable }
        // The one pair that Foundation leaves apart.
        if first == 0x0CCA, second == 0x0CD5 { return 0x0CCB }
        // Else, only marks compose with what is in front of them.
        guard table[second].contains(.mark) else { return nil }
        let key = UInt64(first) << 32 | UInt64(second)
        if let known = composites[key] { return known == 0 ? nil : known }
        var result: UInt32 = 0
        if let one = Unicode.Scalar(first), let other = Unicode.Scalar(second),
            !table[first].contains(.afterNormalization)
        {
            let apart = String(one) + String(other)
            let together = apart.precomposedStringWithCanonicalMapping
            // Foundation takes some characters beyond U+FFFF for others; what it composes must decompose to the same.
            if let scalar = together.unicodeScalars.first, together.unicodeScalars.count == 1,
                !table[scalar.value].contains(.afterNormalization),
                together.decomposedStringWithCanonicalMapping.unicodeScalars
                    .elementsEqual(apart.decomposedStringWithCanonicalMapping.unicodeScalars)
            {
                result = scalar.value
            }
        }
        if composites.count >= Self.compositeLimit { composites.removeAll() }
        composites[key] = result
        return result == 0 ? nil : result
    }

    /// A syllable of Hangul, of two letters or of a syllable and its last letter, by the standard's arithmetic.
    private static func syllable(_ first: UInt32, _ second: UInt32) -> UInt32? {
        let (firsts, vowels, lasts, syllables): (UInt32, UInt32, UInt32, UInt32) = (0x1100, 0x1161, 0x11A7, 0xAC00)
        let (vowelCount, lastCount): (UInt32, UInt32) = (21, 28)
        if (firsts..<firsts + 19).contains(first), (vowels..<vowels + vowelCount).contains(second) {
            return syllables + ((first - firsts) * vowelCount + second - vowels) * lastCount
        }
        guard (syllables..<syllables + 19 * vowelCount * lastCount).contains(first),
            (first - syllables) % lastCount == 0, (lasts + 1..<lasts + lastCount).contains(second)
        else { return nil }
        return first + second - lasts
    }
}
