import PandoBackbones
import PandoNN
import PandoTensor

/// One task's part of a bundle: its adapter and its head.
public struct Branch: Module {
    public var adapter: any Adapter
    public var head: TaskHead

    /// - Precondition: the head reads vectors of the length that the adapter makes.
    public init(adapter: any Adapter, head: TaskHead) {
        require(
            adapter.featureCount == head.featureCount,
            "Branch: the adapter makes \(adapter.featureCount) features, the head reads \(head.featureCount)")
        (self.adapter, self.head) = (adapter, head)
    }

    /// The task's outputs; of a retrieval task, the pictures' places.
    public func callAsFunction(_ features: Features) -> Tensor { head(adapter(features)) }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("adapter", &adapter)
        visitor.module("head", &head)
    }
}
