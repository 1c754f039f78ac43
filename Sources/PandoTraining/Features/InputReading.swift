import Foundation
import PandoBackbones
import PandoData
import PandoTensor

/// How examples become what a backbone takes.
public enum InputReading: Sendable {
    case pictures(Preprocessing)
    case texts(TextReading)

    /// What stored features depend on besides the backbone and the content.
    var digest: String {
        switch self {
        case .pictures(let preprocessing): preprocessing.digest
        case .texts(let texts): texts.digest
        }
    }

    /// An example of the right shape that means nothing: to learn shapes from, and for rehearsals.
    func blank(_ count: Int) -> ExampleInputs {
        switch self {
        case .pictures(let preprocessing): .pictures(DecodedPictures(blank: count, preprocessing: preprocessing))
        case .texts(let texts): .texts(TokenizedTexts(blank: count, maximumTokens: texts.maximumTokens))
        }
    }
}

/// A tokenizer, and how much of a text is read.
public struct TextReading: Sendable {
    public let tokenizer: Tokenizer
    public let maximumTokens: Int
    /// A name for exactly this tokenizer and length.
    let digest: String

    /// - Parameter digest: of the backbone that the tokenizer belongs to.
    init(_ tokenizer: Tokenizer, maximumTokens: Int, digest: String) {
        self.tokenizer = tokenizer
        self.maximumTokens = maximumTokens
        self.digest = FileDigest.of(Data("\(digest) \(maximumTokens)".utf8))
    }
}
