import Foundation

/// The tensors of a PyTorch checkpoint (`.pth`, `.pt`, `.bin`), read without running anything that the file says.
///
/// Such a file is a pickle, a program that may call any Python function. This reader obeys only the few instructions
/// that dictionaries, lists, tuples and tensors need and refuses every other name the pickle mentions. Both forms
/// that `torch.save` has had are read: the zip archive, and the older stream of pickles and storages.
///
/// A tensor inside nested dictionaries and lists is named by its keys, joined with dots: `state_dict.fc.weight`.
/// Numbers, texts and the like beside the tensors are dropped.
/// - Cost: row-major tensors share their storage, which stays in the file if it is aligned there; others are copied.
public struct PyTorchFile: Sendable {
    /// The tensors in the order in which the file names them.
    public let tensors: NamedTensors

    /// - Parameter requiringFinite: whether NaN and infinities are refused; trained weights never hold them.
    /// - Throws: every problem of the file, by tensor.
    public init(_ url: URL, requiringFinite: Bool = true) throws(CheckpointError) {
        let file = try CheckpointError.map(url)
        func failure(_ text: String) -> CheckpointError { CheckpointError(path: url.path, text) }
        let contents: PyTorchContents
        do {
            contents =
                try ZipArchive.isArchive(file.bytes)
                ? PyTorchContents(archive: file) : PyTorchContents(stream: file)
        } catch { throw failure("\(error)") }

        var problems: [CheckpointError.Problem] = []
        var tensors = NamedTensors()
        var assembly = TensorAssembly(contents: contents, file: file)
        let named: [(name: String, number: Int)]
        do { named = try contents.pickle.namedTensors() } catch { throw failure("\(error)") }
        for (name, number) in named {
            do throws(TensorAssembly.Problem) {
                let tensor = try assembly.tensor(contents.pickle.tensors[number])
                if !tensors.append(tensor, named: name) {
                    problems.append(.init(tensor: name, "another tensor has the same name"))
                }
            } catch {
                problems.append(.init(tensor: name, error.text))
            }
        }
        if requiringFinite { problems += tensors.nonFiniteProblems() }
        guard problems.isEmpty else { throw CheckpointError(path: url.path, problems: problems) }
        self.tensors = tensors
    }
}

/// Makes tensors of a checkpoint's storages and the pickle's descriptions.
private struct TensorAssembly {
    /// Why one tensor cannot be made.
    struct Problem: Error { let text: String }

    private let contents: PyTorchContents
    private let file: MappedFile
    /// Each storage as one vector, made when first needed.
    private var storages: [Int: Tensor] = [:]
    /// Bytes that tensors which are not row-major may still take. Strides can repeat elements, so a small file
    /// could otherwise ask for any amount of memory.
    private var copyAllowance: Int

    init(contents: PyTorchContents, file: MappedFile) {
        self.contents = contents
        self.file = file
        copyAllowance = file.count + 64 << 20
    }

    mutating func tensor(_ description: Pickle.TensorDescription) throws(Problem) -> Tensor {
        let storage = try storage(description.storage)
        let view = Tensor(
            storage: storage.storage, offset: storage.offset + description.offset, shape: description.shape,
            strides: description.strides, elementType: storage.elementType)
        if view.isContiguous { return view }
        copyAllowance -= view.byteCount
        guard copyAllowance >= 0 else {
            throw Problem(text: "the file describes far more elements than it holds")
        }
        return view.contiguous()
    }

    private mutating func storage(_ number: Int) throws(Problem) -> Tensor {
        if let made = storages[number] { return made }
        let reference = contents.pickle.storages[number]
        let type: ElementType
        switch reference.type {
        case .supported(let known): type = known
        case .unsupported(let name):
            throw Problem(text: "element type \(name) is not supported; save it as float32 or int64")
        }
        guard let range = contents.ranges[reference.key] else {
            throw Problem(text: "its storage \(reference.key) is not in the file")
        }
        let byteCount = reference.count * type.byteCount
        guard range.count == byteCount else {
            throw Problem(
                text: "its storage \(reference.key) has \(range.count) bytes; \(reference.count) elements of "
                    + "\(type) need \(byteCount)")
        }
        let bytes = file.bytes(in: range)
        guard type != .bool || bytes.allSatisfy({ $0 <= 1 }) else {
            throw Problem(text: "an element of its storage \(reference.key) is neither true nor false")
        }
        let vector = Tensor(mapping: bytes, of: file, shape: [reference.count], elementType: type)
        storages[number] = vector
        return vector
    }
}
