import Foundation

/// A file of the folder `Fixtures`; `make_fixtures.py` there says how each was made.
func fixture(_ name: String) -> URL {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures/\(name)")
}
