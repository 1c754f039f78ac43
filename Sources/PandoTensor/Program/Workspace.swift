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
            case plain(any Operation, operands: [CompiledStep.PlainOperand], output: Int)
        }
    }

    private let arena: Storage
    /// One for each band of a step.
    private let scratchpads: [Storage]
    private var units: [Unit] = []
    private var memories: [Memory] = []
    /// The input stands outside the arena; these handles are pointed at it before each run.
    private var inputs: [(memory: Memory, byteOffset: Int)] = []

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
            case .value(0, let byteOffset): inputs.append((append(argument, at: nil), byteOffset))
            case .value(let value, let byteOffset):
                _ = append(argument, at: arena.pointer + program.places[value]! + byteOffset)
            }
        }
        if band.primitive.scratchpadBytes > 0 { _ = append(DNNL_ARG_SCRATCHPAD, at: scratchpad.pointer) }
        return list
    }

    /// Computes the program's values from the input, on as many threads as it was made for.
    func run(_ program: Program, input: UnsafeMutableRawPointer) {
        for (memory, byteOffset) in inputs {
            check(dnnl_memory_set_data_handle(memory.handle, input + byteOffset), "dnnl_memory_set_data_handle")
        }
        if program.threads == 1 {
            let context = ThreadContext.current
            for unit in units { run(unit, program, input, context) }
        } else {
            runTogether(program, input: Input(start: input))
        }
    }

    /// Threads take units in order. A thread that comes late finds less to do and nobody waits for it.
    private func runTogether(_ program: Program, input: Input) {
        let taken = Atomic(0)
        let ended = Atomic(0)
        Parallel.run(program.threads) { _ in
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
                run(units[index], program, input.start, context)
                ended.wrappingAdd(1, ordering: .releasing)
            }
        }
    }

    /// The input's address. Sendable, because the input is only read and outlives the run.
    private struct Input: @unchecked Sendable { let start: UnsafeMutableRawPointer }

    private func run(_ unit: Unit, _ program: Program, _ input: UnsafeMutableRawPointer, _ context: ThreadContext) {
        switch unit.work {
        case .primitive(let primitive, let arguments): primitive.run(arguments, on: context)
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
