import COneDNN
import Synchronization

/// A frozen function, compiled for one input shape and precision: batch norms folded, activations and residual sums
/// fused, weights packed once, all values in one arena.
///
/// Running allocates nothing but the results. Several threads may run one program at once; each uses a workspace of
/// its own and, unless the program was made for more, one core. A program for several threads cuts each step into
/// bands, and whoever is free takes the next band: a thread that the system holds up holds up no more than its band.
public final class Program: Sendable {
    public let inputs: [Input]
    public let outputShapes: [[Int]]
    /// What the function computes in, but for quantized layers: as asked, or `float32` on a processor that does not
    /// compute in `bfloat16`. Results are `float32` always.
    public let precision: ElementType
    /// Whether layers are computed in 8-bit integers.
    public let isQuantized: Bool
    /// Cores that one run uses.
    public let threads: Int
    let steps: [CompiledStep]
    /// Where each value stands in the arena; the inputs have places of their own.
    let places: [Int: Int]
    let arenaBytes: Int
    let scratchpadBytes: Int
    private let outputs: [(value: Int, shape: [Int])]
    private let workspaces = Mutex<[Workspace]>([])

    /// Traces `function` once and compiles what it does.
    ///
    /// - Parameters:
    ///   - shape: of the input, the batch included.
    ///   - precision: `.float32` or `.bfloat16`.
    ///   - threads: cores that one run may use; more than one only pays for a single sample of a big network.
    ///   - weights: packed weights to share with programs of the same function for other shapes.
    /// - Precondition: every output depends on the input.
    public convenience init(
        inputShape shape: [Int], precision: ElementType = .float32, threads: Int = 1,
        sharing weights: PackedWeights = PackedWeights(), _ function: (Tensor) -> [Tensor]
    ) {
        self.init(Graph(tracing: shape, function), precision, nil, threads, weights)
    }

    /// Traces a function of several inputs once and compiles what it does.
    ///
    /// As for one input. Inputs of integers can only pick rows (`gathered(at:)`).
    public convenience init(
        inputs: [Input], precision: ElementType = .float32, threads: Int = 1,
        sharing weights: PackedWeights = PackedWeights(), _ function: ([Tensor]) -> [Tensor]
    ) {
        self.init(Graph(tracing: inputs, function), precision, nil, threads, weights)
    }

    /// Traces `function` once and compiles what it does, with layers computed in 8-bit integers as `quantization` says.
    ///
    /// On a processor without integer products of its own (`Processor.hasNativeInt8`) nothing is quantized.
    /// - Parameters:
    ///   - precision: of everything else, `.float32` or `.bfloat16`; by default what the processor computes in fastest.
    ///   - quantization: calibrated for this function; the input shape may be another.
    ///   - weights: packed weights to share with programs of the same function for other shapes.
    /// - Throws: `otherFunction` if the quantization was calibrated for another function, `invalidRange` and
    ///   `invalidFactors` if it was stored badly.
    public convenience init(
        inputShape shape: [Int], precision: ElementType = Processor.hasNativeBFloat16 ? .bfloat16 : .float32,
        quantization: Quantization, threads: Int = 1, sharing weights: PackedWeights = PackedWeights(),
        _ function: (Tensor) -> [Tensor]
    ) throws(QuantizationError) {
        try self.init(
            inputs: [Input(shape: shape, type: .float32)], precision: precision, quantization: quantization,
            threads: threads, sharing: weights
        ) { function($0[0]) }
    }

    /// Traces a function of several inputs once and compiles what it does, with layers computed in 8-bit integers as
    /// `quantization` says.
    ///
    /// As for one input.
    public convenience init(
        inputs: [Input], precision: ElementType = Processor.hasNativeBFloat16 ? .bfloat16 : .float32,
        quantization: Quantization, threads: Int = 1, sharing weights: PackedWeights = PackedWeights(),
        _ function: ([Tensor]) -> [Tensor]
    ) throws(QuantizationError) {
        let graph = Graph(tracing: inputs, function)
        try quantization.check(against: graph)
        self.init(graph, precision, Processor.hasNativeInt8 ? quantization : nil, threads, weights)
    }

    private init(
        _ graph: Graph, _ precision: ElementType, _ quantization: Quantization?, _ threads: Int, _ weights: PackedWeights
    ) {
        require(
            precision == .float32 || precision == .bfloat16,
            "program: precision is float32 or bfloat16, not \(precision)")
        require(
            graph.outputs.allSatisfy { !graph.isInput(graph.root(of: $0)) }, "program: an output is the input itself")
        inputs = graph.inputs
        let precision = Processor.computes(in: precision) ? precision : .float32
        self.precision = precision
        self.threads = threads
        outputs = graph.outputs.map { (graph.root(of: $0), graph.nodes[$0].shape) }
        outputShapes = outputs.map(\.shape)
        if let quantization { weights.belong(to: quantization) }
        isQuantized = quantization.map { $0.layers.contains { !$0.isKept } } ?? false
        let compiled = ProgramCompiler(
            graph: graph, precision: precision, quantization: quantization, weights: weights, bandCount: threads
        ).compile()
        steps = compiled.steps
        places = compiled.places
        arenaBytes = compiled.arenaBytes
        scratchpadBytes = steps.flatMap(\.primitives).map(\.scratchpadBytes).max() ?? 0
    }

    /// The shape of the first input.
    public var inputShape: [Int] { inputs[0].shape }

    /// The function's results for `input`.
    ///
    /// - Precondition: the program has one input; `input` is of its type and shape.
    public func callAsFunction(_ input: Tensor) -> [Tensor] { self([input]) }

    /// The function's results for `values`, one for each input.
    ///
    /// - Precondition: the values are of the inputs' types and shapes.
    public func callAsFunction(_ values: [Tensor]) -> [Tensor] {
        let results = outputShapes.map { Tensor(uninitialized: $0, .float32) }
        run(values, into: results)
        return results
    }

    /// Writes the results into tensors that nobody else has seen yet.
    func run(_ values: [Tensor], into results: [Tensor]) {
        require(values.count == inputs.count, "program: compiled for \(inputs.count) inputs, got \(values.count)")
        for (value, input) in zip(values, inputs) {
            require(
                value.shape == input.shape && value.elementType == input.type,
                "program: compiled for \(input.type) \(input.shape), got \(value.elementType) \(value.shape)")
        }
        let values = values.map { $0.plain.contiguous() }
        let workspace = workspaces.withLock { $0.popLast() } ?? Workspace(for: self)
        withExtendedLifetime((values, results)) { workspace.run(self, inputs: values.map(\.rawPointer)) }
        for (output, result) in zip(outputs, results) {
            workspace.copy(output.value, of: output.shape, in: self, to: result)
        }
        workspaces.withLock { $0.append(workspace) }
    }

    /// Bytes of the values of all runs that were ever under way at once, scratch memory included.
    var valueBytes: Int { max(1, workspaces.withLock { $0.count }) * (arenaBytes + threads * scratchpadBytes) }

    /// What a value is held in, unless it is an 8-bit form.
    func type(of value: Int) -> ElementType { value < inputs.count ? inputs[value].type : precision }
}

extension Program {
    /// What an input looks like.
    public struct Input: Sendable, Hashable {
        public let shape: [Int]
        /// `.float32`, or integers that rows of a table are looked up by.
        public let type: ElementType

        /// - Precondition: `type` is `.float32`, `.int32` or `.int64`.
        public init(shape: [Int], type: ElementType = .float32) {
            require(
                [.float32, .int32, .int64].contains(type), "program: an input is float32, int32 or int64, not \(type)")
            self.shape = shape
            self.type = type
        }
    }
}
