import Foundation

/// Writes scalars to a TensorBoard event file, so that `tensorboard --logdir` draws a run's curves.
///
/// Each record is a `TFRecord` (length, masked CRC of the length, data, masked CRC of the data) that holds one
/// protobuf `Event`. Only scalars are written, so the few protobuf fields are encoded here by hand:
/// `Event { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5 }`,
/// `Summary { repeated Value value = 1 }`, `Value { string tag = 1; float simple_value = 2 }`.
///
/// Source: the file format of TensorFlow's `record_writer.h`, `event.proto` and `summary.proto`.
public struct EventFile: Sendable {
    public let url: URL
    private let handle: FileHandle

    /// Starts a new file in `folder`, made if it is not there; the name is what TensorBoard looks for.
    public init(in folder: URL, startedAt time: Date = Date()) throws {
        try Folder.make(folder)
        let second = Int(time.timeIntervalSince1970)
        let stem = "events.out.tfevents.\(second).\(Machine.hostName).\(ProcessInfo.processInfo.processIdentifier)"
        var file = folder.appendingPathComponent(stem)
        var number = 0
        while FileManager.default.fileExists(atPath: file.path) {  // two runs in one second
            number += 1
            file = folder.appendingPathComponent("\(stem).\(number)")
        }
        try Data().write(to: file, options: .withoutOverwriting)
        url = file
        handle = try FileHandle(forWritingTo: file)
        try handle.write(contentsOf: Self.record(Self.versionEvent(at: time)))
    }

    /// Adds scalars of one step, each under its tag (`category/validation/accuracy`).
    public func write(_ scalars: [(tag: String, value: Float)], step: Int, at time: Date = Date()) throws {
        try handle.write(contentsOf: Self.record(Self.scalarEvent(scalars, step: step, at: time)))
    }

    // MARK: Events

    static func versionEvent(at time: Date) -> Data {
        var event = ProtobufFields()
        event.double(1, time.timeIntervalSince1970)
        event.text(3, "brain.Event:2")
        return event.data
    }

    static func scalarEvent(_ scalars: [(tag: String, value: Float)], step: Int, at time: Date) -> Data {
        var summary = ProtobufFields()
        for scalar in scalars {
            var value = ProtobufFields()
            value.text(1, scalar.tag)
            value.float(2, scalar.value)
            summary.bytes(1, value.data)
        }
        var event = ProtobufFields()
        event.double(1, time.timeIntervalSince1970)
        event.integer(2, UInt64(bitPattern: Int64(step)))
        event.bytes(5, summary.data)
        return event.data
    }

    // MARK: Records

    static func record(_ payload: Data) -> Data {
        var record = Data()
        record.append(littleEndian: UInt64(payload.count))
        record.append(littleEndian: CRC32C.masked(record))
        record.append(payload)
        record.append(littleEndian: CRC32C.masked(payload))
        return record
    }
}

/// The fields of one protobuf message, in the wire format.
private struct ProtobufFields {
    private(set) var data = Data()

    mutating func double(_ field: UInt64, _ value: Double) {
        variable(field << 3 | 1)
        data.append(littleEndian: value.bitPattern)
    }

    mutating func float(_ field: UInt64, _ value: Float) {
        variable(field << 3 | 5)
        data.append(littleEndian: value.bitPattern)
    }

    mutating func integer(_ field: UInt64, _ value: UInt64) {
        variable(field << 3)
        variable(value)
    }

    mutating func bytes(_ field: UInt64, _ value: Data) {
        variable(field << 3 | 2)
        variable(UInt64(value.count))
        data.append(value)
    }

    mutating func text(_ field: UInt64, _ value: String) { bytes(field, Data(value.utf8)) }

    /// A base-128 number, the low seven bits first.
    private mutating func variable(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            data.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        data.append(UInt8(rest))
    }
}

/// The Castagnoli CRC, as event files carry it.
enum CRC32C {
    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { crc, _ in crc & 1 == 1 ? (crc >> 1) ^ 0x82F6_3B78 : crc >> 1 }
    }

    static func checksum(_ data: Data) -> UInt32 {
        ~data.reduce(~0) { crc, byte in (crc >> 8) ^ table[Int(UInt8(truncatingIfNeeded: crc) ^ byte)] }
    }

    /// Rotated and shifted, so that the CRC of data with CRCs in it stays a good one.
    static func masked(_ data: Data) -> UInt32 {
        let crc = checksum(data)
        return (crc >> 15 | crc << 17) &+ 0xA282_EAD8
    }
}

extension Data {
    fileprivate mutating func append(littleEndian value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }
}
