import Foundation
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoData

/// Whether this machine has the list of Debian bookworm's packages.
private let isListed: Bool = {
    do throws(DatasetError) {
        _ = try PackageIndex.file()
        return true
    } catch {
        return false
    }
}()

private let hasHelper = FileManager.default.isExecutableFile(atPath: "/usr/lib/apt/apt-helper")

@Suite struct DebianTests {
    /// Point releases add and take away a few packages, hence the margins.
    @Test(.enabled(if: isListed, "needs apt's lists of bookworm"))
    func `Debian's own list is that of the definition`() throws {
        let dataset = try Debian.dataset()
        func expectNear(_ found: Int, _ expected: Int, _ what: String) {
            #expect(abs(found - expected) <= expected / 100, "\(what): \(found), expected about \(expected)")
        }
        // Counted by another program, in Python.
        expectNear(dataset.examples.count, 63_440, "packages")
        #expect(Set(dataset.examples.map(\.id)).count == dataset.examples.count)
        expectNear(dataset.examples(in: .train).count, 44_341, "train")
        #expect((48...52).contains(dataset.classes(of: "section").count))
        let facets: [(String, items: Int, tags: Int)] = [
            ("role", 26_755, 11), ("implemented-in", 10_234, 16), ("interface", 5963, 8), ("use", 5143, 33),
            ("uitoolkit", 4762, 9), ("works-with", 3932, 23), ("scope", 3162, 2), ("field", 1278, 13),
            ("protocol", 1210, 15),
        ]
        for facet in facets {
            expectNear(dataset.examples.count { $0.labels[facet.0] != nil }, facet.items, facet.0)
            #expect(abs(dataset.classes(of: facet.0).count - facet.tags) <= 1, "\(facet.0)")
        }
        let gimp = try #require(dataset.examples.first { $0.id == "gimp" })
        #expect(gimp.text == "gimp: GNU Image Manipulation Program" && gimp.image == nil)
        #expect(gimp.labels["section"] == .category("graphics") && gimp.split == SplitRule.split(of: "gimp"))
        let report = DatasetReport(checking: dataset, columns: facets.map(\.0) + ["section", "installed-size"])
        #expect(report.errors.isEmpty && !report.warnings.contains { $0.message.contains("texts") })
    }

    /// The data set of a list that holds `stanzas`.
    private func read(_ stanzas: [String], named name: String = "Packages") throws -> Dataset {
        let folder = try TemporaryDirectory()
        return try Debian.dataset(at: folder.file(name, holding: Array(stanzas.joined(separator: "\n\n").utf8)))
    }

    private func stanza(_ name: String, _ more: String...) -> String {
        (["Package: \(name)", "Version: 1", "Description: about \(name)"] + more).joined(separator: "\n")
    }

    @Test func `a stanza gives text, labels and split`() throws {
        let many = (0..<99).map { stanza("filler-\($0)", "Section: games", $0 < 39 ? "Tag: use::a, use::b" : "X: y") }
        let one = """
            package: zork\r
            Version: 2:1.0-1
            SOURCE:  interactive-fiction (1.0)
            Tag: role::program, interface::{commandline,
             x11}, use::a,
            \tuse::b , use::a
            Section: games
            Installed-Size: 7
            Depends: libc6
            Description: a cave: dark
             It is pitch black.
             .
             You are likely to be eaten.
            """
        let dataset = try read(many + [one, "", ""])
        #expect(dataset.name == "debian" && dataset.examples.count == 100)
        let zork = try #require(dataset.examples.last)
        #expect(zork.id == "zork" && zork.text == "zork: a cave: dark" && zork.image == nil)
        #expect(zork.split == SplitRule.split(of: "interactive-fiction") && zork.split != SplitRule.split(of: "zork"))
        // `role` and `interface` have no tag that is frequent enough.
        #expect(
            zork.labels == [
                "section": .category("games"), "use": .categories(["a", "b"]), "installed-size": .number(log(8)),
            ])
        #expect(dataset.examples[0].labels == ["section": .category("games"), "use": .categories(["a", "b"])])
        #expect(dataset.examples[50].labels == ["section": .category("games")])
    }

    @Test func `rare tags are no labels, which is not the same as no tags of the facet`() throws {
        let stanzas = (0..<80).map { number in
            stanza("p\(number)", "Tag: use::\(number < 40 ? "a" : "b"), scope::all", "Section: games")
        }
        let dataset = try read(stanzas + [stanza("rare", "Tag: use::rare"), stanza("none")])
        #expect(dataset.classes(of: "use") == ["a", "b"])
        // One tag is nothing to tell apart; 80 packages are too few for a section.
        #expect(dataset.columns == ["use": .categories])
        #expect(dataset.examples[80].labels == ["use": .categories([])])
        #expect(dataset.examples[81].labels.isEmpty)
    }

    @Test func `tags are read in both of their spellings`() {
        func names(_ list: String) -> [String] { DebianPackage.tags(list).map { "\($0.facet)|\($0.name)" } }
        #expect(names("role::program") == ["role|program"])
        #expect(names("a::b, c::{d, e},f::g::h") == ["a|b", "c|d", "c|e", "f|g::h"])
        for list in ["", "role", "role:program", "::x", "a::", "a::{b,c", "a::{}", "a::b, c"] {
            #expect(names(list).isEmpty, "\(list)")
        }
    }

    @Test func `several versions of a package are told apart, and stay together`() throws {
        let dataset = try read([stanza("linux"), stanza("other"), "Package: linux\nVersion: 2\nDescription: newer"])
        #expect(dataset.examples.map(\.id) == ["linux=1", "other", "linux=2"])
        #expect(dataset.examples[0].split == dataset.examples[2].split)
    }

    // MARK: - Bad input

    @Test(arguments: [
        ("Package: a\nDescription: d", "1: the stanza has no `Version`"),
        ("\n\nVersion: 1\nDescription: d", "3: the stanza has no `Package`"),
        ("Package: a\nVersion: 1\nDescription:\n", "1: the stanza has no `Description`"),
        ("Package: a\nno field", "2: expected `Field: value`"), ("Pack age: a", "1: expected `Field: value`"),
        (" Package: a", "1: the line goes on with a field"),
        ("Package: a\nPackage: b", "2: the stanza has a second field `Package`"),
        ("Package: a\nVersion: 1\nDescription: d\nInstalled-Size: 1e3", "1: `Installed-Size` of a is `1e3`"),
        ("Package: a\nVersion: 1\nDescription: d\nTag: program", "1: `Tag` of a holds no list"),
        (
            "Package: a\nVersion: 1\nDescription: d\n\nPackage: a\nVersion: 1\nDescription: d",
            "5: the package a=1 stands already on line 1"
        ),
        ("\n\n", "0: expected a list of Debian packages"), ("", "0: the file is empty"),
    ])
    func `stanzas that describe no package are refused`(_ text: String, _ start: String) throws {
        let error = try #require(throws: DatasetError.self) { try read([text]) }
        let first = try #require(error.problems.first)
        #expect("\(first.line ?? 0): \(first.message)".hasPrefix(start), "\(error)")
    }

    @Test func `a file of other bytes is refused after a few lines`() throws {
        var generator = SeededGenerator(seed: 5)
        let folder = try TemporaryDirectory()
        let noise = (0..<1 << 20).map { _ in UInt8.random(in: 0...255, using: &generator) }
        let file = try folder.file("Packages", holding: [0x80, 0x0A] + noise)
        let error = try #require(throws: DatasetError.self) { try Debian.dataset(at: file) }
        #expect((1..<2 * DatasetError.listedProblems).contains(error.count))
        let text = try folder.file("text", holding: Array("Package: a\nDescription: ".utf8) + [0xFF])
        #expect { try Debian.dataset(at: text) } throws: { "\($0)".contains("text:2: `Description` holds bytes") }
    }

    @Test func `the list of the release is found among others, or what to do is said`() throws {
        let folder = try TemporaryDirectory()
        func message() -> String {
            do throws(DatasetError) { return try PackageIndex.file(in: folder.url).lastPathComponent } catch {
                return "\(error)"
            }
        }
        #expect(message().contains("found no list at all. Run apt-get update"))
        _ = try folder.file("deb.debian.org_debian_dists_trixie_main_binary-amd64_Packages.lz4", holding: [1])
        _ = try folder.file("s.debian.org_debian-security_dists_bookworm-security_main_binary-amd64_Packages", holding: [1])
        _ = try folder.file("deb.debian.org_debian_dists_bookworm_contrib_binary-amd64_Packages", holding: [1])
        _ = try folder.file("deb.debian.org_debian_dists_bookworm_main_binary-amd64_Packages.part", holding: [1])
        #expect(message().contains("found deb.debian.org_debian_dists_bookworm_contrib"))
        let main = "deb.debian.org_debian_dists_bookworm_main_binary-amd64_Packages.gz"
        _ = try folder.file(main, holding: [1])
        _ = try folder.file("deb.debian.org_debian_dists_bookworm_main_binary-i386_Packages.gz", holding: [1])
        #expect(message() == main)
        #expect { try PackageIndex.file(in: folder.file("nowhere")) } throws: { "\($0)".contains("cannot be listed") }
        #expect { try Debian.dataset(at: folder.file("nowhere")) } throws: { "\($0)".contains("apt-get update") }
        #expect { try Debian.dataset(at: folder.url) } throws: { "\($0)".contains("not a regular file") }
    }

    @Test(.enabled(if: hasHelper, "needs apt")) func `packed lists are unpacked, and damaged ones refused`() throws {
        let folder = try TemporaryDirectory()
        let text = Array("Package: a\nVersion: 1\nDescription: packed\n".utf8)
        // An LZ4 frame of one block that is stored as it is: magic number, flags and their check, size, block, end.
        let header: [UInt8] = [0x04, 0x22, 0x4D, 0x18, 0x60, 0x40, 0x82, UInt8(text.count), 0, 0, 0x80]
        let dataset = try Debian.dataset(at: folder.file("Packages.lz4", holding: header + text + [0, 0, 0, 0]))
        #expect(dataset.examples.map(\.text) == ["a: packed"])
        for broken in [header + text.dropLast(9), Array("no archive at all".utf8)] {
            let file = try folder.file("broken.lz4", holding: broken)
            #expect { try Debian.dataset(at: file) } throws: { "\($0)".contains("cannot be unpacked: E: ") }
        }
    }

    @Test(.enabled(if: hasHelper, "needs apt")) func `a list that never ends is cut off`() throws {
        let folder = try TemporaryDirectory()
        let plain = try folder.file("Packages", holding: Array(repeating: 0x41, count: 3 << 20))
        #expect { try PackageIndex.contents(of: plain, limit: 2 << 20) } throws: { "\($0)".contains("holds more than") }
        #expect(try PackageIndex.contents(of: plain, limit: 3 << 20).count == 3 << 20)
        let gzip = Process()
        gzip.executableURL = URL(fileURLWithPath: "/bin/gzip")
        gzip.arguments = [plain.path]
        try gzip.run()
        gzip.waitUntilExit()
        let packed = plain.appendingPathExtension("gz")
        #expect { try PackageIndex.contents(of: packed, limit: 2 << 20) } throws: { "\($0)".contains("holds more than") }
        #expect(try PackageIndex.contents(of: packed, limit: 3 << 20).count == 3 << 20)
    }
}
