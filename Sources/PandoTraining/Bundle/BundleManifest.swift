import Foundation
import PandoData

/// `bundle.json`: what is inside a bundle, and the digest of every other file.
struct BundleManifest: Codable, Equatable {
    /// The format's version; others are refused.
    var version: Int
    var plan: Plan
    var tasks: [String]
    var cost: TrainingCost
    /// SHA-256 of each file, by its path in the bundle.
    var files: [String: String]

    static let name = "bundle.json"
    static let currentVersion = 4

    private struct Version: Decodable { let version: Int }

    /// Reads the manifest of the bundle `folder`.
    init(in folder: URL) throws(BundleError) {
        let url = folder.appendingPathComponent(Self.name)
        guard let data = FileManager.default.contents(atPath: url.path) else {
            let exists = FileManager.default.fileExists(atPath: folder.path)
            throw BundleError(
                folder.path, exists ? "it is no bundle: there is no \(Self.name)" : "there is no such bundle; pando train makes one")
        }
        do {
            let version = try JSONDecoder().decode(Version.self, from: data).version
            guard version == Self.currentVersion else {
                let age = version > Self.currentVersion ? "a newer" : "an older"
                throw BundleError(
                    folder.path,
                    "it was written by \(age) Pando: format version \(version), this one reads \(Self.currentVersion); train it again")
            }
            self = try JSONDecoder().decode(Self.self, from: data)
        } catch let error as BundleError {
            throw error
        } catch let error as DecodingError {
            throw BundleError(folder.path, "\(Self.name) is damaged: \(error.sentence)")
        } catch {
            throw BundleError(folder.path, "\(Self.name) is damaged: \(error)")
        }
    }

    init(plan: Plan, cost: TrainingCost, files: [String: String]) {
        version = Self.currentVersion
        self.plan = plan
        tasks = plan.tasks.map(\.name)
        self.cost = cost
        self.files = files
    }

    /// A name for exactly these files: eight letters of the digest of their digests.
    var digest: String {
        let lines = files.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        return String(FileDigest.of(Data(lines.joined(separator: "\n").utf8)).prefix(8))
    }

    /// Compares every file with its digest.
    /// - Throws: `BundleError` naming each file that is missing or is not what was written.
    func verify(_ folder: URL) throws(BundleError) {
        var problems: [String] = []
        for (path, digest) in files.sorted(by: { $0.key < $1.key }) {
            // A manifest can be tampered with too: its paths stay inside.
            if path.hasPrefix("/") || path.split(separator: "/").contains("..") {
                problems.append("\(Self.name) names the file \(path), which is outside of the bundle")
                continue
            }
            do {
                let found = try FileDigest.ofFile(folder.appendingPathComponent(path))
                if found != digest { problems.append("\(path) is not what was written: its checksum differs") }
            } catch {
                problems.append("\(path) cannot be read: \(error)")
            }
        }
        guard problems.isEmpty else { throw BundleError(folder.path, problems) }
    }
}
