import Foundation
import PandoTensor
import Testing

@testable import PandoData

/// Digests against the examples of FIPS 180-4.
@Suite struct SHA256Tests {
    @Test func digestsEqualThePublishedOnes() {
        let published = [
            "": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "abc": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq":
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ]
        for (text, digest) in published { #expect(SHA256.hash(data: Data(text.utf8)).hexadecimal == digest) }
    }

    @Test func piecesMakeTheSameDigestAsTheWhole() {
        let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        var hash = SHA256()
        for start in stride(from: 0, to: bytes.count, by: 997) {
            hash.update(data: bytes[start..<min(start + 997, bytes.count)])
        }
        #expect(hash.finalize() == SHA256.hash(data: bytes))
    }
}
