import PandoTensor

/// The lower triangle `L` of a symmetric positive definite matrix `A = L Lᵀ`, to solve `A X = B`.
///
/// - Cost: `n³ / 3` multiply-adds in double precision to factor, `n²` per column of `B` to solve.
struct Cholesky: Sendable {
    let size: Int
    /// Row by row; above the diagonal nothing is defined.
    private let lower: [Double]

    /// - Parameter matrix: row by row; only the lower triangle is read.
    /// - Returns: `nil` if the matrix is not positive definite in double precision.
    /// - Precondition: `size × size` elements.
    init?(_ matrix: [Double], size: Int) {
        require(matrix.count == size * size, "Cholesky: \(matrix.count) elements for \(size) × \(size)")
        var lower = matrix
        let isDefinite = lower.withUnsafeMutableBufferPointer { elements in
            // Left-looking, a row of L from the rows above: every dot product runs along contiguous rows.
            guard let base = elements.baseAddress else { return true }
            for row in 0..<size {
                let current = base + row * size
                for column in 0..<row {
                    let other = base + column * size
                    current[column] = (current[column] - dot(current, other, column)) / other[column]
                }
                let pivot = current[row] - dot(current, current, row)
                guard pivot > 0, pivot.isFinite else { return false }
                current[row] = pivot.squareRoot()
            }
            return true
        }
        guard isDefinite else { return nil }
        self.size = size
        self.lower = lower
    }

    /// The `X` with `A X = B`.
    /// - Parameter right: `B`, `columns` columns, row by row.
    func solve(_ right: [Double], columns: Int) -> [Double] {
        require(right.count == size * columns, "Cholesky: \(right.count) elements for \(size) × \(columns)")
        var x = right
        lower.withUnsafeBufferPointer { lower in
            x.withUnsafeMutableBufferPointer { x in
                guard let l = lower.baseAddress, let x = x.baseAddress else { return }
                for row in 0..<size {  // L Y = B, from the top
                    for above in 0..<row { subtract(l[row * size + above], x + above * columns, x + row * columns, columns) }
                    scale(1 / l[row * size + row], x + row * columns, columns)
                }
                for row in (0..<size).reversed() {  // Lᵀ X = Y, from the bottom
                    scale(1 / l[row * size + row], x + row * columns, columns)
                    for above in 0..<row { subtract(l[row * size + above], x + row * columns, x + above * columns, columns) }
                }
            }
        }
        return x
    }
}

/// The sum of products of the first `count` elements, in eight running sums that map onto vector registers.
@inline(__always)
private func dot(_ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>, _ count: Int) -> Double {
    var sums = (SIMD8<Double>.zero, SIMD8<Double>.zero)
    let (left, right) = (UnsafeRawPointer(a), UnsafeRawPointer(b))
    var index = 0
    while index + 16 <= count {
        let byte = index * 8
        sums.0.addProduct(left.loadUnaligned(fromByteOffset: byte, as: SIMD8<Double>.self), right.loadUnaligned(fromByteOffset: byte, as: SIMD8<Double>.self))
        sums.1.addProduct(left.loadUnaligned(fromByteOffset: byte + 64, as: SIMD8<Double>.self), right.loadUnaligned(fromByteOffset: byte + 64, as: SIMD8<Double>.self))
        index += 16
    }
    var sum = (sums.0 + sums.1).sum()
    while index < count {
        sum += a[index] * b[index]
        index += 1
    }
    return sum
}

/// `target -= factor · source`.
@inline(__always)
private func subtract(_ factor: Double, _ source: UnsafePointer<Double>, _ target: UnsafeMutablePointer<Double>, _ count: Int) {
    for index in 0..<count { target[index] -= factor * source[index] }
}

@inline(__always)
private func scale(_ factor: Double, _ target: UnsafeMutablePointer<Double>, _ count: Int) {
    for index in 0..<count { target[index] *= factor }
}
