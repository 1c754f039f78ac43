/// One step on the way from tokens back to text. A token is its spelling here; steps change, split or join them.
enum TokenDecoder: Sendable {
    case byteLevel
    case wordPiece(prefix: [UInt8], cleansUp: Bool)
    /// - Parameter dropsFirst: whether signs in the first token vanish instead of becoming spaces.
    case metaspace(replacement: UInt32, dropsFirst: Bool)
    case endSuffix([UInt8])
    case replace(TextPattern, by: [UInt8])
    case fuse
    /// Takes up to so many of a character off each token's beginning and end.
    case strip(UInt32, start: Int, end: Int)
    case byteFallback

    func applied(to tokens: [[UInt8]]) -> [[UInt8]] {
        switch self {
        case .byteLevel: [Self.bytes(of: tokens)]
        case .wordPiece(let prefix, let cleansUp): Self.joined(tokens, prefix: prefix, cleansUp: cleansUp)
        case .metaspace(let replacement, let dropsFirst):
            tokens.enumerated().map { position, token in
                Self.replaced(replacement, in: token, bySpace: !(position == 0 && dropsFirst))
            }
        case .endSuffix(let suffix):
            tokens.enumerated().map { position, token in
                Self.replaced(.literal(suffix), in: token, by: position == tokens.count - 1 ? [] : [0x20])
            }
        case .replace(let pattern, let content): tokens.map { Self.replaced(pattern, in: $0, by: content) }
        case .fuse: [Array(tokens.joined())]
        case .strip(let character, let start, let end):
            tokens.map { Self.stripped($0, of: character, start: start, end: end) }
        case .byteFallback: Self.withoutByteTokens(tokens)
        }
    }

    /// Tokens of byte characters; one that has others stands for itself.
    private static func bytes(of tokens: [[UInt8]]) -> [UInt8] {
        var result: [UInt8] = []
        for token in tokens {
            let before = result.count
            for scalar in String(decoding: token, as: UTF8.self).unicodeScalars {
                guard let byte = ByteCharacters.byte(of: scalar.value) else {
                    result.removeLast(result.count - before)
                    result += token
                    break
                }
                result.append(byte)
            }
        }
        return Array(String(decoding: result, as: UTF8.self).utf8)
    }

    private static func joined(_ tokens: [[UInt8]], prefix: [UInt8], cleansUp: Bool) -> [[UInt8]] {
        tokens.enumerated().map { position, token in
            var token = token
            if position > 0 {
                token = token.starts(with: prefix) ? Array(token.dropFirst(prefix.count)) : [0x20] + token
            }
            if cleansUp {
                for (from, to) in artefacts { token = replaced(.literal(from), in: token, by: to) }
            }
            return token
        }
    }

    /// Spaces that tokenizing put in, and what takes their place, in this order.
    private static let artefacts: [([UInt8], [UInt8])] = [
        (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"),
        (" do not", " don't"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
    ].map { (Array($0.utf8), Array($1.utf8)) }

    private static func replaced(_ sign: UInt32, in token: [UInt8], bySpace: Bool) -> [UInt8] {
        var result: [UInt8] = []
        for scalar in String(decoding: token, as: UTF8.self).unicodeScalars {
            if scalar.value != sign {
                result.append(scalar: scalar.value)
            } else if bySpace {
                result.append(0x20)
            }
        }
        return result
    }

    private static func replaced(_ pattern: TextPattern, in token: [UInt8], by content: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        token.withUnsafeBufferPointer { bytes in
            pattern.forEachSegment(of: bytes, 0..<bytes.count) { start, end, isMatch in
                if isMatch { result += content } else { result += bytes[start..<end] }
            }
        }
        return result
    }

    private static func stripped(_ token: [UInt8], of character: UInt32, start: Int, end: Int) -> [UInt8] {
        let scalars = Array(String(decoding: token, as: UTF8.self).unicodeScalars)
        let first = scalars.prefix(start).prefix { $0.value == character }.count
        let last = scalars.suffix(end).reversed().prefix { $0.value == character }.count
        guard first + last < scalars.count else { return [] }
        var result: [UInt8] = []
        for scalar in scalars[first..<scalars.count - last] { result.append(scalar: scalar.value) }
        return result
    }

    /// Runs of byte tokens become the characters that they spell; each byte a replacement character if they spell none.
    private static func withoutByteTokens(_ tokens: [[UInt8]]) -> [[UInt8]] {
        var result: [[UInt8]] = []
        var bytes: [UInt8] = []
        func flush() {
            if String(validating: bytes, as: UTF8.self) != nil {
                if !bytes.isEmpty { result.append(bytes) }
            } else {
                result += repeatElement(Array("\u{FFFD}".utf8), count: bytes.count)
            }
            bytes = []
        }
        for token in tokens {
            if let byte = ByteTokens.byte(of: token[...]) {
                bytes.append(byte)
            } else {
                flush()
                result.append(token)
            }
        }
        flush()
        return result
    }
}
