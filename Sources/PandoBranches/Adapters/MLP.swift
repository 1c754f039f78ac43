import PandoBackbones
import PandoNN
import PandoTensor

/// One hidden layer over the vector of the frozen pass, whose features are brought to one scale first.
///
/// - Shapes: vector `[N, C]` → `[N, H]`.
/// - Cost: `(C + 1) H` parameters, and `2 C` of the layer norm.
public struct MLP: Adapter {
    public var norm: LayerNorm?
    public var hidden: Linear
    public let activation: Activation
    public let dropout: Dropout

    public init(
        vectorLength: Int, hidden: Int, activation: Activation = .relu, dropout: Float = 0, normalizes: Bool = true,
        using generator: inout SeededGenerator
    ) {
        norm = normalizes ? LayerNorm(vectorLength) : nil
        self.hidden = Linear(vectorLength, hidden, using: &generator)
        self.activation = activation
        self.dropout = Dropout(dropout)
    }

    public var request: FeatureRequest { .vector }
    public var featureCount: Int { hidden.outFeatures }

    public func callAsFunction(_ features: Features, during pass: TrainingPass?) -> Tensor {
        let vector = norm?(features.pooled) ?? features.pooled
        return dropout(hidden(vector).applying(activation), during: pass).cast(to: .float32)
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("norm", &norm)
        visitor.module("hidden", &hidden)
    }
}

/// The hidden layer's options.
public struct MLPConfiguration: AdapterConfiguration {
    public enum Nonlinearity: String, Sendable, Hashable, Codable, CaseIterable { case relu, gelu }

    public static let kind = "mlp"
    public static let summary = "one hidden layer over the vector of the frozen pass"
    public static let options: [PlanOption<MLPConfiguration>] = [
        PlanOption("hidden", "width of the hidden layer", .integer(1...65536) { $0.hidden = $1 }),
        PlanOption(
            "activation", "its nonlinearity",
            .choice(Nonlinearity.allCases.map(\.rawValue)) { $0.activation = Nonlinearity(rawValue: $1) ?? $0.activation }),
        PlanOption("dropout", "share of the hidden features dropped in training", .number(0...0.95) { $0.dropout = $1 }),
        PlanOption("normalized", "whether a layer norm comes first", .flag { $0.normalized = $1 }),
    ]

    public var hidden = 256
    public var activation = Nonlinearity.relu
    public var dropout = 0.0
    public var normalized = true

    public init() {}

    public func makeAdapter(on backbone: any Backbone, vectorLength: Int, using generator: inout SeededGenerator)
        throws(AdapterError) -> any Adapter
    {
        MLP(
            vectorLength: vectorLength, hidden: hidden, activation: activation == .relu ? .relu : .gelu,
            dropout: Float(dropout), normalizes: normalized, using: &generator)
    }
}
