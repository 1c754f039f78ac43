import Foundation

/// Pictures sorted into folders named by their class.
///
/// Either `root/CLASS/…/picture`, split by `SplitRule`, or `root/SPLIT/CLASS/…/picture` with the splits `train`,
/// `validation` (or `val`, `valid`) and `test`; a split without a folder takes its share of train, by the rule. The
/// class is the column `label`; the path relative to `root` is the id. Files count whose names end as pictures do
/// (png, jpg, jpeg, webp, gif, tif, tiff, heic, heif, avif); other files, such as notes, are no part of the set.
public enum ImageFolder {
    public static let column = "label"
    static let extensions: Set<String> = [
        "png", "jpg", "jpeg", "webp", "gif", "tif", "tiff", "heic", "heif", "avif",
    ]

    /// All pictures under `folder`, sorted by path.
    /// - Throws: `DatasetError` when there is no such folder.
    public static func images(in folder: URL) throws(DatasetError) -> [URL] {
        try FileTree.files(under: folder, withExtensions: extensions).map(folder.appendingPathComponent)
    }

    /// - Throws: `DatasetError` when there is no such folder, it mixes splits and classes, or a class is empty.
    public static func dataset(at root: URL) throws(DatasetError) -> Dataset {
        var problems = ProblemList(file: root.path)
        let folders = try FileTree.folders(in: root)
        let splits = folders.filter { Split(named: $0) != nil }
        if !splits.isEmpty {
            for folder in folders where Split(named: folder) == nil {
                let near = nearMiss(to: folder, among: ["train", "validation", "val", "valid", "test"])
                problems.add(
                    "the folder `\(folder)` is no split, though `\(splits[0])` is; expected train, validation or test"
                        + (near.map { "; did you mean `\($0)`?" } ?? ""))
            }
        }
        var examples: [Example] = []
        for base in splits.isEmpty ? [""] : splits {
            let baseFolder = base.isEmpty ? root : root.appendingPathComponent(base)
            let classes = base.isEmpty ? folders : try FileTree.folders(in: baseFolder)
            for name in classes {
                let folder = baseFolder.appendingPathComponent(name)
                let files = try FileTree.files(under: folder, withExtensions: extensions)
                if files.isEmpty { problems.add("the class folder \(folder.path) holds no picture") }
                for file in files {
                    let id = (base.isEmpty ? "" : base + "/") + name + "/" + file
                    examples.append(
                        Example(
                            id: id, split: Split(named: base) ?? SplitRule.split(of: id),
                            image: .file(folder.appendingPathComponent(file)), labels: [column: .category(name)]))
                }
            }
        }
        if folders.isEmpty { problems.add("expected a folder for each class, found none") }
        try problems.check()
        if !splits.isEmpty { SplitRule.complete(&examples) }
        return Dataset(name: root.lastPathComponent, examples: examples)
    }
}
