import Foundation
import PandoTensor
import PandoTestSupport

extension Workshop {
    private static let words = [
        ["apple", "bread", "cheese", "soup", "rice", "tea"], ["engine", "wheel", "brake", "road", "fuel", "gear"],
    ]

    /// Sixty short texts of two topics, in `texts.csv`.
    func writeTexts() throws {
        var lines = ["text,topic,size,split"]
        for index in 0..<60 {
            let words = (0..<4).map { Self.words[index % 2][(index * 5 + $0 * $0 + index / 6) % 6] }
            let split = index / 2 % 5 == 3 ? "validation" : index / 2 % 5 == 4 ? "test" : "train"
            lines.append("\(words.joined(separator: " ")),\(["food", "cars"][index % 2]),\(index),\(split)")
        }
        try write(lines.joined(separator: "\n") + "\n", to: "texts.csv")
    }

    /// A folder of a small BERT as Hugging Face writes it: two layers, a token for each word.
    func writeBERT(_ name: String = "bert", width: Int = 16) throws {
        let vocabulary = ["[UNK]"] + Self.words.joined()
        let tokens = vocabulary.enumerated().map { "\"\($1)\": \($0)" }.joined(separator: ", ")
        try write(
            """
            {"version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
             "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
             "model": {"type": "WordLevel", "vocab": {\(tokens)}, "unk_token": "[UNK]"}}
            """, to: "\(name)/tokenizer.json")
        try write(
            """
            {"model_type": "bert", "architectures": ["BertModel"],
             "vocab_size": \(vocabulary.count), "hidden_size": \(width),
             "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 32,
             "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "pad_token_id": 0}
            """, to: "\(name)/config.json")
        var shapes: [String: [Int]] = [
            "embeddings.word_embeddings.weight": [vocabulary.count, width],
            "embeddings.position_embeddings.weight": [32, width], "embeddings.token_type_embeddings.weight": [2, width],
        ]
        func layer(_ name: String, _ outputs: Int, _ inputs: Int) {
            (shapes["\(name).weight"], shapes["\(name).bias"]) = ([outputs, inputs], [outputs])
        }
        func norm(_ name: String) { (shapes["\(name).weight"], shapes["\(name).bias"]) = ([width], [width]) }
        norm("embeddings.LayerNorm")
        for block in ["encoder.layer.0", "encoder.layer.1"] {
            for part in ["self.query", "self.key", "self.value", "output.dense"] {
                layer("\(block).attention.\(part)", width, width)
            }
            layer("\(block).intermediate.dense", 32, width)
            layer("\(block).output.dense", width, 32)
            norm("\(block).attention.output.LayerNorm")
            norm("\(block).output.LayerNorm")
        }
        layer("pooler.dense", width, width)
        let weights = Dictionary(uniqueKeysWithValues: shapes.map { ($0, Tensor.wave($0, $1)) })
        try SafetensorsFile.write(weights, to: folder.file("\(name)/model.safetensors"))
    }

    /// A plan for `texts.csv` on the small BERT: a task with the adapter, and one without.
    func textPlan(_ name: String = "texts.yaml", adapter: String, epochs: Int = 25, more: String = "") throws -> String {
        try write(
            """
            name: texts
            backbone: ./bert
            data: {kind: csv, path: texts.csv, text: text, split: split, columns: {topic: category, size: number}}
            tasks:
              topic: {kind: classification, adapter: \(adapter)}
              size: {kind: regression}
            train: {epochs: \(epochs), batch_size: 8, patience: 1000}
            \(more)
            """, to: name)
    }
}
