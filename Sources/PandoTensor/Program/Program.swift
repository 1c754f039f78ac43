import COneDNN
import Synchronization

/// A frozen function, compiled for one input shape and precision: batch norms folded, activations and residual sums
/// fused, weights packed once, all values in one arena.
///
/// Running allocates nothing but the results. Several threads may run one program at once; each uses a workspace of
/// its own and, unless the program was made for more, one core. A program for several threads cuts each step into
/// bands, and whoever is free takes the next band: a thread that the system holds up holds up no more than its band.
public final class Program: Sendable {
    public let inputShape: [Int]
    public let outputShapes: [[Int]]
    /// What the function computes in, but for quantized layers: as asked, or `float32` on a processor that does not compute in `bfloat16`.
    /// Results are `float32` always.
    public let precision: ElementType
    /// Whether layers are computed in 8-bit integers.
    public let isQuantized: Bool
    /// Cores that one run uses.
    public let threads: Int
    let steps: [CompiledStep]
    /// Where each value stands in the arena; the input and the outputs have places of their own.
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

    /// Traces `function` once and compiles what it does, with layers computed in 8-bit integers as `quantization` says.
    ///
    /// On a processor without integer products of its own (`Processor.hasNativeInt8`) nothing is quantized.
    /// - Parameters:
    ///   - precision: of everything else, `.float32` or `.bfloat16`; by default what the processor computes in fastest.
    ///   - quantization: calibrated for this function; the input shape may be another.
    ///   - weights: packed weights to share with programs of the same function for other shapes.
    /// - Throws: `otherFunction` if the quantization was calibrated for another function, `invalidRange`.
    public convenience init(
        inputShape shape: [Int], precision: ElementType = Processor.hasNativeBFloat16 ? .bfloat16 : .float32,
        quantization: Quantization, threads: Int = 1, sharing weights: PackedWeights = PackedWeights(),
        _ function: (Tensor) -> [Tensor]
    ) throws(QuantizationError) {
        let graph = Graph(tracing: shape, function)
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
            graph.outputs.allSatisfy { graph.root(of: $0) != 0 }, "program: an output is the input itself")
        inputShape = graph.nodes[0].shape
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

    /// The function's results for `input`.
    ///
    /// - Precondition: `input` is `float32` and has `inputShape`.
    public func callAsFunction(_ input: Tensor) -> [Tensor] {
        let results = outputShapes.map { Tensor(uninitialized: $0, .float32) }
        run(input, into: results)
        return results
    }

    /// Writes the results of `input` into tensors that nobody else has seen yet.
    func run(_ input: Tensor, into results: [Tensor]) {
        require(
            input.shape == inputShape && input.elementType == .float32,
            "program: compiled for float32 \(inputShape), got \(input.elementType) \(input.shape)")
        let input = input.plain.contiguous()
        let workspace = workspaces.withLock { $0.popLast() } ?? Workspace(for: self)
        withExtendedLifetime((input.storage, results)) { workspace.run(self, input: input.rawPointer) }
        for (output, result) in zip(outputs, results) {
            workspace.copy(output.value, of: output.shape, in: self, to: result)
        }
        workspaces.withLock { $0.append(workspace) }
    }
}
