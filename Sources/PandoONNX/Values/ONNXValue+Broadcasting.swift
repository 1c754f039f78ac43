import PandoTensor

extension ONNXValue {
    /// Several values that broadcast together, as tensors that do: all arranged as `template` is.
    struct Aligned {
        let tensors: [Tensor]
        /// The value whose arrangement the result has.
        let template: ONNXValue

        func result(_ tensor: Tensor, _ kind: ONNXElementType.Kind) -> ONNXValue { template.with(tensor, kind) }
    }

    /// The shape to which all broadcast, as in NumPy; `nil` if there is none.
    static func broadcastShape(_ shapes: [[Int]]) -> [Int]? {
        let rank = shapes.map(\.count).max() ?? 0
        var result = [Int](repeating: 1, count: rank)
        for shape in shapes {
            for (axis, size) in shape.enumerated() where size != 1 {
                let place = axis + rank - shape.count
                if result[place] != 1 && result[place] != size { return nil }
                result[place] = size
            }
        }
        return result
    }

    /// The values arranged alike: as the first of them that depends on the input and has the shape of the result.
    /// - Precondition: they broadcast.
    static func aligned(_ values: [ONNXValue]) -> Aligned {
        let shape = broadcastShape(values.map(\.shape)) ?? []
        let full = values.filter { $0.shape == shape }
        guard let template = full.first(where: \.isTraced) ?? full.first else {
            // Nobody has the shape: all in the graph's own order.
            return Aligned(
                tensors: values.map(\.tensor), template: ONNXValue(stored: Tensor(Float(0)), axes: shape.indices.map { [$0] }, kind: .float))
        }
        return Aligned(tensors: values.map { $0.arranged(like: template) }, template: template)
    }

    /// The elements as a tensor that broadcasts to that of `template`.
    private func arranged(like template: ONNXValue) -> Tensor {
        if axes == template.axes, shape == template.shape { return stored }
        if stored.elementCount == 1 { return stored.shaped([]) }
        let lead = template.rank - rank
        let shape = shape
        var sizes: [Int] = []
        for axis in 0..<template.rank {
            let isOne = axis < lead || shape[axis - lead] == 1
            sizes += template.axes[axis].map { isOne ? 1 : template.stored.shape[$0] }
        }
        // Where each axis of the template's tensor stands among the axes that `sizes` names.
        var order = [Int](repeating: 0, count: template.stored.rank)
        for (place, axis) in template.axes.flatMap(\.self).enumerated() { order[axis] = place }
        return reshaped(sizes).transposed(order).tensor
    }
}
