import PandoBackbones
import PandoBranches
import PandoNN
import PandoTensor

/// A backbone and the heads of all tasks on it, trained as one.
struct SharedNetwork<Backbone: ImageBackbone>: Module {
    var backbone: Backbone
    /// By task, in the plan's order.
    var heads: [TaskHead]
    let taskNames: [String]
    /// The taps whose means join the pooled vector.
    let readTaps: [Tap.Name]

    /// A picture's vector, as `FrozenBackbone.vectors` has it.
    ///
    /// - Shapes: `[N, H, W, 3]` → `[N, F]`, `float32`.
    func vectors(of pictures: Tensor, during pass: TrainingPass) -> Tensor {
        backbone.features(of: pictures, reading: Set(readTaps), during: pass).vector(summarizing: readTaps)
            .cast(to: .float32)
    }

    mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("backbone", &backbone)
        visitor.enter("heads")
        for index in heads.indices { visitor.module(taskNames[index], &heads[index]) }
        visitor.leave()
    }
}
