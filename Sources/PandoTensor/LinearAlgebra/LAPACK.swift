import CLAPACK
import Glibc

/// LAPACK in double precision, one matrix after another, on the calling thread.
///
/// Its matrices stand column by column: a matrix of ours, row by row, is to LAPACK its own transpose. Each function
/// says what that makes of its arguments. Sizes may be zero, which LAPACK itself is not asked about.
package enum LAPACK {
    package typealias Matrix = UnsafeMutableBufferPointer<Double>

    /// OpenBLAS, where the system has it in LAPACK's place, would start threads of its own.
    private static let isSerial: Void = {
        let name = "openblas_set_num_threads"
        guard let found = dlsym(dlopen(nil, RTLD_LAZY), name) else { return }
        unsafeBitCast(found, to: (@convention(c) (Int32) -> Void).self)(1)
    }()

    /// The lower triangle `L` of `A = L Lᵀ`, row by row, in place of `A`'s; above it `A` stays. `false` if `A` is not
    /// positive definite.
    static func cholesky(_ matrix: Matrix, size: Int) -> Bool {
        if size == 0 { return true }
        _ = isSerial
        var (n, info) = (Int32(size), Int32(0))
        dpotrf_("U", &n, matrix.baseAddress, &n, &info, 1)
        return checked(info, "dpotrf") == 0
    }

    /// The factors of `Aᵀ = P L U` in place of `A`, and the exchanges of rows. `isSingular` if `U` has a zero on its
    /// diagonal.
    package static func factor(_ matrix: Matrix, size: Int) -> (pivots: [Int32], isSingular: Bool) {
        if size == 0 { return ([], false) }
        _ = isSerial
        var (n, info) = (Int32(size), Int32(0))
        var pivots = [Int32](repeating: 0, count: size)
        dgetrf_(&n, &n, matrix.baseAddress, &n, &pivots, &info)
        return (pivots, checked(info, "dgetrf") > 0)
    }

    /// `X` with `A X = B` in place of `B`, from the factors of `Aᵀ`.
    /// - Parameter right: `B` column by column.
    package static func solve(_ factors: Matrix, _ pivots: [Int32], size: Int, _ right: Matrix, columns: Int) {
        if size == 0 || columns == 0 { return }
        var (n, count, info) = (Int32(size), Int32(columns), Int32(0))
        dgetrs_("T", &n, &count, factors.baseAddress, &n, pivots, right.baseAddress, &n, &info, 1)
        _ = checked(info, "dgetrs")
    }

    /// `X` with `A X = B` in place of `B`, for a triangle `A`. `false` if it has a zero on its diagonal.
    /// - Parameter right: `B` column by column.
    static func solveTriangle(_ matrix: Matrix, size: Int, isLower: Bool, _ right: Matrix, columns: Int) -> Bool {
        if size == 0 || columns == 0 { return true }
        _ = isSerial
        var (n, count, info) = (Int32(size), Int32(columns), Int32(0))
        dtrtrs_(
            isLower ? "U" : "L", "T", "N", &n, &count, matrix.baseAddress, &n, right.baseAddress, &n, &info, 1, 1, 1)
        return checked(info, "dtrtrs") == 0
    }

    /// Eigenvalues in ascending order, and the eigenvectors as rows in place of the symmetric `A`, of which the lower
    /// triangle is read. `false` if the iteration came to no end.
    package static func symmetricEigen(_ matrix: Matrix, size: Int, _ values: Matrix) -> Bool {
        if size == 0 { return true }
        _ = isSerial
        var (n, info, query) = (Int32(size), Int32(0), Int32(-1))
        var (wanted, wantedWhole) = (0.0, Int32(0))
        dsyevd_(
            "V", "U", &n, matrix.baseAddress, &n, values.baseAddress, &wanted, &query, &wantedWhole, &query, &info, 1, 1
        )
        _ = checked(info, "dsyevd")
        var (length, wholeLength) = (Int32(wanted), wantedWhole)
        var work = [Double](repeating: 0, count: Int(length))
        var wholeWork = [Int32](repeating: 0, count: Int(wholeLength))
        dsyevd_(
            "V", "U", &n, matrix.baseAddress, &n, values.baseAddress, &work, &length, &wholeWork, &wholeLength, &info,
            1, 1)
        return checked(info, "dsyevd") == 0
    }

    /// `A = U diag(s) Vᵀ` for `A` `[M, N]` and `K = min(M, N)`: `U` `[M, K]` and `Vᵀ` `[K, N]`, row by row; `A` is lost.
    /// `false` if the iteration came to no end.
    static func svd(
        _ matrix: Matrix, rows: Int, columns: Int, u: Matrix, values: Matrix, transposedV: Matrix
    ) -> Bool {
        if rows == 0 || columns == 0 { return true }
        _ = isSerial
        // LAPACK sees Aᵀ = V diag(s) Uᵀ, so each side's vectors go where the other's belong.
        var (m, n, k) = (Int32(columns), Int32(rows), Int32(min(rows, columns)))
        var (info, query, wanted) = (Int32(0), Int32(-1), 0.0)
        var wholeWork = [Int32](repeating: 0, count: 8 * Int(k))
        dgesdd_(
            "S", &m, &n, matrix.baseAddress, &m, values.baseAddress, transposedV.baseAddress, &m, u.baseAddress, &k,
            &wanted, &query, &wholeWork, &info, 1)
        _ = checked(info, "dgesdd")
        var length = Int32(wanted)
        var work = [Double](repeating: 0, count: Int(length))
        dgesdd_(
            "S", &m, &n, matrix.baseAddress, &m, values.baseAddress, transposedV.baseAddress, &m, u.baseAddress, &k,
            &work, &length, &wholeWork, &info, 1)
        return checked(info, "dgesdd") == 0
    }

    /// A negative result names a wrong argument: our mistake.
    private static func checked(_ info: Int32, _ function: String) -> Int32 {
        require(info >= 0, "LAPACK: argument \(-info) of \(function) is wrong")
        return info
    }
}
