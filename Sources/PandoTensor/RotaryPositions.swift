import Glibc

/// Positions as rotations: pair `i` of a token's features turns by `position · base^(-2i / features)`.
///
/// - Source: Su et al. 2021, RoFormer (arXiv:2104.09864), section 3.2.2.
public struct RotaryPositions: Sendable {
    /// Which features turn together.
    public enum Pairing: Sendable, Hashable {
        /// Feature `i` with feature `i + features / 2`, as Llama's and GPT-NeoX's weights have it.
        case halves
        /// Feature `2i` with feature `2i + 1`, as the paper and GPT-J have it.
        case interleaved
    }

    /// `[T, features / 2]`.
    let cosine, sine: Tensor
    public let pairing: Pairing

    /// Rotations for tokens at `positions`.
    ///
    /// - Parameter features: how many of each head's features turn, from the first on; the rest stays.
    /// - Precondition: `features` is even.
    public init(_ positions: some Collection<Int>, features: Int, base: Double = 10_000, pairing: Pairing = .halves) {
        require(features % 2 == 0, "rotary positions: \(features) features do not make pairs")
        let rotations = (0..<features / 2).map { pow(base, -2 * Double($0) / Double(features)) }
        self.init(positions, rotations: rotations, pairing: pairing)
    }

    /// Rotations for tokens at `positions`, pair `i` by `rotations[i]` from one position to the next, in radians.
    public init(_ positions: some Collection<Int>, rotations: [Double], pairing: Pairing = .halves) {
        let angles = positions.flatMap { position in rotations.map { Double(position) * $0 } }
        let shape = [positions.count, rotations.count]
        cosine = Tensor(angles.map { Float(cos($0)) }, shape: shape)
        sine = Tensor(angles.map { Float(sin($0)) }, shape: shape)
        self.pairing = pairing
    }
}

extension Tensor {
    /// Queries or keys turned by their tokens' positions, so that their products depend on distances alone.
    ///
    /// - Shapes: `[…, T, D]` → the same.
    /// - Precondition: as many positions as tokens; no more rotating features than `D`.
    public func rotated(by positions: RotaryPositions) -> Tensor {
        let table = positions.cosine.shape
        require(
            rank >= 2 && shape[rank - 2] == table[0] && 2 * table[1] <= shape[rank - 1],
            "rotary positions: \(table[0]) positions of \(2 * table[1]) features do not fit \(shape)")
        requireFloatingPoint("rotary positions")
        return .applying(
            Rotation(pairing: positions.pairing, isInverse: false), to: self, positions.cosine, positions.sine)
    }
}

/// Inputs: `x` `[…, T, D]`, cosines and sines `[T, R / 2]` of the first `R` features.
struct Rotation: Operation {
    let pairing: RotaryPositions.Pairing
    let isInverse: Bool

    func forward(_ inputs: [Tensor]) -> Tensor {
        let x = inputs[0].cast(to: .float32)
        let source = x.strides[x.rank - 1] == 1 ? x : x.contiguous()
        let pairs = inputs[1].shape[1]
        // Steps over the table while stepping over rows.
        var tableStrides = [Int](repeating: 0, count: x.rank)
        tableStrides[x.rank - 2] = pairs
        let sign: Float = isInverse ? -1 : 1
        let result = inputs[1].withScalars { cosine in
            inputs[2].withScalars { sine in
                withExtendedLifetime(source.storage) {
                    Tensor(unsafeUninitialized: x.shape, of: Float.self) { output in
                        guard var to = output.baseAddress, let cosine = cosine.baseAddress, let sine = sine.baseAddress
                        else { return }
                        let from = source.pointer(as: Float.self)
                        forEachRow(x.shape, source.strides, tableStrides) { count, start, _, place, _ in
                            turn(from + start, count, pairs, cosine + place, sine + place, sign, into: to)
                            to += count
                        }
                    }
                }
            }
        }
        return result.cast(to: inputs[0].elementType)
    }

    @inline(__always)
    private func turn(
        _ row: UnsafePointer<Float>, _ count: Int, _ pairs: Int, _ cosine: UnsafePointer<Float>,
        _ sine: UnsafePointer<Float>, _ sign: Float, into result: UnsafeMutablePointer<Float>
    ) {
        let (step, distance) = pairing == .halves ? (1, pairs) : (2, 1)
        for pair in 0..<pairs {
            let (first, second) = (row[pair * step], row[pair * step + distance])
            let (c, s) = (cosine[pair], sign * sine[pair])
            result[pair * step] = first * c - second * s
            result[pair * step + distance] = second * c + first * s
        }
        for feature in 2 * pairs..<max(count, 2 * pairs) { result[feature] = row[feature] }
    }

    /// A rotation's transpose turns back.
    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        [
            .applying(
                Rotation(pairing: pairing, isInverse: !isInverse), to: gradient, saved.input(1), saved.input(2)),
            nil, nil,
        ]
    }

    func keeps(_ wanted: [Bool]) -> Kept { .some([1, 2]) }
}
