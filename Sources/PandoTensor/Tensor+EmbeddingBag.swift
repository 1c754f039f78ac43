// Rows of a table, looked up and reduced in bags.

/// How the rows of a bag become one.
public enum BagReduction: String, Sendable { case sum, mean, max }

extension Tensor {
    /// The rows (first axis) at `indices`, reduced bag by bag; an empty bag gives zeros.
    ///
    /// - Parameters:
    ///   - indices: `int64` `[B, L]`, a bag a row, or `[L]` with offsets.
    ///   - offsets: `int64` `[B]`, where each bag begins; the first begins at 0, none before the one before it.
    ///   - weights: what each row is multiplied by, shaped as `indices`; for sums only.
    /// - Shapes: `[N, C]` → `[B, C]`.
    public func embeddingBag(
        at indices: Tensor, offsets: Tensor? = nil, reducing reduction: BagReduction = .mean, weights: Tensor? = nil
    ) -> Tensor {
        require(rank == 2, "embedding bag: the table has shape \(shape), expected [N, C]")
        require(
            indices.rank == (offsets == nil ? 2 : 1),
            "embedding bag: indices \(indices.shape) are \(offsets == nil ? "[B, L] without" : "[L] with") offsets")
        require(
            weights.map { $0.shape == indices.shape && reduction == .sum } ?? true,
            "embedding bag: weights \(weights?.shape ?? []) need indices of that shape, not \(indices.shape), and a sum, not a \(reduction)"
        )
        let width = indices.shape[indices.rank - 1]
        let starts = offsets ?? Tensor((0..<indices.shape[0]).map { Int64($0 * width) })
        require(starts.rank == 1, "embedding bag: offsets have shape \(starts.shape), expected [B]")
        let inputs = [self, indices.reshaped(-1), starts] + (weights.map { [$0.reshaped(-1)] } ?? [])
        return .applying(EmbeddingBag(reduction: reduction), to: inputs)
    }
}

/// Inputs: table `[N, C]`, indices `[L]`, where bags begin `[B]`, perhaps weights `[L]`.
struct EmbeddingBag: Operation {
    let reduction: BagReduction

    func forward(_ inputs: [Tensor]) -> Tensor { run(inputs).cast(to: inputs[0].elementType) }

    /// Of a maximum, the row that each element came from is kept: -1 in an empty bag.
    func forwardKeeping(_ inputs: [Tensor]) -> (output: Tensor, auxiliaries: [Tensor]) {
        guard reduction == .max else { return (forward(inputs), []) }
        let winners = Tensor(uninitialized: [inputs[2].elementCount, inputs[0].shape[1]], .int64)
        return (run(inputs, keeping: winners).cast(to: inputs[0].elementType), [winners])
    }

    func keeps(_ wanted: [Bool]) -> Kept {
        guard reduction != .max else { return .nothing }
        let isWeighted = wanted.count > 3
        return .some((isWeighted && wanted[3] ? [0] : []) + [1, 2] + (isWeighted && wanted[0] ? [3] : []))
    }

    /// The bags' ranges among the indices.
    private func bags(_ starts: Tensor, of count: Int) -> [Range<Int>] {
        let starts = starts.cast(to: .int64).scalars(as: Int64.self).map { Int($0) }
        let ends = starts.dropFirst() + [count]
        require(
            (starts.first ?? 0) == 0 && zip(starts, ends).allSatisfy { $0 <= $1 },
            "embedding bag: offsets \(starts) do not rise from 0 to at most \(count)")
        return zip(starts, ends).map { $0..<$1 }
    }

    private func rows(_ indices: Tensor, of count: Int) -> [Int] {
        indices.cast(to: .int64).scalars(as: Int64.self).map { index in
            require((0..<Int64(count)).contains(index), "embedding bag: row \(index) is outside 0..<\(count)")
            return Int(index)
        }
    }

    private func run(_ inputs: [Tensor], keeping winners: Tensor? = nil) -> Tensor {
        let table = inputs[0].cast(to: .float32).contiguous()
        let width = table.shape[1]
        let rows = rows(inputs[1], of: table.shape[0])
        let weights = inputs.count > 3 ? inputs[3].cast(to: .float32).scalars() : nil
        let bags = bags(inputs[2], of: rows.count)
        return table.withScalars { source in
            Tensor(unsafeUninitialized: [bags.count, width], of: Float.self) { target in
                target.initialize(repeating: 0)
                for (bag, range) in bags.enumerated() {
                    let output = UnsafeMutableBufferPointer(rebasing: target[bag * width..<(bag + 1) * width])
                    if reduction == .max {
                        let kept = winners.map { $0.pointer(as: Int64.self) + bag * width }
                        greatest(rows[range], source, output, kept)
                        continue
                    }
                    let share = reduction == .mean ? 1 / Float(Swift.max(range.count, 1)) : 1
                    for position in range {
                        output.add(
                            share * (weights?[position] ?? 1), times: source, at: rows[position] * width, count: width)
                    }
                }
            }
        }
    }

    /// The greatest element of each column; of equal ones the first counts as its origin.
    private func greatest(
        _ rows: ArraySlice<Int>, _ source: UnsafeBufferPointer<Float>, _ output: UnsafeMutableBufferPointer<Float>,
        _ winners: UnsafeMutablePointer<Int64>?
    ) {
        for column in output.indices {
            winners?[column] = -1
            var isFirst = true
            for row in rows where isFirst || source[row * output.count + column] > output[column] {
                output[column] = source[row * output.count + column]
                winners?[column] = Int64(row)
                isFirst = false
            }
        }
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let shape = saved.inputShapes[0]
        let none = [Tensor?](repeating: nil, count: saved.wanted.count - 1)
        return gradient.cast(to: .float32).withScalars { incoming in
            if reduction == .max { return [scattered(incoming, to: saved.auxiliaries[0], shape)] + none }
            let width = shape[1]
            let rows = rows(saved.input(1), of: shape[0])
            let bags = bags(saved.input(2), of: rows.count)
            var gradients = [nil] + none
            if saved.wanted[0] {
                let weights = saved.wanted.count > 3 ? saved.input(3).cast(to: .float32).scalars() : nil
                gradients[0] = Tensor(unsafeUninitialized: shape, of: Float.self) { target in
                    target.initialize(repeating: 0)
                    for (bag, range) in bags.enumerated() {
                        let share = reduction == .mean ? 1 / Float(Swift.max(range.count, 1)) : 1
                        for position in range {
                            UnsafeMutableBufferPointer(rebasing: target[(rows[position] * width)...]).add(
                                share * (weights?[position] ?? 1), times: incoming, at: bag * width, count: width)
                        }
                    }
                }
            }
            if saved.wanted.count > 3, saved.wanted[3] {
                gradients[3] = weightGradient(saved.input(0), rows, bags, incoming)
            }
            return gradients
        }
    }

    /// What each maximum's gradient adds to the row it came from.
    private func scattered(_ incoming: UnsafeBufferPointer<Float>, to winners: Tensor, _ shape: [Int]) -> Tensor {
        winners.withScalars(as: Int64.self) { winners in
            Tensor(unsafeUninitialized: shape, of: Float.self) { target in
                target.initialize(repeating: 0)
                for (place, row) in winners.enumerated() where row >= 0 {
                    target[Int(row) * shape[1] + place % shape[1]] += incoming[place]
                }
            }
        }
    }

    /// The product of each row with its bag's gradient.
    private func weightGradient(
        _ table: Tensor, _ rows: [Int], _ bags: [Range<Int>], _ incoming: UnsafeBufferPointer<Float>
    ) -> Tensor {
        let width = table.shape[1]
        return table.cast(to: .float32).withScalars { source in
            Tensor(unsafeUninitialized: [rows.count], of: Float.self) { target in
                for (bag, range) in bags.enumerated() {
                    for position in range {
                        var sum: Float = 0
                        for column in 0..<width {
                            sum += source[rows[position] * width + column] * incoming[bag * width + column]
                        }
                        target[position] = sum
                    }
                }
            }
        }
    }
}

extension UnsafeMutableBufferPointer<Float> {
    /// Adds `factor` times the `count` elements of `source` from `place` on to the first here.
    @inline(__always)
    fileprivate func add(_ factor: Float, times source: UnsafeBufferPointer<Float>, at place: Int, count: Int) {
        guard count > 0, let target = baseAddress, let source = source.baseAddress else { return }
        forEachBlock(count) { start, count in
            put(
                loaded(target + start, count) + factor * loaded(source + place + start, count), target + start, count)
        }
    }
}
