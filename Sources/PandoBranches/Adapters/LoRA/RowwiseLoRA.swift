import PandoNN
import PandoTensor

/// Adapters of parts of a fused projection, each for some rows of the weight: query and value of a `qkv`.
struct RowwiseLoRA: OutputAdapter {
    /// In the order of their rows, which do not overlap.
    let parts: [(rows: Range<Int>, adapter: LoRA)]

    func adapting(_ output: Tensor, of input: Tensor, through layer: Linear) -> Tensor {
        guard parts.contains(where: { $0.adapter.magnitude != nil }) else { return output + delta(input, layer.outFeatures) }
        let axis = output.rank - 1
        return assembled(count: layer.outFeatures, along: axis, whole: output) { rows, adapter in
            let part = Linear(weight: layer.weight.slice(rows), bias: layer.bias?.slice(rows))
            return adapter.adapting(output.slice(rows, along: axis), of: input, through: part)
        }
    }

    /// What all parts add, as one low-rank product: the parts' narrow outputs side by side, each leading to its own rows.
    ///
    /// - Shapes: `[…, in]` → `[…, count]`.
    private func delta(_ input: Tensor, _ count: Int) -> Tensor {
        let type = input.elementType
        let narrow = linear(input, weight: Tensor.concatenated(parts.map(\.adapter.down)).cast(to: type))
        let rankSum = narrow.shape[narrow.rank - 1]
        var (weight, bias): (Tensor?, Tensor?)
        var column = 0
        for (rows, adapter) in parts {
            let (before, after) = (rows.lowerBound, count - rows.upperBound)
            let up = (adapter.up * adapter.scale).padded(
                before: [before, column], after: [after, rankSum - column - adapter.rank])
            weight = weight.map { $0 + up } ?? up
            if let upBias = adapter.upBias {
                let padded = (upBias * adapter.scale).padded(before: [before], after: [after])
                bias = bias.map { $0 + padded } ?? padded
            }
            column += adapter.rank
        }
        guard let weight else { return .zeros(Array(input.shape.dropLast()) + [count], type) }
        return linear(narrow, weight: weight.cast(to: type), bias: bias)
    }

    func merged(into layer: Linear) -> Linear? {
        func merged(_ rows: Range<Int>, _ adapter: LoRA) -> Linear {
            let part = Linear(weight: layer.weight.slice(rows), bias: layer.bias?.slice(rows))
            return adapter.merged(into: part) ?? part
        }
        let count = layer.outFeatures
        return Linear(
            weight: assembled(count: count, along: 0, whole: layer.weight) { merged($0, $1).weight },
            bias: layer.bias.map { bias in
                assembled(count: count, along: 0, whole: bias) { merged($0, $1).bias ?? bias.slice($0) }
            })
    }

    /// `whole` with the rows of each part replaced by what `part` makes of them.
    private func assembled(
        count: Int, along axis: Int, whole: Tensor, _ part: (Range<Int>, LoRA) -> Tensor
    ) -> Tensor {
        var pieces: [Tensor] = []
        var next = 0
        for (rows, adapter) in parts {
            if rows.lowerBound > next { pieces.append(whole.slice(next..<rows.lowerBound, along: axis)) }
            pieces.append(part(rows, adapter))
            next = rows.upperBound
        }
        if next < count { pieces.append(whole.slice(next..<count, along: axis)) }
        return .concatenated(pieces, along: axis)
    }
}
