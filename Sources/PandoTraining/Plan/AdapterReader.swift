import PandoBranches
import Yams

/// Reads `adapter: KIND` or `adapter: {kind: KIND, OPTION: VALUE, …}`.
enum AdapterReader {
    /// `nil` if nothing is said, or what is said is a problem.
    static func choice(in section: PlanSection) -> AdapterChoice? {
        guard let value = section.value("adapter") else { return nil }
        guard value.mapping != nil else {
            return section.text("adapter").flatMap { type(named: $0, section, key: "adapter") }.map { AdapterChoice($0.init()) }
        }
        guard let inner = section.section("adapter"), let kind = inner.text("kind", required: true),
            let type = type(named: kind, inner, key: "kind")
        else { return nil }
        let choice = AdapterChoice(configuration(type, inner))
        inner.finish()
        return choice
    }

    private static func type(named name: String, _ section: PlanSection, key: String)
        -> (any AdapterConfiguration.Type)?
    {
        if let type = AdapterCatalog.kind(named: name) { return type }
        section.problem(
            key, "no adapter is called '\(name)'" + Suggestion.hint(for: name, among: AdapterCatalog.kinds.map { $0.kind }))
        return nil
    }

    private static func configuration<Configuration: AdapterConfiguration>(
        _ type: Configuration.Type, _ section: PlanSection
    ) -> any AdapterConfiguration {
        var configuration = Configuration()
        section.read(type.options, into: &configuration)
        return configuration
    }
}

extension PlanSection {
    /// Reads what a section says of some options.
    func read<Configuration>(_ options: [PlanOption<Configuration>], into configuration: inout Configuration) {
        for option in options {
            let key = option.name
            switch option.value {
            case .integer(let range, let set):
                if let value = optionalInteger(key, in: range) { set(&configuration, value) }
            case .number(let range, let set):
                let value = number(key, default: range.lowerBound, in: range)
                if has(key) { set(&configuration, value) }
            case .flag(let set):
                let value = flag(key, default: false)
                if has(key) { set(&configuration, value) }
            case .choice(let names, let set):
                guard let text = self.text(key) else { continue }
                if names.contains(text) {
                    set(&configuration, text)
                } else {
                    problem(key, "'\(text)' is not known" + Suggestion.hint(for: text, among: names))
                }
            case .texts(let set):
                guard let value = self.value(key) else { continue }
                let texts = value.sequence.map { $0.map { $0.plainText ?? "" } } ?? value.plainText.map { [$0] } ?? []
                if texts.isEmpty || texts.contains("") {
                    problem(key, "expected a list of names, found \(value.kindInWords)")
                } else {
                    set(&configuration, texts)
                }
            }
        }
    }
}
