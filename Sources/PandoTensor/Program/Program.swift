import COneDNN
import Synchronization

/// A frozen function, compiled for one input shape and precision: batch norms folded, activations and residual sums
/// fused, weights packed once, all values in one arena.
///
/// Running allocates nothing but the results. Several threads may run one program at once; each uses a workspace of
/// its own and, unless the program was made for more, one core.
public final class Program: Sendable {
    public let inputShape: [Int]
    public let outputShapes: [[Int]]
    /// What the function computes in; results are `float32` always.
    public let precision: ElementType
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
    public init(
        inputShape shape: [Int], precision: ElementType = .float32, threads: Int = 1,
        sharing weights: PackedWeights = PackedWeights(), _ function: (Tensor) -> [Tensor]
    ) {
        require(
            precision == .float32 || precision == .bfloat16,
            "program: precision is float32 or bfloat16, not \(precision)")
        let graph = Graph(tracing: shape, function)
        require(
            graph.outputs.allSatisfy { graph.root(of: $0) != 0 }, "program: an output is the input itself")
        inputShape = shape
        self.precision = precision
        self.threads = threads
        outputs = graph.outputs.map { (graph.root(of: $0), graph.nodes[$0].shape) }
        outputShapes = outputs.map(\.shape)
        // oneDNN plans a primitive for as many threads as its maker may use.
        _ = ThreadContext.current
        omp_set_num_threads(Int32(threads))
        defer { omp_set_num_threads(1) }
        let compiled = ProgramCompiler(graph: graph, precision: precision, weights: weights).compile()
        steps = compiled.steps
        places = compiled.places
        arenaBytes = compiled.arenaBytes
        scratchpadBytes = steps.reduce(0) { max($0, $1.primitive?.scratchpadBytes ?? 0) }
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
        let input = input.detached.contiguous()
        let workspace = workspaces.withLock { $0.popLast() } ?? Workspace(for: self)
        let context = ThreadContext.current
        if threads > 1 { omp_set_num_threads(Int32(threads)) }
        withExtendedLifetime((input.storage, results)) {
            workspace.run(self, input: input.rawPointer, context)
        }
        if threads > 1 { omp_set_num_threads(1) }
        for (output, result) in zip(outputs, results) {
            workspace.copy(output.value, of: output.shape, in: self, to: result)
        }
        workspaces.withLock { $0.append(workspace) }
    }
}

/// One step with its primitive and its operands' places.
struct CompiledStep: Sendable {
    /// What stands behind an argument of a primitive.
    enum Source: Sendable {
        case value(Int)
        case constant(PackedWeights.Entry)
    }

    enum Work: Sendable {
        case primitive(Primitive, arguments: [(Int32, Source)])
        /// Computed as outside a program, on `float32` copies.
        case plain(any Operation, operands: [PlainOperand], output: Int)
    }

    enum PlainOperand: Sendable {
        case value(Int, shape: [Int])
        case constant(Tensor)
    }

    let work: Work

    var primitive: Primitive? {
        if case .primitive(let primitive, _) = work { primitive } else { nil }
    }
}

/// The memory of one running program: an arena, and oneDNN's handles on the places in it.
///
/// `@unchecked Sendable`: whoever takes it from the program's pool is its only user until it is put back.
private final class Workspace: @unchecked Sendable {
    private let arena: Storage
    private let scratchpad: Storage
    /// The input stands outside the arena; its handles are pointed at it before each run.
    private var inputs: [Memory] = []
    private var memories: [Memory] = []
    private var arguments: [[dnnl_exec_arg_t]] = []

    init(for program: Program) {
        arena = Storage(byteCount: program.arenaBytes)
        scratchpad = Storage(byteCount: program.scratchpadBytes)
        for step in program.steps {
            guard case .primitive(let primitive, let sources) = step.work else {
                arguments.append([])
                continue
            }
            var list: [dnnl_exec_arg_t] = []
            for (argument, source) in sources {
                let memory: Memory
                switch source {
                case .constant(let entry): memory = Memory(primitive.layout(of: argument), at: entry.pointer)
                case .value(0):
                    memory = Memory(primitive.layout(of: argument), at: nil)
                    inputs.append(memory)
                case .value(let value):
                    memory = Memory(primitive.layout(of: argument), at: arena.pointer + program.places[value]!)
                }
                memories.append(memory)
                list.append(dnnl_exec_arg_t(arg: argument, memory: memory.handle))
            }
            if primitive.scratchpadBytes > 0 {
                let memory = Memory(primitive.layout(of: DNNL_ARG_SCRATCHPAD), at: scratchpad.pointer)
                memories.append(memory)
                list.append(dnnl_exec_arg_t(arg: DNNL_ARG_SCRATCHPAD, memory: memory.handle))
            }
            arguments.append(list)
        }
    }

    func run(_ program: Program, input: UnsafeMutableRawPointer, _ context: ThreadContext) {
        for memory in inputs { check(dnnl_memory_set_data_handle(memory.handle, input), "dnnl_memory_set_data_handle") }
        for (step, arguments) in zip(program.steps, arguments) {
            switch step.work {
            case .primitive(let primitive, _): primitive.run(arguments, on: context)
            case .plain(let operation, let operands, let output):
                let values = operands.map { operand -> Tensor in
                    switch operand {
                    case .constant(let tensor): return tensor
                    case .value(let value, let shape):
                        let start = value == 0 ? input : arena.pointer + program.places[value]!
                        return view(start, shape, value == 0 ? .float32 : program.precision).cast(to: .float32)
                    }
                }
                let result = operation.forward(values).cast(to: program.precision).contiguous()
                result.withBytes { bytes in
                    (arena.pointer + program.places[output]!).copyMemory(from: bytes.baseAddress!, byteCount: bytes.count)
                }
            }
        }
    }

    /// Copies a value out of the arena, as `float32`.
    func copy(_ value: Int, of shape: [Int], in program: Program, to result: Tensor) {
        view(arena.pointer + program.places[value]!, shape, program.precision).cast(to: .float32)
            .copyElements(into: result, at: 0)
    }

    /// A tensor over bytes that outlive it: it is read and let go before the workspace is used again.
    private func view(_ start: UnsafeMutableRawPointer, _ shape: [Int], _ type: ElementType) -> Tensor {
        let bytes = UnsafeRawBufferPointer(start: start, count: shape.elementCount * type.byteCount)
        return Tensor(
            storage: Storage(foreign: bytes, owner: arena), shape: shape, strides: shape.rowMajorStrides,
            elementType: type)
    }
}
