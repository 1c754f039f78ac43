import COneDNN
import Synchronization

/// One compiled oneDNN primitive with its descriptor.
///
/// `@unchecked Sendable`: both handles are immutable after `init`, and primitives that bring their own scratch
/// memory may be executed from several threads at once.
final class Primitive: @unchecked Sendable {
    let descriptor: dnnl_primitive_desc_t
    private let handle: dnnl_primitive_t
    let scratchpadBytes: Int
    /// A backward primitive refers to its forward one.
    private let forward: Primitive?
    /// Handles of earlier runs that no thread uses now.
    private let idle = Mutex<[PreparedArguments]>([])
    /// Copies between callers' arrangements and those of arguments, made once; `nil` where none is needed.
    private let reorders = Mutex<[ReorderKey: Primitive?]>([:])
    private struct ReorderKey: Hashable {
        let argument: Int32
        let arrangement: Arrangement
    }

    /// - Parameter purpose: what the primitive is for, should its making fail.
    /// - Returns: `nil` if oneDNN has no implementation of this combination.
    init?(
        for purpose: @autoclosure () -> String, attributes: [PostOperation] = [], scaling: [ArgumentScaling] = [],
        forward: Primitive? = nil,
        _ describe: (UnsafeMutablePointer<dnnl_primitive_desc_t?>, dnnl_primitive_attr_t) -> dnnl_status_t
    ) {
        // oneDNN plans a primitive for as many threads as its maker may use: one, once the context is made.
        _ = ThreadContext.current
        let attribute = PrimitiveAttributes(attributes, scaling)
        var made: dnnl_primitive_desc_t?
        let status = describe(&made, attribute.handle)
        guard status != dnnl_unimplemented else { return nil }
        check(status, "creating the descriptor of \(purpose())")
        descriptor = made!
        var primitive: dnnl_primitive_t?
        check(dnnl_primitive_create(&primitive, descriptor), "creating \(purpose())")
        handle = primitive!
        self.forward = forward
        scratchpadBytes =
            dnnl_primitive_desc_query_md(descriptor, dnnl_query_scratchpad_md, 0).map {
                dnnl_memory_desc_get_size($0)
            } ?? 0
    }

    deinit {
        dnnl_primitive_destroy(handle)
        dnnl_primitive_desc_destroy(descriptor)
    }

    /// How the primitive wants the argument arranged; borrowed from this primitive.
    func layout(of argument: Int32) -> const_dnnl_memory_desc_t {
        guard let descriptor = dnnl_primitive_desc_query_md(descriptor, dnnl_query_exec_arg_md, argument) else {
            stop("oneDNN: the primitive has no argument \(argument)")
        }
        return descriptor
    }

    /// The copy between a caller's arrangement and that of the argument; `nil` if both are the same.
    func reorder(of argument: Int32, _ arrangement: Arrangement) -> Primitive? {
        let key = ReorderKey(argument: argument, arrangement: arrangement)
        if let known = reorders.withLock({ $0[key] }) { return known }
        let made = makeReorder(of: argument, arrangement)
        reorders.withLock { $0.updateValue(made, forKey: key) }
        return made
    }

    /// Runs on the calling thread; returns when done. Each pointer covers what `layout(of:)` its argument says.
    func run(_ arguments: (Int32, UnsafeMutableRawPointer)...) { run(arguments) }

    func run(_ arguments: [(Int32, UnsafeMutableRawPointer)]) {
        let context = ThreadContext.current
        let kept = idle.withLock { $0.popLast() }.flatMap { $0.matches(arguments) ? $0 : nil }
        let prepared = kept ?? PreparedArguments(for: self, arguments)
        prepared.point(at: arguments, scratchpad: scratchpadBytes > 0 ? context.scratch(scratchpadBytes) : nil)
        run(prepared.list, on: context)
        idle.withLock { $0.append(prepared) }
    }

    /// Runs with arguments prepared earlier, scratch memory among them.
    func run(_ arguments: [dnnl_exec_arg_t], on context: ThreadContext) {
        check(
            dnnl_primitive_execute(handle, context.stream, Int32(arguments.count), arguments),
            "dnnl_primitive_execute")
    }
}

/// How the 8-bit integers of one argument stand for real values; the scales are given with each run.
struct ArgumentScaling: Hashable, Sendable {
    let argument: Int32
    /// The axes along which scales differ, a bit each.
    var axes: Int32 = 0
    var hasZeroPoint = false
}

/// oneDNN's handles on a primitive's arguments, to be pointed at other memory for each run: making them takes longer
/// than running a small primitive.
///
/// `@unchecked Sendable`: whoever takes it from the primitive's list is its only user until it is put back.
private final class PreparedArguments: @unchecked Sendable {
    private let memories: [Memory]
    /// Without the scratch memory.
    private let argumentCount: Int
    let list: [dnnl_exec_arg_t]

    init(for primitive: Primitive, _ arguments: [(Int32, UnsafeMutableRawPointer)]) {
        argumentCount = arguments.count
        let names = arguments.map(\.0) + (primitive.scratchpadBytes > 0 ? [DNNL_ARG_SCRATCHPAD] : [])
        memories = names.map { Memory(primitive.layout(of: $0), at: nil) }
        list = zip(names, memories).map { dnnl_exec_arg_t(arg: $0, memory: $1.handle) }
    }

    func matches(_ arguments: [(Int32, UnsafeMutableRawPointer)]) -> Bool {
        arguments.count == argumentCount && arguments.indices.allSatisfy { list[$0].arg == arguments[$0].0 }
    }

    func point(at arguments: [(Int32, UnsafeMutableRawPointer)], scratchpad: UnsafeMutableRawPointer?) {
        for index in list.indices {
            let pointer = index < argumentCount ? arguments[index].1 : scratchpad
            check(dnnl_memory_set_data_handle(list[index].memory, pointer), "dnnl_memory_set_data_handle")
        }
    }
}

/// What a primitive does to its result before storing it.
enum PostOperation: Hashable, Sendable {
    /// Adds the value that the destination held before.
    case sum(ElementType)
    case activation(Activation)
    /// Adds a second input of the given arrangement.
    case add(Layout)
}

/// Owner of the attributes a primitive is made with.
private final class PrimitiveAttributes {
    let handle: dnnl_primitive_attr_t

    init(_ operations: [PostOperation], _ scaling: [ArgumentScaling]) {
        var made: dnnl_primitive_attr_t?
        check(dnnl_primitive_attr_create(&made), "dnnl_primitive_attr_create")
        handle = made!
        check(
            dnnl_primitive_attr_set_scratchpad_mode(handle, dnnl_scratchpad_mode_user),
            "dnnl_primitive_attr_set_scratchpad_mode")
        for scaling in scaling {
            check(
                dnnl_primitive_attr_set_scales_mask(handle, scaling.argument, scaling.axes),
                "dnnl_primitive_attr_set_scales_mask")
            if scaling.hasZeroPoint {
                check(
                    dnnl_primitive_attr_set_zero_points_mask(handle, scaling.argument, 0),
                    "dnnl_primitive_attr_set_zero_points_mask")
            }
        }
        guard !operations.isEmpty else { return }
        var list: dnnl_post_ops_t?
        check(dnnl_post_ops_create(&list), "dnnl_post_ops_create")
        defer { dnnl_post_ops_destroy(list) }
        for operation in operations {
            switch operation {
            case .sum(let type):
                check(dnnl_post_ops_append_sum(list, 1, 0, type.dnnl), "dnnl_post_ops_append_sum")
            case .activation(let function):
                check(
                    dnnl_post_ops_append_eltwise(list, function.algorithm, function.alpha, function.beta),
                    "dnnl_post_ops_append_eltwise")
            case .add(let layout):
                let descriptor = MemoryDescriptor(layout)
                check(
                    dnnl_post_ops_append_binary(list, dnnl_binary_add, descriptor.handle),
                    "dnnl_post_ops_append_binary")
            }
        }
        check(dnnl_primitive_attr_set_post_ops(handle, list), "dnnl_primitive_attr_set_post_ops")
    }

    deinit { dnnl_primitive_attr_destroy(handle) }
}

/// Primitives by recipe: compiling one takes milliseconds, a training step asks for the same few again and again.
final class PrimitiveCache: Sendable {
    static let shared = PrimitiveCache()
    /// Past this many, the cache starts over: data of ever new shapes must not fill the memory.
    private static let capacity = 2048
    private let known = Mutex<[PrimitiveRecipe: Primitive]>([:])

    func primitive(_ recipe: PrimitiveRecipe) -> Primitive {
        if let primitive = known.withLock({ $0[recipe] }) { return primitive }
        guard let made = recipe.make() else { stop("oneDNN has no implementation of \(recipe)") }
        known.withLock {
            if $0.count >= Self.capacity { $0.removeAll() }
            $0[recipe] = made
        }
        return made
    }
}
