// Matrix products.

import COneDNN

/// The matrix product over the last two axes; leading axes broadcast.
///
/// - Shapes: `[…, M, K]` · `[…, K, N]` → `[…, M, N]`; a vector `[K]` on the left counts as `[1, K]`, on the right as
///   `[K, 1]`, and the result lacks that axis.
/// - Precondition: both have at least one axis and equal element types.
public func matmul(_ left: Tensor, _ right: Tensor) -> Tensor {
    require(
        left.rank >= 1 && right.rank >= 1 && left.shape[left.rank - 1] == right.shape[max(right.rank - 2, 0)],
        "matmul: shapes \(left.shape) and \(right.shape) do not fit")
    require(
        left.elementType == right.elementType && left.elementType.isFloatingPoint,
        "matmul: element types are \(left.elementType) and \(right.elementType), expected one floating-point type")
    if left.rank == 1 { return matmul(left.expanded(at: 0), right).squeezed(right.rank == 1 ? 0 : -2) }
    if right.rank == 1 { return matmul(left, right.expanded(at: 1)).squeezed(-1) }
    return .applying(MatrixProduct(), to: left, right)
}

/// The sum of the products of two vectors' elements.
public func dot(_ left: Tensor, _ right: Tensor) -> Tensor {
    require(left.rank == 1 && right.rank == 1, "dot: shapes \(left.shape) and \(right.shape), expected two vectors")
    return matmul(left, right)
}

/// The products of every element of one vector with every one of the other.
///
/// - Shapes: `[M]`, `[N]` → `[M, N]`.
public func outer(_ left: Tensor, _ right: Tensor) -> Tensor {
    require(left.rank == 1 && right.rank == 1, "outer: shapes \(left.shape) and \(right.shape), expected two vectors")
    return left.expanded(at: 1) * right
}

/// The sums of products over the last axes of both.
///
/// - Shapes: `[…a, K]`, `[…b, K]` → `[…a, …b]`.
public func inner(_ left: Tensor, _ right: Tensor) -> Tensor {
    require(
        left.rank >= 1 && right.rank >= 1 && left.shape[left.rank - 1] == right.shape[right.rank - 1],
        "inner: shapes \(left.shape) and \(right.shape) do not end with the same size")
    let width = left.shape[left.rank - 1]
    let rows = [left, right].map { $0.reshaped([$0.shape.dropLast().reduce(1, *), width]) }
    return matmul(rows[0], rows[1].transposed).reshaped(Array(left.shape.dropLast() + right.shape.dropLast()))
}

/// The affine map of a linear layer: `x · weightᵀ + bias`.
///
/// - Shapes: `x` `[…, in]`, `weight` `[out, in]`, `bias` `[out]` → `[…, out]`.
public func linear(_ x: Tensor, weight: Tensor, bias: Tensor? = nil) -> Tensor {
    require(
        x.rank >= 1 && weight.rank == 2 && x.shape[x.rank - 1] == weight.shape[1],
        "linear: input \(x.shape) does not fit weight \(weight.shape) [out, in]")
    require(
        bias.map { $0.shape == [weight.shape[0]] } ?? true,
        "linear: bias has shape \(bias?.shape ?? []), expected [\(weight.shape[0])]")
    require(
        x.elementType == weight.elementType && x.elementType.isFloatingPoint,
        "linear: input is \(x.elementType), weight \(weight.elementType), expected one floating-point type")
    let others = bias.map { [weight, $0] } ?? [weight]
    if x.rank == 2 { return .applying(LinearMap(), to: [x] + others) }
    let rows = x.reshaped([x.shape.dropLast().reduce(1, *), weight.shape[1]])
    return Tensor.applying(LinearMap(), to: [rows] + others)
        .reshaped(Array(x.shape.dropLast()) + [weight.shape[0]])
}

struct MatrixProduct: Operation {
    static let isComputedByKernels = true

    func forward(_ inputs: [Tensor]) -> Tensor {
        let (left, right) = (inputs[0], inputs[1])
        let batch = broadcastShape(Array(left.shape.dropLast(2)), Array(right.shape.dropLast(2)), "matmul")
        let shape = batch + [left.shape[left.rank - 2], right.shape[right.rank - 1]]
        let output = Tensor(uninitialized: shape, left.elementType)
        guard shape.elementCount > 0 else { return output }
        guard left.shape[left.rank - 1] > 0 else { return .zeros(shape, left.elementType) }
        let (first, second) = (left.multiplicable(rank: shape.count), right.multiplicable(rank: shape.count))
        withExtendedLifetime((first.storage, second.storage)) {
            PrimitiveCache.shared.primitive(
                .matmul(
                    source: first.layout, weights: second.layout, bias: nil, destination: output.layout, [])
            ).run(
                (DNNL_ARG_SRC, first.rawPointer), (DNNL_ARG_WEIGHTS, second.rawPointer),
                (DNNL_ARG_DST, output.rawPointer))
        }
        return output
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        [
            saved.wanted[0]
                ? matmul(gradient, saved.input(1).transposed).summed(toShape: saved.inputShapes[0]) : nil,
            saved.wanted[1]
                ? matmul(saved.input(0).transposed, gradient).summed(toShape: saved.inputShapes[1]) : nil,
        ]
    }

    func keeps(_ wanted: [Bool]) -> Kept { .some((wanted[0] ? [1] : []) + (wanted[1] ? [0] : [])) }
}

/// `x` `[N, in]`, `weight` `[out, in]` and perhaps `bias` `[out]` → `[N, out]`.
struct LinearMap: Operation {
    static let isComputedByKernels = true

    func forward(_ inputs: [Tensor]) -> Tensor {
        let (x, weight) = (inputs[0].multiplicable(rank: 2), inputs[1].transposed.multiplicable(rank: 2))
        let output = Tensor(uninitialized: [x.shape[0], weight.shape[1]], x.elementType)
        guard output.elementCount > 0 else { return output }
        let width = weight.shape[1]
        let bias =
            inputs.count > 2
            ? inputs[2].cast(to: .float32).contiguous().view(shape: [1, width], strides: [width, 1]) : nil
        // A sum of no products.
        if x.shape[1] == 0 {
            return (bias ?? .zeros([1, width])).broadcast(to: output.shape).cast(to: x.elementType).contiguous()
        }
        let primitive = PrimitiveCache.shared.primitive(
            .matmul(
                source: x.layout, weights: weight.layout, bias: bias?.layout, destination: output.layout, []))
        withExtendedLifetime((x.storage, weight.storage, bias?.storage)) {
            if let bias {
                primitive.run(
                    (DNNL_ARG_SRC, x.rawPointer), (DNNL_ARG_WEIGHTS, weight.rawPointer),
                    (DNNL_ARG_BIAS, bias.rawPointer), (DNNL_ARG_DST, output.rawPointer))
            } else {
                primitive.run(
                    (DNNL_ARG_SRC, x.rawPointer), (DNNL_ARG_WEIGHTS, weight.rawPointer),
                    (DNNL_ARG_DST, output.rawPointer))
            }
        }
        return output
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        var gradients: [Tensor?] = [
            saved.wanted[0] ? MatrixProduct().forward([gradient, saved.input(1)]) : nil,
            saved.wanted[1] ? MatrixProduct().forward([gradient.transposed, saved.input(0)]) : nil,
        ]
        if saved.wanted.count > 2 {
            gradients.append(saved.wanted[2] ? gradient.sum(along: [0]) : nil)
        }
        return gradients
    }

    func keeps(_ wanted: [Bool]) -> Kept { .some((wanted[0] ? [1] : []) + (wanted[1] ? [0] : [])) }
}

extension Tensor {
    var layout: Layout { Layout(shape, strides: strides, elementType) }

    /// With leading axes of size 1 up to `rank`, in an arrangement that matrix products take: one of the last two
    /// axes without gaps, no overlapping rows.
    fileprivate func multiplicable(rank: Int) -> Tensor {
        var tensor = self
        let (rows, columns) = (tensor.rank - 2, tensor.rank - 1)
        let direct = tensor.strides[columns] == 1 && tensor.strides[rows] >= tensor.shape[columns]
        let flipped = tensor.strides[rows] == 1 && tensor.strides[columns] >= tensor.shape[rows]
        let dense = zip(tensor.shape, tensor.strides).dropLast(2).allSatisfy { $0 == 1 || $1 > 0 }
        if !(direct || flipped) || !dense { tensor = Contiguous().forward([tensor]) }
        guard tensor.rank < rank else { return tensor }
        let lead = rank - tensor.rank
        let outermost = zip(tensor.shape, tensor.strides).map { Swift.max($0, 1) * $1 }.max() ?? 1
        return tensor.view(
            shape: [Int](repeating: 1, count: lead) + tensor.shape,
            strides: [Int](repeating: outermost, count: lead) + tensor.strides)
    }
}
