import PandoNN
import PandoTensor

/// A BERT encoder of text, under Hugging Face's names; MiniLM is one. RoBERTa and XLM-R place tokens otherwise,
/// DistilBERT has no types.
///
/// - Shapes: `[N, T]` → taps `layers.0`, the embeddings, to `layers.L` of `[N, T, C]`, pooled `[N, C]`. A text's padding
///   stands behind it.
/// - Source: Devlin et al. 2019 (arXiv:1810.04805), section 3; post-norm. Liu et al. 2019 (arXiv:1907.11692); Sanh et
///   al. 2019 (arXiv:1910.01108), section 3.
public struct BERT: BlockwiseBackbone, PoolingTextBackbone {
    var words, positions: Embedding
    var types: Embedding?
    var norm: LayerNorm
    var layers: [BERTLayer]
    var pooler: Linear?
    public private(set) var configuration: BERTConfiguration

    /// The network with weights of the right shapes, to be loaded.
    /// - Precondition: `configuration` has no problems.
    public init(_ configuration: BERTConfiguration) {
        require(configuration.problems.isEmpty, "BERT: \(configuration.problems.joined(separator: "; "))")
        let size = configuration.hiddenSize
        words = Embedding(rows: configuration.vocabularySize, features: size)
        positions = Embedding(rows: configuration.maximumPositions, features: size)
        if configuration.typeVocabularySize > 0 {
            types = Embedding(rows: configuration.typeVocabularySize, features: size)
        }
        norm = LayerNorm(size, epsilon: configuration.epsilon)
        layers = (0..<configuration.layerCount).map { _ in BERTLayer(configuration) }
        if configuration.hasPooler { pooler = .blank(size, size) }
        self.configuration = configuration
    }

    public var pooledFeatures: Int { configuration.hiddenSize }
    public var maximumLength: Int { configuration.maximumPositions - configuration.firstPosition }

    public var taps: [Tap] {
        (0...layers.count).map {
            Tap(name: "layers.\($0)", depth: $0, channels: configuration.hiddenSize, kind: .tokens)
        }
    }

    public func pooling(by pooling: TextPooling) -> BERT? {
        var changed = self
        changed.configuration.pooling = pooling
        return changed.configuration.problems.isEmpty ? changed : nil
    }

    public var blockPaths: [String] { ["embeddings"] + layers.indices.map { "encoder.layer.\($0)" } }

    public func embedded(_ input: BackboneInput, during pass: TrainingPass?) -> Tensor {
        let texts = input.texts(for: self)
        return embeddings(ids: texts.ids, typeIDs: texts.typeIDs)
    }

    /// The first block is the embeddings' norm.
    public func block(_ index: Int, _ state: Tensor, mask: Tensor?, during pass: TrainingPass?) -> Tensor {
        index == 0 ? norm(state) : layers[index - 1](state, mask: mask.map(TokenTensors.addedToScores))
    }

    public func pooled(_ last: Tensor, mask: Tensor?) -> Tensor {
        let pooled = last.pooled(by: configuration.pooling, mask ?? .ones(Array(last.shape[..<2])))
        return configuration.pooling == .pooler ? pooler.map { $0(pooled).tanh() } ?? pooled : pooled
    }

    /// The states after the embeddings and after every layer.
    ///
    /// - Shapes: `ids`, `typeIDs` and `attentionMask` (1 for a token, 0 for padding) `[N, T]` → `L + 1` states
    ///   `[N, T, C]`.
    /// - Precondition: `T` is at most the number of positions; ids are in the vocabulary.
    public func states(ids: Tensor, attentionMask: Tensor, typeIDs: Tensor? = nil) -> [Tensor] {
        require(
            ids.rank == 2 && attentionMask.shape == ids.shape,
            "BERT: ids \(ids.shape) and attention mask \(attentionMask.shape) differ")
        return states(from: embeddings(ids: ids, typeIDs: typeIDs), attentionMask: attentionMask)
    }

    /// What stands for the tokens before anything is normalised: the sums of the vectors of token, type and place.
    ///
    /// - Shapes: `[N, T]` → `[N, T, C]`.
    /// - Precondition: as for `states`.
    public func embeddings(ids: Tensor, typeIDs: Tensor? = nil) -> Tensor {
        let (length, first) = (ids.shape[1], configuration.firstPosition)
        require((1...maximumLength).contains(length), "BERT: \(length) tokens, expected 1...\(maximumLength)")
        let places = positions.weight.slice(first..<first + length)
        guard let types else { return words(ids) + places }
        let typed = typeIDs.map { types($0) } ?? types.weight.slice(0..<1)
        return words(ids) + (typed + places)
    }

    /// The normalised embeddings and the states after every layer.
    ///
    /// - Shapes: `[N, T, C]` → `L + 1` states `[N, T, C]`; without a mask all `[N, T]` are tokens.
    public func states(from embeddings: Tensor, attentionMask: Tensor? = nil) -> [Tensor] {
        var states: [Tensor] = []
        for index in 0...layers.count {
            states.append(block(index, states.last ?? embeddings, mask: attentionMask, during: nil))
        }
        return states
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.enter("embeddings")
        visitor.module("word_embeddings", &words)
        visitor.module("position_embeddings", &positions)
        visitor.module("token_type_embeddings", &types)
        visitor.module("LayerNorm", &norm)
        visitor.leave()
        visitor.enter("encoder")
        visitor.modules("layer", &layers)
        visitor.leave()
        visitor.module("pooler.dense", &pooler)
    }
}
