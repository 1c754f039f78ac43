/// Where a step belongs to its sequence: `step < length`.
///
/// - Shapes: `N` lengths → `bool` `[N, count]`.
/// - Precondition: every length is in `0...count`.
public func sequenceMask(_ lengths: [Int], count: Int) -> Tensor {
    require(
        lengths.allSatisfy { (0...count).contains($0) }, "sequence mask: lengths \(lengths) are not all in 0...\(count)")
    return Tensor(lengths.flatMap { length in (0..<count).map { $0 < length } }, shape: [lengths.count, count])
}
