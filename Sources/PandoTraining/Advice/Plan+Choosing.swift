import PandoBranches

extension AdapterCatalog {
    /// The kinds of these names, each once.
    ///
    /// - Throws: `AdapterError` with every name that means nothing, and what was probably meant.
    public static func kinds(named names: [String]) throws(AdapterError) -> [any AdapterConfiguration.Type] {
        let unknown = names.filter { kind(named: $0) == nil }
        guard unknown.isEmpty else {
            throw AdapterError(
                "adapters",
                unknown.map { "no adapter is called '\($0)'" + Suggestion.hint(for: $0, among: kinds.map { $0.kind }) })
        }
        return kinds.filter { names.contains($0.kind) }
    }
}

extension Plan {
    /// The plan with these tasks alone.
    ///
    /// - Throws: `PlanError` with every name that no task has.
    public func keeping(tasks names: [String]) throws(PlanError) -> Plan {
        let known = tasks.map(\.name)
        let problems = names.filter { !known.contains($0) }.map {
            PlanError.Problem(
                path: "tasks", line: nil, message: "there is no task '\($0)'" + Suggestion.hint(for: $0, among: known))
        }
        guard problems.isEmpty else { throw PlanError(file: "plan '\(name)'", problems: problems) }
        var plan = self
        plan.tasks.removeAll { !names.contains($0.name) }
        return plan
    }
}
