import PandoBranches
import Yams

/// Reads `sharing: KIND` or `sharing: {kind: KIND, OPTION: VALUE, …, balancing: …, stages: …}`.
enum SharingReader {
    /// `nil` if nothing is said, or what is said is a problem.
    static func plan(in section: PlanSection, tasks: [TaskPlan]) -> SharingPlan? {
        guard let value = section.value("sharing") else { return nil }
        guard value.mapping != nil else {
            return section.text("sharing").flatMap { type(named: $0, section, key: "sharing") }
                .map { SharingPlan(SharingChoice($0.init())) }
        }
        guard let inner = section.section("sharing"), let kind = inner.text("kind", required: true),
            let type = type(named: kind, inner, key: "kind")
        else { return nil }
        var plan = SharingPlan(choice(type, inner))
        plan.tasks = names("tasks", inner, among: tasks.map(\.name))
        plan.balancing = balancing(in: inner) ?? BalancingChoice()
        let stages: JointStaging.Name = inner.choice("stages", default: .joint)
        plan.staging = stages.staging
        plan.mixture.temperature = inner.number("temperature", default: plan.mixture.temperature, in: 0.01...1_000)
        if inner.has("cap") { plan.mixture.cap = inner.number("cap", default: 4, in: 0.01...1e6) }
        if plan.staging.filters, !(plan.choice.configuration is TrunkConfiguration) {
            inner.problem(
                "stages", "a task that is filtered out trains the trunk's adapter alone, so three-stage needs kind: trunk, not \(kind)")
        }
        inner.finish()
        return plan
    }

    private static func type(named name: String, _ section: PlanSection, key: String)
        -> (any SharingConfiguration.Type)?
    {
        if let type = SharingCatalog.kind(named: name) { return type }
        section.problem(
            key, "no sharing is called '\(name)'" + Suggestion.hint(for: name, among: SharingCatalog.kinds.map { $0.kind }))
        return nil
    }

    private static func choice<Configuration: SharingConfiguration>(_ type: Configuration.Type, _ section: PlanSection)
        -> SharingChoice
    {
        var configuration = Configuration()
        section.read(type.options, into: &configuration)
        if var trunk = configuration as? TrunkConfiguration {
            trunk.adapter = AdapterReader.choice(in: section) ?? trunk.adapter
            if trunk.adapter.kind == ProbeConfiguration.kind {
                section.problem("adapter", "a probe has nothing to share; name an adapter that learns, as mlp")
            }
            return SharingChoice(trunk)
        }
        return SharingChoice(configuration)
    }

    /// Reads `balancing: KIND` or `balancing: {kind: KIND, OPTION: VALUE, …}`.
    private static func balancing(in section: PlanSection) -> BalancingChoice? {
        guard let value = section.value("balancing") else { return nil }
        func type(named name: String, _ section: PlanSection, key: String) -> (any BalancingConfiguration.Type)? {
            if let type = BalancingCatalog.kind(named: name) { return type }
            section.problem(
                key,
                "no balancing is called '\(name)'" + Suggestion.hint(for: name, among: BalancingCatalog.kinds.map { $0.kind }))
            return nil
        }
        func choice<Configuration: BalancingConfiguration>(_ type: Configuration.Type, _ section: PlanSection)
            -> BalancingChoice
        {
            var configuration = Configuration()
            section.read(type.options, into: &configuration)
            return BalancingChoice(configuration)
        }
        guard value.mapping != nil else {
            return section.text("balancing").flatMap { type(named: $0, section, key: "balancing") }
                .map { BalancingChoice($0.init()) }
        }
        guard let inner = section.section("balancing"), let kind = inner.text("kind", required: true),
            let type = type(named: kind, inner, key: "kind")
        else { return nil }
        let found = choice(type, inner)
        inner.finish()
        return found
    }

    /// A list of names, each of which must be known.
    private static func names(_ key: String, _ section: PlanSection, among known: [String]) -> [String]? {
        guard let value = section.value(key) else { return nil }
        guard let list = value.sequence.map({ $0.map { $0.plainText ?? "" } }), !list.isEmpty, !list.contains("") else {
            section.problem(key, "expected a list of names, found \(value.kindInWords)")
            return nil
        }
        for name in list where !known.contains(name) {
            section.problem(key, "there is no task '\(name)'" + Suggestion.hint(for: name, among: known))
        }
        return known.filter(list.contains)
    }
}
