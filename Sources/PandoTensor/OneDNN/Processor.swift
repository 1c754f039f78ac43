import COneDNN

/// What the kernels make of this machine's processor.
public enum Processor {
    /// The widest instructions that kernels use here, in words; `ONEDNN_MAX_CPU_ISA` can lower it.
    public static var instructionSet: String {
        switch dnnl_get_effective_cpu_isa() {
        case dnnl_cpu_isa_sse41: "SSE4.1"
        case dnnl_cpu_isa_avx: "AVX"
        case dnnl_cpu_isa_avx2: "AVX2"
        case dnnl_cpu_isa_avx2_vnni: "AVX2 with VNNI"
        case dnnl_cpu_isa_avx2_vnni_2: "AVX2 with VNNI and bf16 conversion"
        case dnnl_cpu_isa_avx512_core: "AVX-512"
        case dnnl_cpu_isa_avx512_core_vnni: "AVX-512 with VNNI"
        case dnnl_cpu_isa_avx512_core_bf16: "AVX-512 with bf16"
        case dnnl_cpu_isa_avx512_core_fp16: "AVX-512 with bf16 and f16"
        case dnnl_cpu_isa_avx512_core_amx: "AVX-512 with AMX (bf16, int8)"
        case dnnl_cpu_isa_avx512_core_amx_fp16: "AVX-512 with AMX (bf16, f16, int8)"
        case dnnl_cpu_isa_default: "generic x86-64"
        default: "instruction set \(dnnl_get_effective_cpu_isa().rawValue) of oneDNN"
        }
    }

    /// Whether the processor multiplies bfloat16 by itself; elsewhere it saves memory but no time.
    public static var hasNativeBFloat16: Bool {
        [
            dnnl_cpu_isa_avx512_core_bf16, dnnl_cpu_isa_avx512_core_fp16, dnnl_cpu_isa_avx512_core_amx,
            dnnl_cpu_isa_avx512_core_amx_fp16,
        ].contains(dnnl_get_effective_cpu_isa())
    }

    /// Whether the processor multiplies 8-bit integers by itself, into exact 32-bit sums; elsewhere programs compute in
    /// floating point what was to be quantized.
    public static var hasNativeInt8: Bool {
        [
            dnnl_cpu_isa_avx2_vnni, dnnl_cpu_isa_avx2_vnni_2, dnnl_cpu_isa_avx512_core_vnni,
            dnnl_cpu_isa_avx512_core_bf16, dnnl_cpu_isa_avx512_core_fp16, dnnl_cpu_isa_avx512_core_amx,
            dnnl_cpu_isa_avx512_core_amx_fp16,
        ].contains(dnnl_get_effective_cpu_isa())
    }

    /// Whether kernels compute in `type` here. What is brought to them in another floating-point type is computed in
    /// `float32`: `float16` everywhere, `bfloat16` without AVX-512.
    static func computes(in type: ElementType) -> Bool {
        switch type {
        case .float32: true
        case .bfloat16: computesInBFloat16
        case .float16, .int64, .int32, .int8, .uint8, .bool: false
        }
    }

    // The numbers of oneDNN's instruction sets are sets of bits.
    private static let computesInBFloat16 =
        dnnl_get_effective_cpu_isa().rawValue & dnnl_cpu_isa_avx512_core.rawValue == dnnl_cpu_isa_avx512_core.rawValue

    /// Version of the kernel library, such as "oneDNN 3.2.0".
    public static var kernelLibrary: String {
        let version = dnnl_version().pointee
        return "oneDNN \(version.major).\(version.minor).\(version.patch)"
    }
}
