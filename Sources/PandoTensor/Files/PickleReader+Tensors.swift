// The calls in a pickle that stand for storages and tensors.

extension PickleReader {
    /// A persistent identifier: `("storage", class, key, device, element count)`.
    mutating func pushStorage() throws(Pickle.ReadError) {
        let identifier = try pop()
        guard let parts = pickle.items(of: identifier, .tuple), parts.count >= 5, case .string("storage") = parts[0],
            case .global(.storage(let type)) = parts[1], case .string(let key) = parts[2],
            case .integer(let count) = parts[4], count >= 0,
            !count.multipliedReportingOverflow(by: type.byteCount).overflow
        else { throw Pickle.ReadError("its pickle refers to something that is not a storage of tensors") }
        if parts.count > 5, case .none = parts[5] {
        } else if parts.count > 5 {
            throw Pickle.ReadError("storage \(key) is a part of another one, a form that PyTorch left long ago")
        }
        if let number = storageNumbers[key] {
            let known = pickle.storages[number]
            guard known.type == type, known.count == count else {
                throw Pickle.ReadError("its pickle describes storage \(key) in two ways")
            }
            stack.append(.storage(number))
        } else {
            pickle.storages.append(Pickle.StorageReference(key: key, type: type, count: count))
            storageNumbers[key] = pickle.storages.count - 1
            stack.append(.storage(pickle.storages.count - 1))
        }
    }

    mutating func reduce() throws(Pickle.ReadError) {
        let call = try pop(count: 2)
        guard case .global(let function) = call[0], let arguments = pickle.items(of: call[1], .tuple) else {
            throw Pickle.ReadError("its pickle calls something that is not a function")
        }
        switch function {
        case .orderedDictionary:
            var items: [Pickle.Value] = []
            for pair in arguments.first.flatMap({ pickle.items(of: $0, .list) }) ?? [] {
                guard let pair = pickle.items(of: pair, .list) ?? pickle.items(of: pair, .tuple), pair.count == 2
                else { throw Self.damaged }
                items += pair
            }
            push(.dictionary, items)
        case .rebuildTensor: try pushTensor(arguments)
        case .rebuildParameter:
            guard case .tensor? = arguments.first else { throw Self.damaged }
            stack.append(arguments[0])
        case .size:
            guard let sizes = arguments.first, pickle.items(of: sizes, .tuple) != nil else { throw Self.damaged }
            stack.append(sizes)
        case .device: stack.append(.ignored)
        case .elementType, .storage: throw Self.damaged
        }
    }

    /// `_rebuild_tensor_v2(storage, offset, shape, strides, …)`.
    private mutating func pushTensor(_ arguments: [Pickle.Value]) throws(Pickle.ReadError) {
        guard arguments.count >= 4, case .storage(let storage) = arguments[0], case .integer(let offset) = arguments[1],
            let shape = wholeNumbers(arguments[2]), let strides = wholeNumbers(arguments[3])
        else { throw Pickle.ReadError("its pickle describes a tensor in a way that is not understood") }
        let tensor = Pickle.TensorDescription(storage: storage, offset: offset, shape: shape, strides: strides)
        let key = pickle.storages[storage].key
        guard tensor.staysInside(pickle.storages[storage].count) else {
            throw Pickle.ReadError(
                "a tensor of shape \(shape), strides \(strides) and offset \(offset) does not fit in its storage "
                    + "\(key), which has \(pickle.storages[storage].count) elements")
        }
        pickle.tensors.append(tensor)
        stack.append(.tensor(pickle.tensors.count - 1))
    }

    private func wholeNumbers(_ value: Pickle.Value) -> [Int]? {
        guard let items = pickle.items(of: value, .tuple) ?? pickle.items(of: value, .list) else { return nil }
        var numbers: [Int] = []
        for item in items {
            guard case .integer(let number) = item else { return nil }
            numbers.append(number)
        }
        return numbers
    }

    /// Attributes set on a value: `_metadata` on a dictionary, which tells nothing about tensors.
    mutating func build() throws(Pickle.ReadError) {
        _ = try pop()
        guard case .container(let number) = try top(), pickle.containers[number].kind == .dictionary else {
            throw Pickle.ReadError("its pickle sets attributes of something other than a dictionary")
        }
    }
}

extension Pickle.TensorDescription {
    private static let rankLimit = 32

    /// Whether every element lies among the storage's `count`, and all sizes and places can be counted.
    func staysInside(_ count: Int) -> Bool {
        guard shape.count == strides.count, shape.count <= Self.rankLimit, (0...count).contains(offset) else {
            return false
        }
        var last = offset
        var places = 1
        for (size, stride) in zip(shape, strides) {
            guard size >= 0, stride >= 0 else { return false }
            let (reach, tooFar) = max(size - 1, 0).multipliedReportingOverflow(by: stride)
            let (sum, tooLarge) = last.addingReportingOverflow(reach)
            // Counted as if empty axes had one place, in bytes of the widest element.
            let (product, tooMany) = places.multipliedReportingOverflow(by: max(size, 1))
            guard !tooFar, !tooLarge, !tooMany, product <= Int.max / 16 else { return false }
            (last, places) = (sum, product)
        }
        return shape.contains(0) || last < count
    }
}
