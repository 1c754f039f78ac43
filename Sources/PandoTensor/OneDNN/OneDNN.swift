import COneDNN
import Glibc

/// Stops the program when a oneDNN call failed: after shapes were checked, only a programming mistake or an
/// exhausted machine gets here.
func check(_ status: dnnl_status_t, _ call: @autoclosure () -> String) {
    require(status == dnnl_success, "oneDNN: \(call()) returned status \(status.rawValue)")
}

/// The CPU as oneDNN's engine; made once.
enum CPUEngine {
    // Handles are immutable after creation and oneDNN's engine may be used from any thread.
    nonisolated(unsafe) static let handle: dnnl_engine_t = {
        var engine: dnnl_engine_t?
        check(dnnl_engine_create(&engine, dnnl_cpu, 0), "dnnl_engine_create")
        return engine!
    }()
}

/// What each thread that runs primitives owns: a stream and scratch memory.
///
/// Primitives run on the calling thread alone (OpenMP's thread count is 1 on each): work is spread across samples,
/// by whoever owns the threads.
final class ThreadContext {
    let stream: dnnl_stream_t
    private var scratchpad: UnsafeMutableRawPointer?
    private var scratchpadBytes = 0

    private init() {
        omp_set_num_threads(1)
        var stream: dnnl_stream_t?
        check(dnnl_stream_create(&stream, CPUEngine.handle, dnnl_stream_default_flags.rawValue), "dnnl_stream_create")
        self.stream = stream!
    }

    deinit {
        dnnl_stream_destroy(stream)
        free(scratchpad)
        MemoryMeter.add(-scratchpadBytes, to: .workspace)
    }

    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        let status = pthread_key_create(&key) { Unmanaged<ThreadContext>.fromOpaque($0!).release() }
        require(status == 0, "pthread_key_create failed with \(status)")
        return key
    }()

    static var current: ThreadContext {
        if let known = pthread_getspecific(key) {
            return Unmanaged<ThreadContext>.fromOpaque(known).takeUnretainedValue()
        }
        let context = ThreadContext()
        pthread_setspecific(key, Unmanaged.passRetained(context).toOpaque())
        return context
    }

    /// At least `bytes` of memory that the next call on this thread may overwrite.
    func scratch(_ bytes: Int) -> UnsafeMutableRawPointer? {
        if bytes > scratchpadBytes {
            free(scratchpad)
            scratchpad = nil
            guard posix_memalign(&scratchpad, 64, bytes) == 0 else {
                stop("out of memory: could not allocate \(bytes) bytes of scratch memory")
            }
            MemoryMeter.add(bytes - scratchpadBytes, to: .workspace)
            scratchpadBytes = bytes
        }
        return scratchpad
    }
}

extension ElementType {
    var dnnl: dnnl_data_type_t {
        switch self {
        case .float32: dnnl_f32
        case .bfloat16: dnnl_bf16
        case .float16: dnnl_f16
        case .int32: dnnl_s32
        case .int8: dnnl_s8
        case .uint8, .bool: dnnl_u8
        case .int64: stop("oneDNN has no 64-bit integers")
        }
    }
}

/// Sizes, strides and element type of a value handed to oneDNN; without strides, oneDNN chooses the arrangement.
struct Layout: Hashable, Sendable, CustomStringConvertible {
    var dimensions: [Int]
    var strides: [Int]?
    var type: ElementType

    init(_ dimensions: [Int], strides: [Int]? = nil, _ type: ElementType) {
        self.dimensions = dimensions
        self.strides = strides
        self.type = type
    }

    var description: String { "\(type) \(dimensions)" + (strides.map { " strides \($0)" } ?? "") }

    static func rowMajor(_ dimensions: [Int], _ type: ElementType) -> Layout {
        Layout(dimensions, strides: dimensions.rowMajorStrides, type)
    }

    /// A map `[N, …, C]` under oneDNN's logical order N, C, ….
    static func channelsLast(_ shape: [Int], _ type: ElementType) -> Layout {
        func channelsSecond(_ sizes: [Int]) -> [Int] { [sizes[0], sizes[sizes.count - 1]] + sizes[1..<sizes.count - 1] }
        return Layout(channelsSecond(shape), strides: channelsSecond(shape.rowMajorStrides), type)
    }
}

/// Owner of a oneDNN memory descriptor.
final class MemoryDescriptor {
    let handle: dnnl_memory_desc_t

    init(_ layout: Layout) {
        let dimensions = layout.dimensions.map(Int64.init)
        require(dimensions.count <= 12, "oneDNN takes at most 12 axes, got shape \(layout.dimensions)")
        var made: dnnl_memory_desc_t?
        if let strides = layout.strides {
            check(
                dnnl_memory_desc_create_with_strides(
                    &made, Int32(dimensions.count), dimensions, layout.type.dnnl, strides.map(Int64.init)),
                "dnnl_memory_desc_create_with_strides(\(layout))")
        } else {
            check(
                dnnl_memory_desc_create_with_tag(
                    &made, Int32(dimensions.count), dimensions, layout.type.dnnl, dnnl_format_tag_any),
                "dnnl_memory_desc_create_with_tag(\(layout))")
        }
        handle = made!
    }

    deinit { dnnl_memory_desc_destroy(handle) }
}

/// A oneDNN memory object over bytes that somebody else owns and keeps alive while it is used.
final class Memory {
    let handle: dnnl_memory_t

    init(_ descriptor: const_dnnl_memory_desc_t, at pointer: UnsafeMutableRawPointer?) {
        var made: dnnl_memory_t?
        check(dnnl_memory_create(&made, descriptor, CPUEngine.handle, pointer), "dnnl_memory_create")
        handle = made!
    }

    deinit { dnnl_memory_destroy(handle) }
}
