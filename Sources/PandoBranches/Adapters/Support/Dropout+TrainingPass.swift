import PandoNN
import PandoTensor

extension Dropout {
    /// With the pass's numbers in training; otherwise `x` itself.
    func callAsFunction(_ x: Tensor, during pass: TrainingPass?) -> Tensor {
        guard let pass, probability > 0 else { return x }
        return x.droppedOut(probability, using: &pass.generator)
    }
}
