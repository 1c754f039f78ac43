/// Interprets a pickle by the few opcodes that dictionaries, lists, tuples, numbers, strings and tensors need.
///
/// Nothing is imported and nothing is called: each name that a checkpoint needs has its meaning here, and any other
/// name or opcode is an error.
/// - Cost: memory in proportion to the pickle's size, which is limited.
/// - Source: the opcodes as Python's `pickletools` documents them, protocols 2 to 5.
struct PickleReader {
    var reader: ByteReader
    let start: Int
    var pickle = Pickle()
    var stack: [Pickle.Value] = []
    /// Where in `stack` each open mark stands.
    var marks: [Int] = []
    var memo: [Int: Pickle.Value] = [:]
    var storageNumbers: [String: Int] = [:]

    /// Reads the pickle where `reader` stands, which afterwards stands behind it.
    static func read(_ reader: inout ByteReader) throws(Pickle.ReadError) -> Pickle {
        var interpreter = PickleReader(reader: reader, start: reader.position)
        do {
            while try interpreter.step() {}
        } catch let error as Pickle.ReadError {
            throw error
        } catch {
            throw Pickle.ReadError("its pickle ends too early: the file is cut off")
        }
        reader = interpreter.reader
        return interpreter.pickle
    }

    init(reader: ByteReader, start: Int) {
        self.reader = reader
        self.start = start
    }

    /// Obeys one opcode; false at the end of the pickle.
    mutating func step() throws -> Bool {
        let position = reader.position - start
        guard position < Pickle.sizeLimit else {
            throw Pickle.ReadError("its pickle is larger than \(Pickle.sizeLimit >> 20) MB")
        }
        let opcode: UInt8 = try reader.read()
        switch opcode {
        case 0x80:  // PROTO
            let version: UInt8 = try reader.read()
            guard version <= 5 else { throw Pickle.ReadError("pickle protocol \(version) is not known") }
        case 0x95: try reader.skip(8)  // FRAME
        case UInt8(ascii: "."):  // STOP
            pickle.root = try pop()
            return false

        case UInt8(ascii: "("): marks.append(stack.count)  // MARK
        case UInt8(ascii: "0"): _ = try pop()  // POP
        case UInt8(ascii: "1"): _ = try popToMark()  // POP_MARK
        case UInt8(ascii: "2"): stack.append(try top())  // DUP

        case UInt8(ascii: "N"): stack.append(.none)
        case 0x88: stack.append(.bool(true))
        case 0x89: stack.append(.bool(false))
        case UInt8(ascii: "J"): stack.append(.integer(Int(try reader.read(Int32.self))))  // BININT
        case UInt8(ascii: "K"): stack.append(.integer(Int(try reader.read(UInt8.self))))  // BININT1
        case UInt8(ascii: "M"): stack.append(.integer(Int(try reader.read(UInt16.self))))  // BININT2
        case 0x8A: try pushLong(byteCount: Int(try reader.read(UInt8.self)))  // LONG1
        case 0x8B: try pushLong(byteCount: Int(try reader.read(Int32.self)))  // LONG4
        case UInt8(ascii: "G"):  // BINFLOAT, the only big-endian number
            stack.append(.float(Double(bitPattern: (try reader.read(UInt64.self)).byteSwapped)))

        case UInt8(ascii: "X"): try pushText(byteCount: Int(try reader.read(UInt32.self)))  // BINUNICODE
        case 0x8C: try pushText(byteCount: Int(try reader.read(UInt8.self)))  // SHORT_BINUNICODE
        case 0x8D: try pushText(byteCount: try readCount())  // BINUNICODE8
        case UInt8(ascii: "T"): try pushText(byteCount: Int(try reader.read(Int32.self)))  // BINSTRING
        case UInt8(ascii: "U"): try pushText(byteCount: Int(try reader.read(UInt8.self)))  // SHORT_BINSTRING
        case UInt8(ascii: "B"): try pushBytes(byteCount: Int(try reader.read(UInt32.self)))  // BINBYTES
        case UInt8(ascii: "C"): try pushBytes(byteCount: Int(try reader.read(UInt8.self)))  // SHORT_BINBYTES
        case 0x8E: try pushBytes(byteCount: try readCount())  // BINBYTES8

        case UInt8(ascii: ")"): push(.tuple, [])
        case UInt8(ascii: "t"): push(.tuple, try popToMark())  // TUPLE
        case 0x85, 0x86, 0x87: push(.tuple, try pop(count: Int(opcode - 0x84)))  // TUPLE1, TUPLE2, TUPLE3
        case UInt8(ascii: "]"): push(.list, [])
        case UInt8(ascii: "l"): push(.list, try popToMark())  // LIST
        case UInt8(ascii: "a"): try extend(.list, by: [try pop()])  // APPEND
        case UInt8(ascii: "e"): try extend(.list, by: try popToMark())  // APPENDS
        case UInt8(ascii: "}"): push(.dictionary, [])
        case UInt8(ascii: "d"):  // DICT
            let items = try popToMark()
            push(.dictionary, [])
            try extend(.dictionary, by: items)
        case UInt8(ascii: "s"): try extend(.dictionary, by: try pop(count: 2))  // SETITEM
        case UInt8(ascii: "u"): try extend(.dictionary, by: try popToMark())  // SETITEMS

        case UInt8(ascii: "q"): memo[Int(try reader.read(UInt8.self))] = try top()  // BINPUT
        case UInt8(ascii: "r"): memo[Int(try reader.read(UInt32.self))] = try top()  // LONG_BINPUT
        case 0x94: memo[memo.count] = try top()  // MEMOIZE
        case UInt8(ascii: "h"): try recall(Int(try reader.read(UInt8.self)))  // BINGET
        case UInt8(ascii: "j"): try recall(Int(try reader.read(UInt32.self)))  // LONG_BINGET

        case UInt8(ascii: "c"):  // GLOBAL
            let module = try text(try reader.readLine())
            let name = try text(try reader.readLine())
            stack.append(.global(try PickleGlobal(module: module, name: name)))
        case 0x93:  // STACK_GLOBAL
            let names = try pop(count: 2)
            guard case (.string(let module), .string(let name)) = (names[0], names[1]) else {
                throw Pickle.ReadError("its pickle names something by what is not a string")
            }
            stack.append(.global(try PickleGlobal(module: module, name: name)))
        case UInt8(ascii: "Q"): try pushStorage()  // BINPERSID
        case UInt8(ascii: "R"): try reduce()  // REDUCE
        case UInt8(ascii: "b"): try build()  // BUILD
        default:
            throw Pickle.ReadError(
                "its pickle has opcode 0x\(String(opcode, radix: 16)) at byte \(position), which no dictionary of "
                    + "tensors needs")
        }
        return true
    }
}

// MARK: - Stack

extension PickleReader {
    func top() throws(Pickle.ReadError) -> Pickle.Value {
        guard let value = stack.last, stack.count > marks.last ?? 0 else { throw Self.damaged }
        return value
    }

    mutating func pop() throws(Pickle.ReadError) -> Pickle.Value {
        let value = try top()
        stack.removeLast()
        return value
    }

    /// The last `count` values, oldest first.
    mutating func pop(count: Int) throws(Pickle.ReadError) -> [Pickle.Value] {
        guard stack.count - (marks.last ?? 0) >= count else { throw Self.damaged }
        defer { stack.removeLast(count) }
        return Array(stack.suffix(count))
    }

    /// The values since the last mark, oldest first.
    mutating func popToMark() throws(Pickle.ReadError) -> [Pickle.Value] {
        guard let mark = marks.popLast() else { throw Self.damaged }
        defer { stack.removeLast(stack.count - mark) }
        return Array(stack[mark...])
    }

    mutating func recall(_ number: Int) throws(Pickle.ReadError) {
        guard let value = memo[number] else {
            throw Pickle.ReadError("its pickle recalls value \(number), which it never kept")
        }
        stack.append(value)
    }

    mutating func push(_ kind: Pickle.Container.Kind, _ items: [Pickle.Value]) {
        pickle.containers.append(Pickle.Container(kind: kind, items: items))
        stack.append(.container(pickle.containers.count - 1))
    }

    /// Adds to the list or dictionary on top of the stack.
    mutating func extend(
        _ kind: Pickle.Container.Kind, by items: [Pickle.Value]
    ) throws(Pickle.ReadError) {
        guard case .container(let number) = try top(), pickle.containers[number].kind == kind,
            kind != .dictionary || items.count.isMultiple(of: 2)
        else { throw Self.damaged }
        pickle.containers[number].items += items
    }

    static var damaged: Pickle.ReadError { Pickle.ReadError("its pickle is damaged") }
}

// MARK: - Numbers and texts

extension PickleReader {
    mutating func readCount() throws -> Int {
        guard let count = Int(exactly: try reader.read(UInt64.self)) else { throw ByteReader.Ended() }
        return count
    }

    mutating func pushLong(byteCount: Int) throws {
        let bytes = try reader.read(count: byteCount)
        guard bytes.count <= 8 else {
            stack.append(.largeInteger(Array(bytes)))
            return
        }
        // Two's complement: the highest bit of the last byte fills the rest.
        var value: UInt64 = bytes.last.map { $0 & 0x80 != 0 } == true ? .max : 0
        for byte in bytes.reversed() { value = value << 8 | UInt64(byte) }
        stack.append(.integer(Int(Int64(bitPattern: value))))
    }

    mutating func pushText(byteCount: Int) throws {
        stack.append(.string(try text(try reader.read(count: byteCount))))
    }

    mutating func pushBytes(byteCount: Int) throws {
        try reader.skip(byteCount)
        stack.append(.bytes)
    }

    func text(_ bytes: UnsafeRawBufferPointer) throws(Pickle.ReadError) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Pickle.ReadError("its pickle has a text that is not valid UTF-8")
        }
        return text
    }
}
