import Foundation
import PandoBackbones

extension Work {
    /// The kinds that are measured, with their files: MiniLM's own, and the small ones that the tests hold us against.
    ///
    /// Must be as in `peer_tokenizers.py`.
    private static let tokenizerFiles =
        [("minilm", ".prefix/weights/all-MiniLM-L6-v2/tokenizer.json")]
        + ["gpt2", "clip", "llama3", "llama2", "t5", "xlmr"].map {
            ($0, "Tests/PandoBackbonesTests/Golden/Tokenizers/\($0)/tokenizer.json")
        }

    /// Every eighth line of this package's sources to token numbers, on one thread.
    static func tokenization() -> [Work] {
        tokenizerFiles.map { name, path in
            let key = Key(work: "tokenize \(name)", precision: "i32", batch: 1, unit: "texts/s")
            return Work(keys: [key]) { meeting in
                var tokenizer = try Tokenizer(URL(fileURLWithPath: path))
                tokenizer.padding = nil
                tokenizer.truncation = nil
                let texts = try sourceLines()
                let ours = OwnRuns(unitsPerRun: texts.count) { for text in texts { _ = tokenizer.encode(text) } }
                let (figure, peers) = try meeting.rates(key, ours, against: ["tokenizers"])
                return [Comparison(key: key, ours: figure, peers: peers, goal: .ratioAtLeast(1))]
            }
        }
    }

    private static func sourceLines() throws -> [String] {
        let folder = "Sources"
        let paths = (FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? [])
            .filter { $0.hasSuffix(".swift") }
            .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        var lines: [String] = []
        for path in paths {
            let text = try String(contentsOfFile: folder + "/" + path, encoding: .utf8)
            // Each a string of its own: a slice keeps the whole file.
            lines += text.split(separator: "\n").map(String.init)
        }
        return stride(from: 0, to: lines.count, by: 8).map { lines[$0] }
    }
}
