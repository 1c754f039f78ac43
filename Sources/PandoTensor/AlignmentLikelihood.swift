import Glibc

extension Tensor {
    /// `-log p(target)` of each sequence, summed over all ways to align the target with the steps: labels may repeat, and
    /// blanks may stand between them.
    ///
    /// - Shapes: `self` `[N, T, K]`, logarithms of probabilities → `[N]`.
    package func alignmentLosses(targets: [[Int]], lengths: [Int], blank: Int, ignoringInfinity: Bool) -> Tensor {
        require(
            rank == 3 && shape[0] == targets.count && lengths.count == targets.count,
            "CTC: logarithms \(shape) are not [N, T, K] for \(targets.count) targets and \(lengths.count) lengths")
        requireFloatingPoint("CTC")
        require(
            lengths.allSatisfy { (0...shape[1]).contains($0) },
            "CTC: lengths \(lengths) are not all in 0...\(shape[1])")
        require((0..<shape[2]).contains(blank), "CTC: blank \(blank) is outside 0..<\(shape[2])")
        require(
            targets.allSatisfy { $0.allSatisfy { (0..<shape[2]).contains($0) && $0 != blank } },
            "CTC: a target has a label that is blank or outside 0..<\(shape[2])")
        let operation = AlignmentLikelihood(
            targets: targets, lengths: lengths, blank: blank, ignoresInfinity: ignoringInfinity)
        return .applying(operation, to: self)
    }
}

/// The losses of connectionist temporal classification.
struct AlignmentLikelihood: Operation {
    let targets: [[Int]]
    let lengths: [Int]
    let blank: Int
    /// Whether a target that cannot be aligned costs nothing.
    let ignoresInfinity: Bool

    func forward(_ inputs: [Tensor]) -> Tensor {
        let (steps, classes) = (inputs[0].shape[1], inputs[0].shape[2])
        return inputs[0].cast(to: .float32).withScalars { values in
            Tensor(unsafeUninitialized: [targets.count], of: Float.self) { losses in
                for sample in losses.indices {
                    let lattice = lattice(of: sample, values, steps, classes)
                    let loss = -Float(lattice.logLikelihood(lattice.forward()))
                    losses[sample] = ignoresInfinity && loss == .infinity ? 0 : loss
                }
            }
        }.cast(to: inputs[0].elementType)
    }

    /// Towards each logarithm: less the probability that the alignment is at that label at that step. Nothing for a
    /// target that cannot be aligned.
    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let shape = saved.inputShapes[0]
        let incoming = gradient.cast(to: .float32).scalars()
        return [
            saved.input(0).cast(to: .float32).withScalars { values in
                Tensor(unsafeUninitialized: shape, of: Float.self) { target in
                    target.initialize(repeating: 0)
                    for sample in targets.indices {
                        let lattice = lattice(of: sample, values, shape[1], shape[2])
                        let place = sample * shape[1] * shape[2]
                        lattice.addPosteriors(
                            times: -incoming[sample],
                            to: UnsafeMutableBufferPointer(rebasing: target[place..<place + shape[1] * shape[2]]))
                    }
                }
            }
        ]
    }

    private func lattice(
        of sample: Int, _ values: UnsafeBufferPointer<Float>, _ steps: Int, _ classes: Int
    ) -> AlignmentLattice {
        let start = sample * steps * classes
        return AlignmentLattice(
            logarithms: UnsafeBufferPointer(rebasing: values[start..<start + steps * classes]), classes: classes,
            steps: lengths[sample], labels: [blank] + targets[sample].flatMap { [$0, blank] })
    }
}

/// All alignments of one target: states are its labels with blanks around each, a path moves on by none, one or two.
///
/// - Source: Graves et al. 2006, "Connectionist Temporal Classification", section 4.1; in logarithms.
private struct AlignmentLattice {
    /// `[T, K]`; of them the first `steps` rows count.
    let logarithms: UnsafeBufferPointer<Float>
    let classes: Int
    let steps: Int
    /// Blank, label, blank, label, …, blank.
    let labels: [Int]

    private func logarithm(_ step: Int, _ state: Int) -> Double { Double(logarithms[step * classes + labels[state]]) }

    /// Whether a path may go from the state two before straight to `state`: not past a blank between equal labels.
    private func skips(to state: Int) -> Bool { state >= 2 && labels[state] != labels[state - 2] }

    /// The logarithm of the probability of all paths that end in each state, step by step.
    func forward() -> [[Double]] {
        var sums: [[Double]] = []
        for step in 0..<steps {
            sums.append(
                labels.indices.map { state in
                    var arriving = -Double.infinity
                    if step == 0 {
                        arriving = state < 2 ? 0 : -.infinity
                    } else {
                        arriving = sums[step - 1][state]
                        if state >= 1 { arriving = logarithmOfSum(arriving, sums[step - 1][state - 1]) }
                        if skips(to: state) { arriving = logarithmOfSum(arriving, sums[step - 1][state - 2]) }
                    }
                    return arriving + logarithm(step, state)
                })
        }
        return sums
    }

    /// Of all paths that begin in each state, what comes after its own step.
    private func backward() -> [[Double]] {
        var sums = [[Double]](repeating: [], count: steps)
        for step in (0..<steps).reversed() {
            sums[step] = labels.indices.map { state in
                if step == steps - 1 { return state >= labels.count - 2 ? 0 : -.infinity }
                func leaving(_ next: Int) -> Double { sums[step + 1][next] + logarithm(step + 1, next) }
                var sum = leaving(state)
                if state + 1 < labels.count { sum = logarithmOfSum(sum, leaving(state + 1)) }
                if state + 2 < labels.count, skips(to: state + 2) { sum = logarithmOfSum(sum, leaving(state + 2)) }
                return sum
            }
        }
        return sums
    }

    func logLikelihood(_ forward: [[Double]]) -> Double {
        guard let last = forward.last else { return labels.count == 1 ? 0 : -.infinity }
        return last.suffix(2).reduce(-.infinity, logarithmOfSum)
    }

    func addPosteriors(times factor: Float, to target: UnsafeMutableBufferPointer<Float>) {
        let forward = forward()
        let likelihood = logLikelihood(forward)
        guard likelihood > -.infinity else { return }
        let backward = backward()
        for step in 0..<steps {
            for state in labels.indices {
                let share = exp(forward[step][state] + backward[step][state] - likelihood)
                target[step * classes + labels[state]] += factor * Float(share)
            }
        }
    }
}

/// `log(eᵃ + eᵇ)`.
private func logarithmOfSum(_ a: Double, _ b: Double) -> Double {
    let larger = max(a, b)
    return larger == -.infinity ? larger : larger + log1p(exp(min(a, b) - larger))
}
