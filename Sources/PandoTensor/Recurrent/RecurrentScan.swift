import COneDNN

extension Tensor {
    /// The states of a recurrent layer at every step, given what its input contributes to the gates.
    ///
    /// Beyond a sample's length its state stays as it is: going forward the last state is at the last step, going
    /// backward (`isReversed`) at the first.
    /// - Shapes: `self` `[N, T, 4 · H]`, `weight` `[4 · H, H]`, initial states `[N, H]` → two of `[N, T, H]`.
    package func longShortTermStates(
        weight: Tensor, hidden: Tensor, cell: Tensor, lengths: [Int]? = nil, isReversed: Bool = false
    ) -> (hidden: Tensor, cell: Tensor) {
        let scan = RecurrentScan(cell: .longShortTerm, isReversed: isReversed, lengths: lengths)
        scan.check(self, weight, hidden)
        require(cell.shape == hidden.shape, "LSTM: the cell state has shape \(cell.shape), expected \(hidden.shape)")
        let states = Tensor.applying(scan, to: self, weight, hidden, cell)
        let shape = Array(states.shape[1...])
        return (states.slice(0..<1).reshaped(shape), states.slice(1..<2).reshaped(shape))
    }

    /// The states of a layer of gated recurrent units at every step; see `longShortTermStates`.
    ///
    /// - Shapes: `self` `[N, T, 3 · H]`, `weight` `[3 · H, H]`, `bias` `[3 · H]`, `hidden` `[N, H]` → `[N, T, H]`.
    package func gatedStates(
        weight: Tensor, bias: Tensor, hidden: Tensor, lengths: [Int]? = nil, isReversed: Bool = false
    ) -> Tensor {
        let scan = RecurrentScan(cell: .gated, isReversed: isReversed, lengths: lengths)
        scan.check(self, weight, hidden)
        require(
            bias.shape == [weight.shape[0]], "GRU: the bias has shape \(bias.shape), expected [\(weight.shape[0])]")
        let states = Tensor.applying(scan, to: self, weight, hidden, bias)
        return states.reshaped(Array(states.shape[1...]))
    }
}

/// A recurrent layer over projected inputs. Inputs: projections, recurrent weight, initial hidden state, then the
/// initial cell state or, for gated units, the recurrent bias; the result is `[states, N, T, H]`.
///
/// The gates of every step are kept beside the states, so that the backward pass has one small product a step, and
/// one large one for the weight.
struct RecurrentScan: Operation {
    let cell: RecurrentCell
    let isReversed: Bool
    /// `nil`: all samples are as long as the longest.
    let lengths: [Int]?

    private typealias Sizes = (samples: Int, steps: Int, features: Int, gates: Int)

    func check(_ projected: Tensor, _ weight: Tensor, _ hidden: Tensor) {
        let name = cell == .longShortTerm ? "LSTM" : "GRU"
        require(
            projected.rank == 3 && weight.rank == 2 && weight.shape[0] == cell.gateCount * weight.shape[1]
                && projected.shape[2] == weight.shape[0],
            "\(name): gates \(projected.shape) do not fit weight \(weight.shape) [\(cell.gateCount) · H, H]")
        require(
            hidden.shape == [projected.shape[0], weight.shape[1]],
            "\(name): the state has shape \(hidden.shape), expected \([projected.shape[0], weight.shape[1]])")
        require(
            lengths.map { $0.count == projected.shape[0] && $0.allSatisfy { (0...projected.shape[1]).contains($0) } }
                ?? true,
            "\(name): lengths \(lengths ?? []) do not fit \(projected.shape[0]) samples of \(projected.shape[1]) steps")
    }

    func forward(_ inputs: [Tensor]) -> Tensor { run(inputs, keeping: nil).cast(to: inputs[0].elementType) }

    func forwardKeeping(_ inputs: [Tensor]) -> (output: Tensor, auxiliaries: [Tensor]) {
        let shape = inputs[0].shape
        let kept = Tensor(
            uninitialized: [shape[0], shape[1], RecurrentCell.keptCount * inputs[1].shape[1]], .float32)
        let states = run(inputs, keeping: kept)
        return (states.cast(to: inputs[0].elementType), [kept])
    }

    func keeps(_ wanted: [Bool]) -> Kept { .outputAnd(cell == .longShortTerm ? [1, 2, 3] : [1, 2]) }

    private func sizes(_ projected: [Int], _ weight: [Int]) -> Sizes {
        (projected[0], projected[1], weight[1], weight[0])
    }

    /// Steps in the order in which they are computed.
    private func order(_ steps: Int) -> [Int] { isReversed ? (0..<steps).reversed() : Array(0..<steps) }

    private func reaches(_ step: Int, _ sample: Int) -> Bool { lengths.map { step < $0[sample] } ?? true }

    private func run(_ inputs: [Tensor], keeping kept: Tensor?) -> Tensor {
        let inputs = inputs.map { $0.cast(to: .float32).contiguous() }
        let (samples, steps, features, gates) = sizes(inputs[0].shape, inputs[1].shape)
        let states = Tensor(uninitialized: [cell.stateCount, samples, steps, features], .float32)
        guard states.elementCount > 0 else { return states }
        let (hidden, memory) = (inputs[2].copied(), inputs[3].copied())
        let recurrent = Tensor(uninitialized: [samples, gates], .float32)
        let product = StateProduct(weight: inputs[1], isTransposed: true, samples: samples)
        let isLong = cell == .longShortTerm
        withExtendedLifetime(inputs) {
            let (h, c) = (hidden.pointer(as: Float.self), memory.pointer(as: Float.self))
            for step in order(steps) {
                product.run(hidden, into: recurrent)
                for sample in 0..<samples {
                    let place = sample * steps + step
                    let (own, out) = (sample * features, states.pointer(as: Float.self) + place * features)
                    if reaches(step, sample) {
                        let step = RecurrentStep(
                            features: features, projected: inputs[0].pointer(as: Float.self) + place * gates,
                            recurrent: recurrent.pointer(as: Float.self) + sample * gates, hidden: h + own,
                            kept: kept.map {
                                $0.pointer(as: Float.self) + place * RecurrentCell.keptCount * features
                            })
                        if isLong { step.longShortTerm(cell: c + own) } else { step.gated(bias: c) }
                    }
                    out.update(from: h + own, count: features)
                    if isLong { (out + samples * steps * features).update(from: c + own, count: features) }
                }
            }
        }
        return states
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let (samples, steps, features, gates) = sizes(saved.inputShapes[0], saved.inputShapes[1])
        guard gradient.elementCount > 0 else { return saved.inputShapes.map { .zeros($0) } }
        let isLong = cell == .longShortTerm
        let gradient = gradient.cast(to: .float32).contiguous()
        let states = saved.result.cast(to: .float32).contiguous()
        let initial = saved.input(2).cast(to: .float32).contiguous()
        let initialCell = isLong ? saved.input(3).cast(to: .float32).contiguous() : initial
        let projected = Tensor.zeros([samples, steps, gates])
        let recurrent = isLong ? projected : Tensor.zeros([samples, steps, gates])
        // What flows back into hidden and cell state; what comes of it through the recurrent product.
        let (hidden, memory) = (Tensor.zeros([samples, features]), Tensor.zeros([samples, features]))
        let returned = Tensor.zeros([samples, features])
        let product = StateProduct(
            weight: saved.input(1).cast(to: .float32).contiguous(), isTransposed: false, samples: samples,
            rowStride: steps * gates)
        let kept = saved.auxiliaries[0]
        withExtendedLifetime((gradient, states, initial, initialCell, kept)) {
            func start(_ tensor: Tensor) -> UnsafeMutablePointer<Float> { tensor.pointer(as: Float.self) }
            let whole = samples * steps * features
            for step in order(steps).reversed() {
                let earlier = isReversed ? step + 1 : step - 1
                for sample in 0..<samples {
                    let (own, place) = (sample * features, sample * steps + step)
                    (start(hidden) + own).add(start(gradient) + place * features, count: features)
                    if isLong { (start(memory) + own).add(start(gradient) + whole + place * features, count: features) }
                    guard reaches(step, sample) else { continue }
                    /// A state before this step: `which` is 0 for hidden, 1 for cell.
                    func before(_ which: Int, _ initial: Tensor) -> UnsafePointer<Float> {
                        (0..<steps).contains(earlier)
                            ? UnsafePointer(start(states) + which * whole + (sample * steps + earlier) * features)
                            : UnsafePointer(start(initial) + own)
                    }
                    let ofStep = RecurrentStepGradient(
                        features: features, kept: start(kept) + place * RecurrentCell.keptCount * features,
                        hidden: start(hidden) + own, projected: start(projected) + place * gates)
                    if isLong {
                        ofStep.longShortTerm(
                            cell: start(memory) + own, before: before(1, initialCell),
                            after: start(states) + whole + place * features)
                    } else {
                        ofStep.gated(before: before(0, initial), recurrent: start(recurrent) + place * gates)
                    }
                }
                product.run(recurrent, from: step * gates, into: returned)
                start(hidden).add(start(returned), count: samples * features)
            }
        }
        let rows = recurrent.reshaped(-1, gates)
        let ofWeight = saved.wanted[1]
            ? matmul(rows.transposed, statesBefore(states, initial).reshaped(-1, features)) : nil
        let last = isLong ? memory : (saved.wanted[3] ? rows.sum(along: [0]) : nil)
        return [projected, ofWeight, hidden, last]
    }

    /// The hidden state that each step began with, `[N, T, H]`.
    private func statesBefore(_ states: Tensor, _ initial: Tensor) -> Tensor {
        let steps = states.shape[2]
        let hidden = states.slice(0..<1).reshaped(Array(states.shape[1...]))
        let first = initial.expanded(at: 1)
        return isReversed
            ? .concatenated([hidden.slice(1..<steps, along: 1), first], along: 1)
            : .concatenated([first, hidden.slice(0..<steps - 1, along: 1)], along: 1)
    }
}

/// The product of states with the recurrent weight, or with its transpose; the weight is packed once for all steps.
private struct StateProduct {
    private let primitive: Primitive
    private let packed: Packed

    /// - Parameter rowStride: elements from one sample to the next in what is multiplied; `nil`: no gaps.
    init(weight: Tensor, isTransposed: Bool, samples: Int, rowStride: Int? = nil) {
        let shape = isTransposed ? [weight.shape[1], weight.shape[0]] : weight.shape
        let strides = isTransposed ? [1, weight.shape[1]] : [weight.shape[1], 1]
        primitive = PrimitiveCache.shared.primitive(
            .matmul(
                source: Layout([samples, shape[0]], strides: [rowStride ?? shape[0], 1], .float32),
                weights: Layout(shape, .float32), bias: nil, destination: .rowMajor([samples, shape[1]], .float32), []))
        packed = Packed(weight, Layout(shape, strides: strides, .float32), for: primitive, DNNL_ARG_WEIGHTS)
    }

    /// - Parameter position: the first element of `source` to multiply.
    func run(_ source: Tensor, from position: Int = 0, into target: Tensor) {
        let start = source.rawPointer + position * source.elementType.byteCount
        withExtendedLifetime((source, packed)) {
            primitive.run((DNNL_ARG_SRC, start), (DNNL_ARG_WEIGHTS, packed.pointer), (DNNL_ARG_DST, target.rawPointer))
        }
    }
}

extension Tensor {
    /// The same elements in storage of its own.
    fileprivate func copied() -> Tensor { Contiguous().forward([self]) }
}

extension UnsafeMutablePointer<Float> {
    /// Adds `count` elements of `other` to as many here.
    fileprivate func add(_ other: UnsafePointer<Float>, count: Int) {
        forEachBlock(count) { start, count in
            put(loaded(self + start, count) + loaded(other + start, count), self + start, count)
        }
    }
}
