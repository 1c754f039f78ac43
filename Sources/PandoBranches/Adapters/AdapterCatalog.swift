/// Where an adapter learns, of the whole way from input to vector.
public enum AdapterPlace: String, Sendable, Codable, CaseIterable {
    /// Beside the backbone or behind it: it reads the frozen pass, and no gradient enters the backbone.
    case reading
    /// In the backbone's last part: what comes before is run without gradients.
    case late
    /// All through the backbone.
    case inline
}

/// Every kind of adapter that a plan can name.
public enum AdapterCatalog {
    /// By where they usually learn; a made adapter's `gradientEntry` tells exactly.
    public static func kinds(_ place: AdapterPlace) -> [any AdapterConfiguration.Type] {
        switch place {
        case .reading:
            [
                ProbeConfiguration.self, MLPConfiguration.self, AttentionProbeConfiguration.self,
                LayerMixConfiguration.self, MomentProbingConfiguration.self, UniPTConfiguration.self,
                LSTConfiguration.self,
            ]
        case .late: [SHERLConfiguration.self, LastBlocksConfiguration.self]
        case .inline:
            [
                LoRAAdapterConfiguration.self, SSFConfiguration.self, IA3Configuration.self,
                BottleneckConfiguration.self, PrefixConfiguration.self, PromptConfiguration.self,
                MomentProbingPlusConfiguration.self, BitFitConfiguration.self, NormConfiguration.self,
                FullConfiguration.self,
            ]
        }
    }

    /// Reading adapters first, then late, then inline ones.
    public static let kinds: [any AdapterConfiguration.Type] = AdapterPlace.allCases.flatMap(kinds)

    /// The kind of this name.
    public static func kind(named name: String) -> (any AdapterConfiguration.Type)? { kinds.first { $0.kind == name } }
}
