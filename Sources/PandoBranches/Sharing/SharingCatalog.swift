/// Every kind of sharing that a plan can name.
public enum SharingCatalog {
    /// The plain ones first.
    public static let kinds: [any SharingConfiguration.Type] = [
        TrunkConfiguration.self, CrossStitchConfiguration.self, MTANConfiguration.self, MMoEConfiguration.self,
        PLEConfiguration.self, TaskExpertConfiguration.self, SwinFaceConfiguration.self, FaceXFormerConfiguration.self,
        APEMConfiguration.self, AdaShareConfiguration.self, TNNConfiguration.self, ECMTConfiguration.self,
    ]

    /// The kind of this name.
    public static func kind(named name: String) -> (any SharingConfiguration.Type)? { kinds.first { $0.kind == name } }
}
