/// The pickle of a PyTorch checkpoint, and where in the file its storages stand.
struct PyTorchContents {
    let pickle: Pickle
    /// Each storage's bytes by its key.
    let ranges: [String: Range<Int>]

    /// Reads the zip form: `NAME/data.pkl` beside one member `NAME/data/KEY` for each storage.
    init(archive file: MappedFile) throws {
        let archive = try ZipArchive(file.bytes)
        let programs = archive.names.filter { $0.hasSuffix("/data.pkl") }
        guard programs.count == 1, let range = archive.ranges[programs[0]] else {
            throw Pickle.ReadError(
                "the zip archive has \(programs.count) members named data.pkl, a PyTorch checkpoint has one")
        }
        let folder = programs[0].dropLast("data.pkl".count)
        if let order = archive.ranges[folder + "byteorder"] {
            let name = String(decoding: file.bytes(in: order), as: UTF8.self)
            guard name == "little" else { throw Pickle.ReadError("its byte order is \(name), not little") }
        }
        var reader = ByteReader(file.bytes(in: range))
        pickle = try PickleReader.read(&reader)
        var ranges: [String: Range<Int>] = [:]
        for storage in pickle.storages { ranges[storage.key] = archive.ranges[folder + "data/" + storage.key] }
        self.ranges = ranges
    }

    /// Reads the older form: a magic number, a version, facts about the machine, the checkpoint, and the keys of
    /// the storages, each a pickle; then for each key an element count and the elements.
    init(stream file: MappedFile) throws {
        guard let first = file.bytes.first else { throw Pickle.ReadError("the file is empty") }
        guard first == 0x80 else {
            throw Pickle.ReadError("this is not a PyTorch checkpoint: it is neither a zip archive nor a pickle")
        }
        var reader = ByteReader(file.bytes)
        guard case .largeInteger(Self.magic) = try PickleReader.read(&reader).root else {
            throw Pickle.ReadError("this is a pickle, but not a PyTorch checkpoint: its magic number is missing")
        }
        guard case .integer(Self.version) = try PickleReader.read(&reader).root else {
            throw Pickle.ReadError("its stream has another version than \(Self.version)")
        }
        let machine = try PickleReader.read(&reader)
        if case .bool(false)? = machine.value(of: "little_endian", in: machine.root) {
            throw Pickle.ReadError("its byte order is big, not little")
        }
        pickle = try PickleReader.read(&reader)
        let keys = try PickleReader.read(&reader)
        guard let keyItems = keys.items(of: keys.root, .list) else {
            throw Pickle.ReadError("its list of storages is missing")
        }
        let storages = Dictionary(pickle.storages.map { ($0.key, $0) }) { first, _ in first }
        var ranges: [String: Range<Int>] = [:]
        for item in keyItems {
            guard case .string(let key) = item, let storage = storages[key] else {
                throw Pickle.ReadError("its list of storages has one that no tensor uses")
            }
            do {
                let count: Int64 = try reader.read()
                guard count == storage.count else {
                    throw Pickle.ReadError("storage \(key) has \(count) elements, its tensors need \(storage.count)")
                }
                ranges[key] = try reader.skip(storage.count * storage.type.byteCount)
            } catch is ByteReader.Ended {
                throw Pickle.ReadError("storage \(key) is not whole: the file is cut off")
            }
        }
        self.ranges = ranges
    }

    /// 0x1950A86A20F9469CFC6C, lowest byte first.
    private static let magic: [UInt8] = [0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19]
    private static let version = 1001
}

extension Pickle {
    private static let depthLimit = 32
    private static let nameLimit = 4096
    private static let visitLimit = 4_000_000

    /// Every tensor with its number, named by the keys and indices that lead to it, joined with dots.
    func namedTensors() throws(ReadError) -> [(name: String, number: Int)] {
        var found: [(name: String, number: Int)] = []
        var visits = 0
        try visit(root, path: "", depth: 0, &visits, &found)
        guard !found.isEmpty else { throw ReadError("it holds no tensors") }
        return found
    }

    private func visit(
        _ value: Value, path: String, depth: Int, _ visits: inout Int, _ found: inout [(name: String, number: Int)]
    ) throws(ReadError) {
        visits += 1
        guard visits <= Self.visitLimit else { throw ReadError("it holds more than \(Self.visitLimit) values") }
        switch value {
        case .tensor(let number):
            guard !path.isEmpty else { throw ReadError("it holds a single tensor without a name") }
            found.append((path, number))
        case .container(let number):
            guard depth < Self.depthLimit, path.utf8.count < Self.nameLimit else {
                throw ReadError("its values are nested more than \(Self.depthLimit) deep at \(path.prefix(80))")
            }
            let prefix = path.isEmpty ? "" : path + "."
            let container = containers[number]
            if container.kind == .dictionary {
                for index in stride(from: 0, to: container.items.count, by: 2) {
                    let key = try container.items[index].keyText
                    try visit(container.items[index + 1], path: prefix + key, depth: depth + 1, &visits, &found)
                }
            } else {
                for (index, item) in container.items.enumerated() {
                    try visit(item, path: "\(prefix)\(index)", depth: depth + 1, &visits, &found)
                }
            }
        case .none, .bool, .integer, .largeInteger, .float, .string, .bytes, .storage, .global, .ignored: break
        }
    }
}

extension Pickle.Value {
    /// This key of a dictionary as part of a tensor's name.
    fileprivate var keyText: String {
        get throws(Pickle.ReadError) {
            switch self {
            case .string(let text): return text
            case .integer(let number): return String(number)
            default: throw Pickle.ReadError("a dictionary in it has a key that is neither a text nor a whole number")
            }
        }
    }
}
