import PandoNN
import PandoTensor

/// The map from features to outputs that heads share: standardised, then linear, and perhaps one hidden layer beside
/// the linear path.
///
/// `linear(s) + output(dropout(relu(hidden(dropout(s)))))` with `s` the standardised features. The linear path can
/// start from a closed-form solution (`startingFrom(linear:)`). Beside a hidden path it is not trained any further,
/// and the hidden path starts by adding nothing, so that training begins at the closed-form solution and learns what
/// that misses.
/// - Shapes: `[N, F]` → `[N, K]`.
public struct Predictor: Module {
    public var standardization: Standardization
    public var linear: Linear
    /// The hidden path, if there is one.
    public var hidden: Linear?
    public var output: Linear?
    /// Dropout of the features and of the hidden layer.
    public let dropout: Dropout

    public var featureCount: Int { standardization.featureCount }
    public var outputCount: Int { linear.outFeatures }

    /// - Parameters:
    ///   - hiddenCount: the hidden layer's size; `nil` for a linear map alone.
    ///   - dropout: the share of features, and of the hidden layer, put to zero while training.
    /// - Precondition: `outputs` and `hiddenCount` are positive.
    public init(
        _ standardization: Standardization, outputs: Int, hiddenCount: Int? = nil, dropout: Float = 0,
        using generator: inout some RandomNumberGenerator
    ) {
        require(outputs > 0, "Predictor: \(outputs) outputs")
        require(hiddenCount ?? 1 > 0, "Predictor: a hidden layer of size \(hiddenCount ?? 0)")
        let features = standardization.featureCount
        self.standardization = standardization
        self.dropout = Dropout(dropout)
        linear = Linear(weight: .zeros([outputs, features]), bias: .zeros([outputs]))
        if let hiddenCount {
            hidden = Linear(features, hiddenCount, using: &generator)
            output = Linear(weight: .zeros([outputs, hiddenCount]), bias: .zeros([outputs]))
        }
    }

    /// The same with `linear` on the linear path, which takes standardised features.
    public func startingFrom(linear: Linear) -> Predictor {
        require(
            linear.weight.shape == self.linear.weight.shape && linear.bias != nil,
            "Predictor: a linear start of \(linear.weight.shape), expected \(self.linear.weight.shape) and a bias")
        var copy = self
        copy.linear = linear
        return copy
    }

    public func callAsFunction(_ features: Tensor, using generator: inout SeededGenerator?) -> Tensor {
        require(
            features.rank == 2 && features.shape[1] == featureCount,
            "head: features \(features.shape), expected [N, \(featureCount)]")
        let standardized = standardization(features)
        guard let hidden, let output else { return linear(dropout(standardized, using: &generator)) }
        let direct = linear(standardized)
        let middle = hidden(dropout(standardized, using: &generator)).relu()
        return direct + output(dropout(middle, using: &generator))
    }

    /// The outputs when nothing is learned.
    public func callAsFunction(_ features: Tensor) -> Tensor {
        var none: SeededGenerator?
        return self(features, using: &none)
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("standardization", &standardization)
        if var hidden, var output {
            visitor.enter("linear")
            visitor.buffer("weight", &linear.weight)
            if var bias = linear.bias {
                visitor.buffer("bias", &bias)
                linear.bias = bias
            }
            visitor.leave()
            visitor.module("hidden", &hidden)
            visitor.module("output", &output)
            (self.hidden, self.output) = (hidden, output)
        } else {
            visitor.module("linear", &linear)
        }
    }
}
