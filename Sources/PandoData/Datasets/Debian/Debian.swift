import Foundation

/// The packages of Debian: short texts with many real tasks of very different size.
///
/// The text is `name: short description`, such as `gimp: GNU Image Manipulation Program`.
///
/// | column | what |
/// |---|---|
/// | `section` | the archive's section, as written; those with at least 100 packages |
/// | a debtags facet, such as `role` or `works-with` | its tags, without the facet; those on at least 40 packages |
/// | `installed-size` | the natural logarithm of 1 + the installed size in KiB |
///
/// A package without a facet's tags is not labelled in its column; one whose tags of the facet are all rare has none
/// of the labels. A facet is a column when at least two of its tags are left. The id is the package's name, or
/// `name=version` where the index has several versions. Packages of one source package stay together: `SplitRule`
/// decides by the source package's name.
///
/// The index is the one that every Debian machine has after `apt-get update`. That of bookworm's main area has 63,440
/// packages, 30,303 of them with debtags; 50 sections, and 25 facets, from `role` (26,755 packages, 11 tags) to
/// `accessibility` (209, 2).
public enum Debian {
    public static let minimumPerSection = 100
    public static let minimumPerTag = 40
    public static let sectionColumn = "section"
    public static let sizeColumn = "installed-size"

    /// - Parameter file: a Packages file, plain or packed; without one, bookworm's from apt's lists.
    /// - Throws: `DatasetError` when there is no such file, or it is not a list of packages.
    /// - Cost: about a second.
    public static func dataset(at file: URL? = nil) throws(DatasetError) -> Dataset {
        let file = if let file { file } else { try PackageIndex.file() }
        var problems = ProblemList(file: file.path)
        let packages = try packages(in: file, &problems)
        let sections = counts(packages.lazy.compactMap(\.section)).filter { $0.value >= minimumPerSection }
        let tags = counts(packages.lazy.flatMap(\.tags)).filter { $0.value >= minimumPerTag }
        let facets = Set(counts(tags.keys.lazy.map(\.facet)).filter { $0.value >= 2 }.keys)
        for column in [sectionColumn, sizeColumn] where facets.contains(column) {
            problems.add("the debtags facet `\(column)` has the name of a column")
        }
        let versions = counts(packages.lazy.map(\.name))
        var lines: [String: Int] = [:]
        let examples = packages.map { package in
            let id = versions[package.name] == 1 ? package.name : "\(package.name)=\(package.version)"
            if let first = lines.updateValue(package.line, forKey: id) {
                problems.add("the package \(id) stands already on line \(first)", line: package.line)
            }
            var labels: [String: Label] = [:]
            for facet in Set(package.tags.lazy.map(\.facet)).intersection(facets) {
                labels[facet] = .categories(
                    package.tags.filter { $0.facet == facet && tags[$0] != nil }.map(\.name))
            }
            if let section = package.section, sections[section] != nil { labels[sectionColumn] = .category(section) }
            if let size = package.installedSize { labels[sizeColumn] = .number(log1p(Double(size))) }
            return Example(
                id: id, split: SplitRule.split(of: package.source), image: nil, labels: labels,
                text: "\(package.name): \(package.summary)")
        }
        try problems.check()
        return Dataset(name: "debian", examples: examples)
    }

    /// Every package of the index; reading stops when there are too many problems to list.
    private static func packages(in file: URL, _ problems: inout ProblemList) throws(DatasetError) -> [DebianPackage] {
        var reader = ControlReader(try PackageIndex.contents(of: file), keeping: DebianPackage.fields)
        var packages: [DebianPackage] = []
        while !problems.isFull, let stanza = reader.next(&problems) {
            if let package = DebianPackage(stanza, &problems) { packages.append(package) }
        }
        if packages.isEmpty { problems.add("expected a list of Debian packages, found none") }
        try problems.check()
        return packages
    }

    private static func counts<Element: Hashable>(_ elements: some Sequence<Element>) -> [Element: Int] {
        elements.reduce(into: [:]) { $0[$1, default: 0] += 1 }
    }
}
