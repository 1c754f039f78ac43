import Foundation

/// Open Clip Art as Debian packs it: drawings with a category tree, keywords and titles.
///
/// | column | what |
/// |---|---|
/// | `category` | the first folder under `png/`, where it holds at least 20 drawings; not `unsorted` |
/// | `tags` | the keywords of the drawing's SVG, trimmed, lower-cased, each once; those on at least 40 drawings |
/// | `title` | the title of the drawing's SVG |
///
/// A drawing without keywords is not labelled in `tags`; one with rare keywords only has none of the tags. A drawing
/// with an empty title is not labelled in `title`. Splits follow `SplitRule`, by the path relative to `png/` without
/// `.png`, which is also the id.
///
/// Debian's packages `openclipart-png` and `openclipart-svg` hold 8,121 drawings, with 18 classes and 92 tags. Some
/// drawings stand in several folders, as links.
public enum Clipart {
    /// Where Debian's packages put the drawings.
    public static let defaultRoot = URL(fileURLWithPath: "/usr/share/openclipart", isDirectory: true)
    public static let minimumPerCategory = 20
    public static let minimumPerTag = 40

    /// - Parameter root: holds `png/` and `svg/`.
    /// - Throws: `DatasetError` when a folder is missing, or a drawing has no readable SVG.
    public static func dataset(at root: URL = defaultRoot) throws -> Dataset {
        let (pngRoot, svgRoot) = (root.appendingPathComponent("png"), root.appendingPathComponent("svg"))
        for folder in [pngRoot, svgRoot] where !FileManager.default.fileExists(atPath: folder.path) {
            throw DatasetError([
                .init(
                    file: folder.path,
                    message: "no such folder; install Debian's packages openclipart-png and openclipart-svg, or name "
                        + "the folder that holds png/ and svg/")
            ])
        }
        let ids = try FileTree.files(under: pngRoot, withExtensions: ["png"]).map { String($0.dropLast(4)) }
        let metadata = try mapConcurrently(count: ids.count) { index in
            Result { () throws(DatasetError) in
                try DrawingMetadata(svg: svgRoot.appendingPathComponent(ids[index] + ".svg"))
            }
        }
        let problems = metadata.flatMap { result in
            if case .failure(let error) = result { error.problems } else { [DatasetError.Problem]() }
        }
        if !problems.isEmpty { throw DatasetError(problems) }

        let folders = ids.map { $0.contains("/") ? String($0.prefix { $0 != "/" }) : nil }
        let folderCounts = Dictionary(folders.compactMap { $0 }.map { ($0, 1) }, uniquingKeysWith: +)
        let drawings = try metadata.map { try $0.get() }
        let tagCounts = Dictionary(drawings.flatMap(\.keywords).map { ($0, 1) }, uniquingKeysWith: +)

        let examples = ids.indices.map { index in
            let drawing = drawings[index]
            var labels: [String: Label] = [:]
            if let folder = folders[index], folder != "unsorted", folderCounts[folder]! >= minimumPerCategory {
                labels["category"] = .category(folder)
            }
            if !drawing.keywords.isEmpty {
                labels["tags"] = .categories(drawing.keywords.filter { tagCounts[$0]! >= minimumPerTag })
            }
            if !drawing.title.isEmpty { labels["title"] = .text(drawing.title) }
            return Example(
                id: ids[index], split: SplitRule.split(of: ids[index]),
                image: .file(pngRoot.appendingPathComponent(ids[index] + ".png")), labels: labels)
        }
        return Dataset(name: "clipart", examples: examples)
    }
}
