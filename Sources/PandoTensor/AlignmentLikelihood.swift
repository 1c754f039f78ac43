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

    func forward(_ inputs: [Tensor]) -> Tensor { run(inputs[0], posteriors: nil) }

    /// The gradient comes with the loss: of each logarithm the probability, negated, that the alignment is at that
    /// label at that step.
    func forwardKeeping(_ inputs: [Tensor]) -> (output: Tensor, auxiliaries: [Tensor]) {
        let posteriors = Tensor.zeros(inputs[0].shape)
        return (run(inputs[0], posteriors: posteriors), [posteriors])
    }

    private func run(_ input: Tensor, posteriors: Tensor?) -> Tensor {
        let (steps, classes) = (input.shape[1], input.shape[2])
        return input.cast(to: .float32).withScalars { values in
            Tensor(unsafeUninitialized: [targets.count], of: Float.self) { losses in
                for sample in losses.indices {
                    let place = sample * steps * classes
                    let lattice = AlignmentLattice(
                        logarithms: UnsafeBufferPointer(rebasing: values[place..<place + steps * classes]),
                        classes: classes, steps: lengths[sample],
                        labels: [blank] + targets[sample].flatMap { [$0, blank] })
                    let forward = lattice.forward()
                    let likelihood = lattice.logLikelihood(forward)
                    losses[sample] = ignoresInfinity && likelihood == -.infinity ? 0 : -Float(likelihood)
                    if let posteriors, likelihood > -.infinity {
                        lattice.subtractPosteriors(
                            forward, likelihood, from: posteriors.pointer(as: Float.self) + place)
                    }
                }
            }
        }.cast(to: input.elementType)
    }

    /// Nothing for a target that cannot be aligned.
    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        [saved.auxiliaries[0] * gradient.cast(to: .float32).reshaped(-1, 1, 1)]
    }

    func keeps(_ wanted: [Bool]) -> Kept { .nothing }
}

/// All alignments of one target: states are its labels with blanks around each, a path moves on by none, one or two.
///
/// Tables hold logarithms of probabilities, a row of states for each step.
/// - Source: Graves et al. 2006, "Connectionist Temporal Classification", section 4.1.
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

    /// All paths that end in each state, with its own step.
    func forward() -> [Double] {
        let width = labels.count
        var sums = [Double](repeating: -.infinity, count: steps * width)
        for step in 0..<steps {
            let before = (step - 1) * width
            for state in 0..<width {
                let arriving: Double
                if step == 0 {
                    arriving = state < 2 ? 0 : -.infinity
                } else {
                    arriving = logarithmOfSum(
                        sums[before + state], state >= 1 ? sums[before + state - 1] : -.infinity,
                        skips(to: state) ? sums[before + state - 2] : -.infinity)
                }
                sums[step * width + state] = arriving + logarithm(step, state)
            }
        }
        return sums
    }

    func logLikelihood(_ forward: [Double]) -> Double {
        guard steps > 0 else { return labels.count == 1 ? 0 : -.infinity }
        let last = forward.suffix(2)
        return labels.count == 1
            ? forward[forward.count - 1] : logarithmOfSum(last[last.startIndex], last[last.startIndex + 1], -.infinity)
    }

    /// Subtracts from `target` `[T, K]` how probable each label is at each step, among the alignments.
    func subtractPosteriors(_ forward: [Double], _ likelihood: Double, from target: UnsafeMutablePointer<Float>) {
        let width = labels.count
        // All paths that begin in each state, without and then with its own step.
        var (following, next) = ([Double](repeating: -.infinity, count: width), [Double](repeating: 0, count: width))
        for state in max(width - 2, 0)..<width { following[state] = 0 }
        for step in (0..<steps).reversed() {
            for state in 0..<width {
                let share = exp(forward[step * width + state] + following[state] - likelihood)
                target[step * classes + labels[state]] -= Float(share)
                next[state] = following[state] + logarithm(step, state)
            }
            for state in 0..<width {
                following[state] = logarithmOfSum(
                    next[state], state + 1 < width ? next[state + 1] : -.infinity,
                    state + 2 < width && skips(to: state + 2) ? next[state + 2] : -.infinity)
            }
        }
    }
}

/// `log(eᵃ + eᵇ + eᶜ)`.
private func logarithmOfSum(_ a: Double, _ b: Double, _ c: Double) -> Double {
    let largest = max(a, b, c)
    return largest == -.infinity ? largest : largest + log(exp(a - largest) + exp(b - largest) + exp(c - largest))
}
