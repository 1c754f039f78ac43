import Foundation

/// A file that pictures come from: one, or a video's many.
public enum MediaFile: Sendable, Hashable {
    case picture(URL)
    case video(URL)

    public var url: URL {
        switch self {
        case .picture(let url), .video(let url): url
        }
    }

    /// How the names of videos end that are found in folders.
    static let videoExtensions: Set<String> = [
        "mp4", "m4v", "mov", "mkv", "webm", "avi", "mpg", "mpeg", "ts", "mts", "m2ts", "ogv", "flv", "wmv", "3gp",
    ]

    /// The file at `url`, or all pictures and videos in the folder there, sorted by path.
    ///
    /// A file by itself is a picture if its name ends as pictures' do, else a video.
    /// - Throws: `DatasetError` if a folder cannot be listed.
    public static func files(at url: URL) throws(DatasetError) -> [MediaFile] {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder), isFolder.boolValue else {
            return [file(url)]
        }
        return try FileTree.files(under: url, withExtensions: ImageFolder.extensions.union(videoExtensions))
            .map { file(url.appendingPathComponent($0)) }
    }

    private static func file(_ url: URL) -> MediaFile {
        ImageFolder.extensions.contains(url.pathExtension.lowercased()) ? .picture(url) : .video(url)
    }
}
