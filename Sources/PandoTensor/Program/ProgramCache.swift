import Synchronization

/// A frozen function as programs: one for each shape of inputs that it is asked for, compiled at the first use.
///
/// Weights are packed once for all programs. A batch of any size runs in slices, so that few shapes are ever compiled.
/// What the programs' values take is bounded: the program that was used longest ago goes first. Any number of threads
/// may call at once.
public final class ProgramCache: Sendable {
    public let precision: ElementType
    /// Which layers of all programs compute in 8-bit integers, if any do.
    public let quantization: Quantization?
    /// Bytes that the values of all programs kept may take; the newest program stays in any case.
    public let byteLimit: Int
    private let function: @Sendable ([Tensor]) -> [Tensor]
    private let weights = PackedWeights()
    private let state = Mutex(State())

    fileprivate struct Key: Hashable {
        let inputs: [Program.Input]
        let threads: Int
    }

    fileprivate struct State {
        var programs: [Key: (program: Program, lastUse: Int)] = [:]
        var uses = 0
    }

    /// - Parameters:
    ///   - quantization: calibrated for the function; what was stored is first held against it by `check(inputs:_:)`.
    ///   - function: the same for every shape but for the shapes: its weights are packed once.
    public init(
        precision: ElementType = .float32, quantization: Quantization? = nil, byteLimit: Int = 512 << 20,
        _ function: @escaping @Sendable ([Tensor]) -> [Tensor]
    ) {
        self.precision = precision
        self.quantization = quantization
        self.byteLimit = byteLimit
        self.function = function
    }

    /// The function's results for `values`, computed on the calling thread, or by `threads` together.
    public func callAsFunction(_ values: [Tensor], threads: Int = 1) -> [Tensor] {
        program(for: values.map { Program.Input(shape: $0.shape, type: $0.elementType) }, threads: threads)(values)
    }

    /// The function's results for `values`, slices of at most `sliceSize` examples side by side on `workers` threads.
    ///
    /// A single example is instead computed by all of them together.
    /// - Shapes: the first axis of all values and results is the batch.
    public func callAsFunction(_ values: [Tensor], sliceSize: Int, workers: Int) -> [Tensor] {
        let count = values[0].shape[0]
        require(
            values.allSatisfy { $0.shape.first == count },
            "program: batches differ in size: \(values.map(\.shape))")
        if count <= 1 { return self(values, threads: workers) }
        let size = min(sliceSize, (count + workers - 1) / workers)
        if size == count { return self(values) }
        let parts = Parallel.map((count + size - 1) / size, workers: workers) { slice in
            self(values.map { $0.slice(slice * size..<min(count, (slice + 1) * size)) })
        }
        return parts[0].indices.map { result in .concatenated(parts.map { $0[result] }) }
    }

    /// The program for inputs of these shapes and types.
    public func program(for inputs: [Program.Input], threads: Int = 1) -> Program {
        let key = Key(inputs: inputs, threads: threads)
        if let known = state.withLock({ $0.use(key) }) { return known }
        // Compiled outside the lock: two threads may do the same work once, none waits for the other.
        let made = makeProgram(for: inputs, threads: threads)
        return state.withLock { state in
            if let first = state.use(key) { return first }
            state.programs[key] = (made, state.uses)
            state.forget(beyond: byteLimit, except: key)
            return made
        }
    }

    private func makeProgram(for inputs: [Program.Input], threads: Int) -> Program {
        guard let quantization else {
            return Program(inputs: inputs, precision: precision, threads: threads, sharing: weights, function)
        }
        do {
            return try Program(
                inputs: inputs, precision: precision, quantization: quantization, threads: threads, sharing: weights,
                function)
        } catch { stop("\(error)") }
    }

    /// The programs that are kept now.
    public var programCount: Int { state.withLock { $0.programs.count } }
}

extension ProgramCache.State {
    fileprivate mutating func use(_ key: ProgramCache.Key) -> Program? {
        uses += 1
        programs[key]?.lastUse = uses
        return programs[key]?.program
    }

    fileprivate mutating func forget(beyond limit: Int, except newest: ProgramCache.Key) {
        var bytes = programs.values.reduce(0) { $0 + $1.program.valueBytes }
        while bytes > limit,
            let oldest = programs.filter({ $0.key != newest }).min(by: { $0.value.lastUse < $1.value.lastUse })
        {
            bytes -= oldest.value.program.valueBytes
            programs[oldest.key] = nil
        }
    }
}
