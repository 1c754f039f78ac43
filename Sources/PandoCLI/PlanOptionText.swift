import Pando

/// What a plan may set of an adapter, of sharing or of balancing, in words.
struct PlanOptionText: Encodable {
    let name: String
    /// What may be written.
    let values: String
    let meaning: String

    init(_ option: PlanOption<some Any>) {
        name = option.name
        meaning = option.meaning
        values =
            switch option.value {
            case .integer(let range, _): "\(range.lowerBound) to \(range.upperBound)"
            case .number(let range, _): "\(Console.short(range.lowerBound)) to \(Console.short(range.upperBound))"
            case .flag: "true or false"
            case .choice(let names, _): names.joined(separator: ", ")
            case .texts: "a list of names"
            }
    }

    /// The options side by side, or that there are none.
    static func table(of options: [PlanOptionText]) -> String {
        if options.isEmpty { return "no options" }
        var table = Table([.init("option"), .init("values"), .init("meaning")], widestCell: 100)
        for option in options { table.add(option.name, option.values, option.meaning) }
        return table.description
    }
}
