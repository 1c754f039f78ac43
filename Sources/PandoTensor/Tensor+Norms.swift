// Lengths of vectors.

import Glibc

extension Tensor {
    /// `(Σ |x|ᵖ)^(1/p)` over `axes` (all of them if `nil`) for the order `p`; the largest or smallest `|x|` for
    /// `p = ±∞`, the count of elements other than zero for `p = 0`.
    ///
    /// Where the norm is zero its gradient is zero; equal extremes share theirs.
    public func norm(_ order: Float = 2, along axes: [Int]? = nil, keepingAxes: Bool = false) -> Tensor {
        requireFloatingPoint("norm")
        require(!order.isNaN, "norm: the order is not a number")
        let axes = axes ?? Array(0..<rank)
        switch order {
        case .infinity: return absolute().max(along: axes, keepingAxes: keepingAxes)
        case -.infinity: return absolute().min(along: axes, keepingAxes: keepingAxes)
        case 1: return absolute().sum(along: axes, keepingAxes: keepingAxes)
        case 0: return (self .!= 0).cast(to: elementType).sum(along: axes, keepingAxes: keepingAxes)
        default: return reducedRows(along: axes, keepingAxes: keepingAxes, Norm(order: order))
        }
    }

    /// Divided by its Euclidean length along the last axis; a length below `epsilon` counts as `epsilon`.
    public func l2Normalized(epsilon: Float = 1e-12) -> Tensor {
        // The square is held up, not the root, whose slope at zero is infinite.
        self / squared().sum(along: [-1], keepingAxes: true).clamped(epsilon * epsilon, .infinity).squareRoot()
    }
}

/// The norm of each row, `[…, W]` → `[…]`, summed in double precision.
struct Norm: Operation {
    let order: Float

    func forward(_ inputs: [Tensor]) -> Tensor {
        let order = Double(order)
        return inputs[0].mapRows { row in
            if order == 2 { return Float(row.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()) }
            return Float(Glibc.pow(row.reduce(0) { $0 + Glibc.pow(Double(abs($1)), order) }, 1 / order))
        }
    }

    /// `sign(x) (|x| / norm)^(p-1)`.
    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let (input, length) = (saved.input(0), saved.result.expanded(at: -1))
        let order = order
        let slope =
            order == 2
            ? combine(input, length) { $1 == 0 ? 0 : $0 / $1 }
            : combine(input, length) {
                $1 == 0 || $0 == 0 ? 0 : powf(abs($0) / $1, order - 1) * ($0 < 0 ? -1 : 1)
            }
        return [gradient.expanded(at: -1) * slope]
    }

    func keeps(_ wanted: [Bool]) -> Kept { .outputAnd([0]) }
}
