import Foundation
import PandoBackbones
import PandoTensor

/// Reading and writing PEFT's `adapter_config.json`.
///
/// A key that would change what the adapter computes and that nothing here carries out is refused, also one that is
/// not known: null, false and empty values mean that it is not used.
extension LoRAConfiguration {
    /// - Throws: `AdapterError` with every key that cannot be followed, `BackboneError` if the file is no JSON object.
    public init(_ file: URL) throws {
        var reader = try ConfigurationReader(file)
        let kind = reader.text("peft_type", default: "LORA")
        if kind != "LORA" { reader.problem("peft_type", "is '\(kind)'; only LORA can be used") }
        self.init(
            rank: reader.integer("r", in: 1...65536, default: 8), alpha: 8, targets: .names([]))
        alpha = Double(reader.number("lora_alpha", in: -1e6...1e6, default: 8))
        targets = Self.targets("target_modules", &reader) ?? .names([])
        excluded = Self.targets("exclude_modules", &reader)
        layers = reader.wholeNumbers("layers_to_transform", in: 0...100_000)
        layerLists = reader.texts("layers_pattern") ?? []
        rankPattern = reader.numbers("rank_pattern", in: 1...65536).mapValues { Int($0) }
        alphaPattern = reader.numbers("alpha_pattern", in: -1e6...1e6)
        usesRankStabilizedScale = reader.flag("use_rslora", default: false)
        tracksMagnitude = reader.flag("use_dora", default: false)
        hasUpBias = reader.flag("lora_bias", default: false)
        let biasName = reader.text("bias", default: "none")
        if let known = Bias(rawValue: biasName) { bias = known } else {
            reader.problem("bias", "'\(biasName)' is not known; expected none, all or lora_only")
        }
        savedModules = reader.texts("modules_to_save") ?? []
        baseModel = reader.optionalText("base_model_name_or_path")
        taskType = reader.optionalText("task_type")
        if reader.flag("fan_in_fan_out", default: false) {
            reader.problem("fan_in_fan_out", "is true, for layers that keep their weight the other way round; none here do")
        }
        Self.checkInitialization(&reader)
        for key in reader.keys where !Self.known.contains(key) && !reader.isUnused(key) {
            reader.problem(key, "would change what the adapter computes, and is not implemented")
        }
        try reader.finish()
    }

    /// Some ways to begin also change the base weights, which this file does not hold.
    private static func checkInitialization(_ reader: inout ConfigurationReader) {
        let key = "init_lora_weights"
        guard let name = reader.textIfAny(key), !["gaussian", "eva", "orthogonal"].contains(name.lowercased()) else { return }
        reader.problem(
            key,
            "'\(name)' changed the base weights too; in PEFT, save with path_initial_model_for_weight_conversion, which makes an ordinary LoRA of it")
    }

    private static func targets(_ key: String, _ reader: inout ConfigurationReader) -> Targets? {
        if let text = reader.textIfAny(key) { return text == "all-linear" ? .allLinear : .pattern(text) }
        return reader.texts(key).map { .names($0.sorted()) }
    }

    /// Keys that are followed, or that do not change what the adapter computes once it is trained.
    private static let known: Set<String> = [
        "peft_type", "r", "lora_alpha", "target_modules", "exclude_modules", "layers_to_transform", "layers_pattern",
        "rank_pattern", "alpha_pattern", "use_rslora", "use_dora", "lora_bias", "bias", "modules_to_save",
        "base_model_name_or_path", "task_type", "fan_in_fan_out", "init_lora_weights", "auto_mapping", "inference_mode",
        "lora_dropout", "megatron_core", "peft_version", "qalora_group_size", "revision", "runtime_config", "eva_config",
        "ensure_weight_tying",
    ]

    /// The file, as PEFT writes it: keys in order, two blanks a level.
    public func encodedFile() throws -> Data {
        func list(_ targets: Targets?) -> Any {
            switch targets {
            case .names(let names): names.sorted()
            case .pattern(let pattern): pattern
            case .allLinear: "all-linear"
            case nil: NSNull()
            }
        }
        let fields: [String: Any] = [
            "peft_type": "LORA", "r": rank, "lora_alpha": Self.plain(alpha), "target_modules": list(targets),
            "exclude_modules": list(excluded), "layers_to_transform": layers ?? NSNull(),
            "layers_pattern": layerLists.isEmpty ? NSNull() : layerLists, "rank_pattern": rankPattern,
            "alpha_pattern": alphaPattern.mapValues(Self.plain), "use_rslora": usesRankStabilizedScale,
            "use_dora": tracksMagnitude, "lora_bias": hasUpBias, "bias": bias.rawValue,
            "modules_to_save": savedModules.isEmpty ? NSNull() : savedModules,
            "base_model_name_or_path": baseModel ?? NSNull(), "task_type": taskType ?? NSNull(), "fan_in_fan_out": false,
            "init_lora_weights": true, "inference_mode": true, "lora_dropout": 0.0, "revision": NSNull(),
        ]
        return try JSONSerialization.data(
            withJSONObject: fields, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
    }

    /// A whole number where it is one, as PEFT expects of `lora_alpha`.
    private static func plain(_ value: Double) -> Any { Int(exactly: value) ?? value }
}
