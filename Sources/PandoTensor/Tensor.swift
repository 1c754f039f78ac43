/// An n-dimensional array: a value over storage that is never written once it is shared.
///
/// Shape and element type are facts of run time. Copies, reshapes, transposes and slices share the storage. A
/// tensor that depends on what is being differentiated also remembers how it was made (`Autodiff/`).
public struct Tensor: Sendable {
    private(set) var storage: Storage
    /// Where the first element stands in `storage`, in elements.
    let offset: Int
    /// Sizes of the axes, outermost first; empty for a scalar.
    public let shape: [Int]
    /// Elements to step over for the next index along each axis; 0 along a broadcast axis.
    public let strides: [Int]
    public let elementType: ElementType
    /// How the tensor came about, when it depends on a differentiated value.
    let node: Node?

    init(storage: Storage, offset: Int = 0, shape: [Int], strides: [Int], elementType: ElementType, node: Node? = nil) {
        self.storage = storage
        self.offset = offset
        self.shape = shape
        self.strides = strides
        self.elementType = elementType
        self.node = node
    }

    /// A tensor whose elements `initialize` writes, all of them, row by row.
    package init<Scalar: TensorScalar>(
        unsafeUninitialized shape: [Int], of type: Scalar.Type,
        initialize: (UnsafeMutableBufferPointer<Scalar>) throws -> Void
    ) rethrows {
        let count = shape.elementCount
        let storage = Storage(byteCount: shape.byteCount(of: Scalar.elementType))
        let elements = storage.pointer.bindMemory(to: Scalar.self, capacity: count)
        try initialize(UnsafeMutableBufferPointer(start: elements, count: count))
        self.init(
            storage: storage, shape: shape, strides: shape.rowMajorStrides, elementType: Scalar.elementType)
    }

    /// The same for all tensors that share these bytes, and for no other while they live.
    package var identity: ObjectIdentifier { ObjectIdentifier(storage) }

    /// A tensor with uninitialised storage, for kernels to write before anyone reads.
    init(uninitialized shape: [Int], _ type: ElementType) {
        self.init(
            storage: Storage(byteCount: shape.byteCount(of: type)), shape: shape,
            strides: shape.rowMajorStrides, elementType: type)
    }
}

// MARK: - Making tensors

extension Tensor {
    /// The given elements, row by row.
    /// - Precondition: as many elements as `shape` has places.
    public init<Scalar: TensorScalar>(_ scalars: [Scalar], shape: [Int]) {
        require(
            scalars.count == shape.elementCount,
            "Tensor: shape \(shape) has \(shape.elementCount) places, got \(scalars.count) elements")
        self.init(unsafeUninitialized: shape, of: Scalar.self) { _ = $0.update(fromContentsOf: scalars) }
    }

    /// A vector of the given elements.
    public init<Scalar: TensorScalar>(_ scalars: [Scalar]) {
        self.init(scalars, shape: [scalars.count])
    }

    /// A tensor without axes.
    public init<Scalar: TensorScalar>(_ scalar: Scalar) {
        self.init([scalar], shape: [])
    }

    /// A tensor over bytes that somebody else keeps (a mapped file), not copied. `owner` lives as long as the tensor.
    ///
    /// - Precondition: `bytes` holds exactly the elements, aligned for their type, and is never written again.
    public init(
        sharing bytes: UnsafeRawBufferPointer, ownedBy owner: any AnyObject & Sendable, shape: [Int],
        elementType: ElementType
    ) {
        require(
            bytes.count == shape.elementCount * elementType.byteCount,
            "Tensor: shape \(shape) of \(elementType) needs \(shape.elementCount * elementType.byteCount) bytes, got \(bytes.count)"
        )
        require(
            bytes.isEmpty || UInt(bitPattern: bytes.baseAddress) % UInt(elementType.byteCount) == 0,
            "Tensor: bytes are not aligned for \(elementType)")
        self.init(
            storage: Storage(foreign: bytes, owner: owner), shape: shape, strides: shape.rowMajorStrides,
            elementType: elementType)
    }

    /// A tensor with a copy of `bytes`, which hold its elements row by row in this machine's byte order.
    public init(copying bytes: UnsafeRawBufferPointer, shape: [Int], elementType: ElementType) {
        let count = shape.elementCount * elementType.byteCount
        require(
            bytes.count == count, "Tensor: shape \(shape) of \(elementType) needs \(count) bytes, got \(bytes.count)")
        self.init(uninitialized: shape, elementType)
        UnsafeMutableRawBufferPointer(start: storage.pointer, count: count).copyMemory(from: bytes)
    }

    public static func zeros(_ shape: [Int], _ type: ElementType = .float32) -> Tensor {
        let tensor = Tensor(uninitialized: shape, type)
        UnsafeMutableRawBufferPointer(start: tensor.storage.pointer, count: shape.elementCount * type.byteCount)
            .initializeMemory(as: UInt8.self, repeating: 0)
        return tensor
    }

    /// Zeros that take no memory, whatever their shape: they stand where loaded or drawn weights will be put.
    public static func placeholder(_ shape: [Int], _ type: ElementType = .float32) -> Tensor {
        Tensor.zeros([], type).broadcast(to: shape)
    }

    public static func filled(_ shape: [Int], with value: Float) -> Tensor {
        Tensor(unsafeUninitialized: shape, of: Float.self) { $0.initialize(repeating: value) }
    }

    public static func ones(_ shape: [Int]) -> Tensor { filled(shape, with: 1) }
}

// MARK: - Reading tensors

extension Tensor {
    public var rank: Int { shape.count }

    public var elementCount: Int { shape.elementCount }

    /// Bytes of all elements.
    public var byteCount: Int { elementCount * elementType.byteCount }

    /// Whether the elements stand row by row without gaps.
    public var isContiguous: Bool {
        var expected = 1
        for axis in shape.indices.reversed() where shape[axis] != 1 {
            if strides[axis] != expected { return elementCount == 0 }
            expected *= shape[axis]
        }
        return true
    }

    /// Whether gradients flow to something through this tensor.
    public var isDifferentiated: Bool { node != nil }

    /// The elements, row by row.
    /// - Precondition: `Scalar` is the tensor's element type.
    public func scalars<Scalar: TensorScalar>(as type: Scalar.Type) -> [Scalar] {
        withScalars(as: type) { Array($0) }
    }

    /// The only element.
    /// - Precondition: there is exactly one, of type `Scalar`.
    public func scalar<Scalar: TensorScalar>(as type: Scalar.Type) -> Scalar {
        require(elementCount == 1, "scalar: the tensor has shape \(shape), not one element")
        return withScalars(as: type) { $0[0] }
    }

    /// Calls `body` with the elements, row by row; they are copied first only if the tensor is not contiguous.
    /// - Precondition: `Scalar` is the tensor's element type.
    public func withScalars<Scalar: TensorScalar, Result>(
        as type: Scalar.Type, _ body: (UnsafeBufferPointer<Scalar>) throws -> Result
    ) rethrows -> Result {
        require(
            elementType == Scalar.elementType,
            "the tensor holds \(elementType), it was read as \(Scalar.elementType)")
        requireReadable()
        let dense = contiguous()
        return try withExtendedLifetime(dense.storage) {
            try body(UnsafeBufferPointer(start: dense.pointer(as: Scalar.self), count: elementCount))
        }
    }

    /// The elements of a `float32` tensor, row by row.
    public func scalars() -> [Float] { scalars(as: Float.self) }

    /// The only element of a `float32` tensor.
    public func scalar() -> Float { scalar(as: Float.self) }

    /// Calls `body` with the elements of a `float32` tensor, row by row.
    public func withScalars<Result>(_ body: (UnsafeBufferPointer<Float>) throws -> Result) rethrows -> Result {
        try withScalars(as: Float.self, body)
    }

    /// Calls `body` with the elements of a `float32` tensor, row by row, to change them in place. If anyone else holds
    /// them, they are copied first: other tensors never see the change.
    package mutating func mutateScalars(_ body: (UnsafeMutableBufferPointer<Float>) -> Void) {
        require(elementType == .float32, "the tensor holds \(elementType), it was changed as float32")
        makeExclusive()
        let dense = UnsafeMutableBufferPointer(start: pointer(as: Float.self), count: elementCount)
        withExtendedLifetime(storage) { body(dense) }
    }

    /// Makes sure that the elements stand row by row in bytes that nobody else holds, by a copy if need be.
    mutating func makeExclusive() {
        require(node == nil, "a value that is being differentiated was changed in place")
        guard !isContiguous || !isKnownUniquelyReferenced(&storage) || storage.isForeign else { return }
        let copy = Tensor(uninitialized: shape, elementType)
        copyElements(into: copy, at: 0)
        self = copy
    }

    /// Calls `body` with the elements' bytes, row by row.
    public func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        requireReadable()
        let dense = contiguous()
        return try withExtendedLifetime(dense.storage) {
            try body(UnsafeRawBufferPointer(start: dense.rawPointer, count: byteCount))
        }
    }

    /// What a program is made from must not depend on values: they would be those of the trace for ever.
    private func requireReadable() {
        require(!isTraced, "program: the function reads elements of a value that depends on its input")
    }

    /// The first element's address. Reaches as far as shape and strides say, no further.
    var rawPointer: UnsafeMutableRawPointer { storage.pointer + offset * elementType.byteCount }

    func pointer<Scalar: TensorScalar>(as type: Scalar.Type) -> UnsafeMutablePointer<Scalar> {
        rawPointer.assumingMemoryBound(to: type)
    }
}

extension Tensor: CustomStringConvertible {
    /// Element type, shape and the first few elements.
    public var description: String {
        let values: String
        switch elementType {
        case .float32: values = preview(of: Float.self)
        case .bfloat16:
            values = "[" + scalars(as: BFloat16.self).prefix(8).map { "\(Float($0))" }.joined(separator: ", ")
        case .float16: values = preview(of: Float16.self)
        case .int64: values = preview(of: Int64.self)
        case .int32: values = preview(of: Int32.self)
        case .int8: values = preview(of: Int8.self)
        case .uint8: values = preview(of: UInt8.self)
        case .bool: values = preview(of: Bool.self)
        }
        return "Tensor(\(elementType), \(shape)) \(values)" + (elementCount > 8 ? ", …]" : "]")
    }

    private func preview<Scalar: TensorScalar>(of type: Scalar.Type) -> String {
        "[" + scalars(as: type).prefix(8).map { "\($0)" }.joined(separator: ", ")
    }
}

extension [Int] {
    /// The product of the sizes; 1 for a scalar.
    package var elementCount: Int {
        var count = 1
        for size in self {
            require(size >= 0, "shape \(self) has a negative size")
            let (product, overflow) = count.multipliedReportingOverflow(by: size)
            require(!overflow, "shape \(self) has more places than an Int counts")
            count = product
        }
        return count
    }

    /// Bytes of a tensor of this shape.
    package func byteCount(of type: ElementType) -> Int {
        let (bytes, overflow) = elementCount.multipliedReportingOverflow(by: type.byteCount)
        require(!overflow, "shape \(self) of \(type) has more bytes than an Int counts")
        return bytes
    }

    package var rowMajorStrides: [Int] {
        var strides = [Int](repeating: 1, count: count)
        for axis in indices.dropLast().reversed() { strides[axis] = strides[axis + 1] * Swift.max(self[axis + 1], 1) }
        return strides
    }
}
