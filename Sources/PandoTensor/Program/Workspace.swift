import COneDNN
import Glibc
import Synchronization

/// The memory of one running program: an arena, and oneDNN's handles on the places in it.
///
/// `@unchecked Sendable`: whoever takes it from the program's pool is its only user until it is put back. The threads
/// of one run share it: each unit is run by one of them, after all units of earlier steps.
final class Workspace: @unchecked Sendable {
    /// What one thread runs at a stretch: a band of a step.
    private struct Unit {
        let work: Work
        /// Units that must have ended before: those of all earlier steps.
        let predecessors: Int

        enum Work {
            case primitive(Primitive, [dnnl_exec_arg_t])
            case attention(CompiledStep.AttentionPart)
            case copy(CompiledStep.Copy)
            case plain(any Operation, operands: [CompiledStep.PlainOperand], output: Int)
        }
    }

    private let arena: Storage
    /// One for each band of a step.
    private let scratchpads: [Storage]
    private var units: [Unit] = []
    private var memories: [Memory] = []
    /// Inputs stand outside the arena; these handles are pointed at them before each run.
    private var inputs: [(memory: Memory, input: Int, byteOffset: Int)] = []

    init(for program: Program) {
        arena = Storage(byteCount: program.arenaBytes)
        scratchpads = (0..<program.threads).map { _ in Storage(byteCount: program.scratchpadBytes) }
        for step in program.steps {
            let predecessors = units.count
            switch step {
            case .bands(let bands):
                for (band, scratchpad) in zip(bands, scratchpads) {
                    let work = Unit.Work.primitive(band.primitive, arguments(of: band, scratchpad, in: program))
                    units.append(Unit(work: work, predecessors: predecessors))
                }
            case .attention(let parts):
                units += parts.map { Unit(work: .attention($0), predecessors: predecessors) }
            case .copies(let copies):
                units += copies.map { Unit(work: .copy($0), predecessors: predecessors) }
            case .plain(let operation, let operands, let output):
                units.append(
                    Unit(work: .plain(operation, operands: operands, output: output), predecessors: predecessors))
            }
        }
    }

    private func arguments(of band: CompiledStep.Band, _ scratchpad: Storage, in program: Program) -> [dnnl_exec_arg_t] {
        var list: [dnnl_exec_arg_t] = []
        func append(_ argument: Int32, at pointer: UnsafeMutableRawPointer?) -> Memory {
            let memory = Memory(band.primitive.layout(of: argument), at: pointer)
            memories.append(memory)
            list.append(dnnl_exec_arg_t(arg: argument, memory: memory.handle))
            return memory
        }
        for (argument, source) in band.arguments {
            switch source {
            case .constant(let entry): _ = append(argument, at: entry.pointer)
            case .vector(let tensor):
                let layout = MemoryDescriptor(.rowMajor(tensor.shape, tensor.elementType))
                let memory = Memory(layout.handle, at: tensor.rawPointer)
                memories.append(memory)
                list.append(dnnl_exec_arg_t(arg: argument, memory: memory.handle))
            case .value(let input, let byteOffset) where input < program.inputs.count:
                inputs.append((append(argument, at: nil), input, byteOffset))
            case .value(let value, let byteOffset):
                _ = append(argument, at: arena.pointer + program.places[value]! + byteOffset)
            }
        }
        if band.primitive.scratchpadBytes > 0 { _ = append(DNNL_ARG_SCRATCHPAD, at: scratchpad.pointer) }
        return list
    }

    /// Computes the program's values from the inputs, on as many threads as it was made for.
    func run(_ program: Program, inputs places: [UnsafeMutableRawPointer]) {
        for (memory, input, byteOffset) in inputs {
            check(
                dnnl_memory_set_data_handle(memory.handle, places[input] + byteOffset), "dnnl_memory_set_data_handle")
        }
        let places = Places(program: program, arena: arena.pointer, inputs: places)
        if program.threads == 1 {
            let context = ThreadContext.current
            for unit in units { run(unit, places, context) }
        } else {
            runTogether(places)
        }
    }

    /// Where values stand during one run. Sendable, because the inputs are only read and outlive the run, and the
    /// arena is the workspace's.
    private struct Places: @unchecked Sendable {
        let program: Program
        let arena: UnsafeMutableRawPointer
        let inputs: [UnsafeMutableRawPointer]

        func start(of value: Int) -> UnsafeMutableRawPointer {
            value < inputs.count ? inputs[value] : arena + program.places[value]!
        }

        func start(of source: CompiledStep.Source) -> UnsafeMutableRawPointer {
            switch source {
            case .value(let value, let byteOffset): start(of: value) + byteOffset
            case .constant(let entry): entry.pointer
            case .vector(let tensor): tensor.rawPointer
            }
        }
    }

    /// Threads take units in order. A thread that comes late finds less to do and nobody waits for it.
    private func runTogether(_ places: Places) {
        let taken = Atomic(0)
        let ended = Atomic(0)
        Parallel.run(places.program.threads) { _ in
            let context = ThreadContext.current
            while true {
                let index = taken.wrappingAdd(1, ordering: .relaxed).oldValue
                guard index < units.count else { return }
                var looks = 0
                while ended.load(ordering: .acquiring) < units[index].predecessors {
                    looks += 1
                    // The thread waited for may need this core.
                    if looks % 512 == 0 { sched_yield() }
                }
                run(units[index], places, context)
                ended.wrappingAdd(1, ordering: .releasing)
            }
        }
    }

    private func run(_ unit: Unit, _ places: Places, _ context: ThreadContext) {
        switch unit.work {
        case .primitive(let primitive, let arguments): primitive.run(arguments, on: context)
        case .attention(let part):
            let operands = AttentionKernel.Places(
                query: places.start(of: part.query), key: places.start(of: part.key),
                value: places.start(of: part.value),
                mask: part.mask.map { places.start(of: $0).assumingMemoryBound(to: Float.self) },
                output: places.start(of: part.output))
            let scratch = context.scratch(part.kernel.scratchBytes)
            for unit in part.units { part.kernel.run(unit, operands, scratch) }
        case .copy(let copy):
            copyElements(
                copy.shape, from: places.start(of: copy.source), copy.sourceStrides,
                to: places.start(of: copy.destination), copy.destinationStrides,
                byteCount: places.program.precision.byteCount)
        case .plain(let operation, let operands, let output):
            // Kernels compute in the program's precision, everything else in `float32`.
            let type = operation.isComputedInPrecision ? places.program.precision : .float32
            let values = operands.map { operand -> Tensor in
                switch operand {
                case .constant(let tensor):
                    return type == .float32 || !tensor.elementType.isFloatingPoint ? tensor : tensor.cast(to: type)
                case .value(let value, let shape):
                    let stored = view(places.start(of: value), shape, places.program.type(of: value))
                    return stored.elementType.isFloatingPoint ? stored.cast(to: type) : stored
                }
            }
            let result = operation.forward(values).cast(to: places.program.precision)
            withExtendedLifetime(result) {
                copyElements(
                    result.shape, from: result.rawPointer, result.strides, to: places.start(of: output),
                    result.shape.rowMajorStrides, byteCount: result.elementType.byteCount)
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

extension Operation {
    /// Whether a program computes the operation in its own precision, all operands alike.
    fileprivate var isComputedInPrecision: Bool { self is Softmax || self is Elementwise || self is MatrixProduct }
}
