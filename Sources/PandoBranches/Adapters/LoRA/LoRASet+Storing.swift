import PandoBackbones

extension LoRASet {
    /// The set in the names that `write(to:)` should store it in for others to load: transformers' where they are one of
    /// the architecture's dialects, else another library's, else the network's own.
    ///
    /// - Throws: `AdapterError` if none of them has names for what is adapted.
    public func named(for architecture: Architecture) throws(AdapterError) -> LoRASet {
        let dialects = architecture.dialects.filter { $0.name == "transformers" } + architecture.dialects + [.own]
        var problems: [String] = []
        for dialect in dialects {
            do { return try renamed(in: dialect, prefix: "") } catch { problems += error.problems }
        }
        throw AdapterError("the names of \(architecture.name)", problems)
    }
}
