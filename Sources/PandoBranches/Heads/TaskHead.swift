import PandoNN
import PandoTensor

/// The head of any task: one of the kinds there are.
public enum TaskHead: Module {
    case classification(ClassificationHead)
    case tagging(TaggingHead)
    case regression(RegressionHead)
    case retrieval(RetrievalHead)

    /// A batch's targets, of the head's kind.
    public enum Targets: Sendable {
        /// Class numbers.
        case classes([Int])
        /// `[N, K]` of 0 and 1.
        case labels(Tensor)
        /// `[N]`.
        case numbers(Tensor)
        /// Text features `[N, T]`.
        case texts(Tensor)
    }

    public var featureCount: Int {
        switch self {
        case .classification(let head): head.featureCount
        case .tagging(let head): head.featureCount
        case .regression(let head): head.featureCount
        case .retrieval(let head): head.featureCount
        }
    }

    /// The outputs for `features` `[N, F]`; of a retrieval head, the images' places.
    public func callAsFunction(_ features: Tensor) -> Tensor {
        switch self {
        case .classification(let head): head(features)
        case .tagging(let head): head(features)
        case .regression(let head): head(features)
        case .retrieval(let head): head(features)
        }
    }

    /// The mean loss of a batch, with dropout if there is a generator.
    /// - Precondition: the targets are of the head's kind.
    public func loss(_ features: Tensor, _ targets: Targets, using generator: inout SeededGenerator?) -> Tensor {
        switch (self, targets) {
        case (.classification(let head), .classes(let classes)):
            return head.loss(head(features, using: &generator), classes, using: &generator)
        case (.tagging(let head), .labels(let labels)):
            return head.loss(head(features, using: &generator), labels, using: &generator)
        case (.regression(let head), .numbers(let numbers)):
            return head.loss(head(features, using: &generator), numbers, using: &generator)
        case (.retrieval(let head), .texts(let texts)):
            return head.loss(head(features, using: &generator), texts, using: &generator)
        default:
            stop("TaskHead: the targets are of another kind than the head")
        }
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        switch self {
        case .classification(var head):
            head.visit(&visitor)
            self = .classification(head)
        case .tagging(var head):
            head.visit(&visitor)
            self = .tagging(head)
        case .regression(var head):
            head.visit(&visitor)
            self = .regression(head)
        case .retrieval(var head):
            head.visit(&visitor)
            self = .retrieval(head)
        }
    }
}
