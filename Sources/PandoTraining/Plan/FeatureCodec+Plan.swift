import PandoData

extension FeatureCodec {
    /// What a plan calls the codecs.
    static let plannedNames =
        ["float32", "bfloat16", "int8"] + (1...8).map { "uniform\($0)" } + [2, 4, 8, 16].map { "pq\($0)" }

    /// The codec of a name in a plan: `uniform4` has 4 bits a number, `pq8` a byte for 8 channels.
    init?(planned name: String) {
        guard Self.plannedNames.contains(name) else { return nil }
        let number = Int(name.drop { !$0.isNumber }) ?? 0
        switch name {
        case "float32": self = .float32
        case "bfloat16": self = .bfloat16
        case "int8": self = .int8()
        case let name where name.hasPrefix("uniform"): self = .uniform(bits: number)
        default: self = .productQuantization(subvectorLength: number)
        }
    }
}
