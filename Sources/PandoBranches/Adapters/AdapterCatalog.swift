/// Every kind of adapter that a plan can name.
public enum AdapterCatalog {
    /// Reading adapters first, then late, then inline ones.
    public static let kinds: [any AdapterConfiguration.Type] = [
        ProbeConfiguration.self, MLPConfiguration.self, AttentionProbeConfiguration.self, LayerMixConfiguration.self,
        MomentProbingConfiguration.self, UniPTConfiguration.self, LSTConfiguration.self,
        SHERLConfiguration.self, PromptConfiguration.self, LastBlocksConfiguration.self,
        LoRAAdapterConfiguration.self, SSFConfiguration.self, IA3Configuration.self, BottleneckConfiguration.self,
        PrefixConfiguration.self, MomentProbingPlusConfiguration.self,
        BitFitConfiguration.self, NormConfiguration.self, FullConfiguration.self,
    ]

    /// The kind of this name.
    public static func kind(named name: String) -> (any AdapterConfiguration.Type)? { kinds.first { $0.kind == name } }
}
