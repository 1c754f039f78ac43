/// Every balancing method that a plan can name.
public enum BalancingCatalog {
    /// Those that look at losses alone, then those that look at gradients.
    public static let kinds: [any BalancingConfiguration.Type] = [
        EqualConfiguration.self, UncertaintyConfiguration.self, DWAConfiguration.self, GLSConfiguration.self,
        RLWConfiguration.self, GradNormConfiguration.self, MGDAConfiguration.self, PCGradConfiguration.self,
        GradVacConfiguration.self, CAGradConfiguration.self, NashConfiguration.self, IMTLConfiguration.self,
        AlignedConfiguration.self,
    ]

    /// The method of this name.
    public static func kind(named name: String) -> (any BalancingConfiguration.Type)? { kinds.first { $0.kind == name } }
}
