import Foundation
import PandoTensor

/// What is done to a text before and after the model: normalizers, pre-tokenizers, decoders.
extension TokenizerFile {
    static func normalizers(_ json: JSON?) throws(Problem) -> [Normalizer] {
        var result: [Normalizer] = []
        for part in try flattened(json, "normalizers") { result.append(try normalizer(part)) }
        return result
    }

    private static func normalizer(_ json: JSON) throws(Problem) -> Normalizer {
        let known = [
            "BertNormalizer", "ByteLevel", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Nmt", "Precompiled", "Prepend",
            "Replace", "Sequence", "Strip", "StripAccents",
        ]
        switch try type(of: json, among: known) {
        case "BertNormalizer":
            let lowercases = try bool(json, "lowercase")
            return .bert(
                BertNormalizer(
                    cleansText: try bool(json, "clean_text"),
                    separatesIdeographs: try bool(json, "handle_chinese_chars"),
                    stripsAccents: try bool(json, "strip_accents", absent: lowercases), lowercases: lowercases))
        case "ByteLevel": return .byteLevel
        case "Lowercase": return .lowercase
        case "NFC": return .form(.composed)
        case "NFD": return .form(.decomposed)
        case "NFKC": return .form(.compatiblyComposed)
        case "NFKD": return .form(.compatiblyDecomposed)
        case "Nmt": return .translation
        case "Precompiled": return .precompiled(try characterMap(json))
        case "Prepend": return .prepend(Array(try string(json, "prepend").utf8))
        case "Replace": return .replace(try pattern(json), by: Array(try string(json, "content").utf8))
        case "Strip": return .strip(left: try bool(json, "strip_left"), right: try bool(json, "strip_right"))
        default: return .stripAccents
        }
    }

    private static func characterMap(_ json: JSON) throws(Problem) -> CharacterMap {
        guard let data = Data(base64Encoded: try string(json, "precompiled_charsmap")) else {
            throw Problem("\"precompiled_charsmap\" is not in base 64")
        }
        do { return try CharacterMap(Array(data)) } catch { throw Problem("\"precompiled_charsmap\" \(error.reason)") }
    }

    static func preTokenizers(_ json: JSON?) throws(Problem) -> [PreTokenizer] {
        var result: [PreTokenizer] = []
        for part in try flattened(json, "pretokenizers") { result.append(try preTokenizer(part)) }
        return result
    }

    private static func preTokenizer(_ json: JSON) throws(Problem) -> PreTokenizer {
        let known = [
            "BertPreTokenizer", "ByteLevel", "CharDelimiterSplit", "Digits", "Metaspace", "Punctuation", "Sequence",
            "Split", "Whitespace", "WhitespaceSplit",
        ]
        switch try type(of: json, among: known) {
        case "BertPreTokenizer": return .bert
        case "ByteLevel":
            return .byteLevel(
                addsPrefixSpace: try bool(json, "add_prefix_space"), splits: try bool(json, "use_regex", absent: true))
        case "CharDelimiterSplit": return .delimiter(try character(json, "delimiter"))
        case "Digits": return .digits(try bool(json, "individual_digits") ? .isolated : .contiguous)
        case "Metaspace": return .metaspace(try metaspace(json))
        case "Punctuation": return .punctuation(try choice(json, "behavior", absent: .isolated))
        case "Split":
            return .split(
                try pattern(json), try choice(json, "behavior"), isInverted: try bool(json, "invert"))
        case "Whitespace": return .whitespace
        default: return .whitespaceSplit
        }
    }

    private static func metaspace(_ json: JSON) throws(Problem) -> PreTokenizer.Metaspace {
        let scheme: PreTokenizer.Metaspace.Scheme = try choice(json, "prepend_scheme", absent: .always)
        if try bool(json, "add_prefix_space", absent: true) == false, scheme != .never {
            throw Problem("\"add_prefix_space\" is false, but \"prepend_scheme\" is \(scheme.rawValue); expected never")
        }
        var replacement: [UInt8] = []
        replacement.append(scalar: try character(json, "replacement"))
        return PreTokenizer.Metaspace(
            replacement: replacement, scheme: scheme, splits: try bool(json, "split", absent: true))
    }

    /// nil if there are none.
    static func decoders(_ json: JSON?) throws(Problem) -> [TokenDecoder]? {
        guard json != nil else { return nil }
        var result: [TokenDecoder] = []
        for part in try flattened(json, "decoders") { result.append(try decoder(part)) }
        return result
    }

    private static func decoder(_ json: JSON) throws(Problem) -> TokenDecoder {
        let known = [
            "BPEDecoder", "ByteFallback", "ByteLevel", "Fuse", "Metaspace", "Replace", "Sequence", "Strip", "WordPiece",
        ]
        switch try type(of: json, among: known) {
        case "BPEDecoder":
            let suffix = try string(json, "suffix")
            guard !suffix.isEmpty else { throw Problem("\"suffix\" is empty") }
            return .endSuffix(Array(suffix.utf8))
        case "ByteFallback": return .byteFallback
        case "ByteLevel": return .byteLevel
        case "Fuse": return .fuse
        case "Metaspace":
            return .metaspace(
                replacement: try character(json, "replacement"), dropsFirst: try metaspace(json).scheme != .never)
        case "Replace": return .replace(try pattern(json), by: Array(try string(json, "content").utf8))
        case "Strip":
            return .strip(
                try character(json, "content"), start: try count(json, "start"), end: try count(json, "stop"))
        default:
            return .wordPiece(prefix: Array(try string(json, "prefix").utf8), cleansUp: try bool(json, "cleanup"))
        }
    }
}
