import PandoData
import PandoNN
import PandoTensor

extension Module {
    /// A name for exactly these weights: the SHA-256 of every tensor's name, type, shape and values, in base 16.
    public var weightsDigest: String {
        var hash = SHA256()
        for (name, tensor, _) in namedTensors {
            hash.update(data: Array("\(name) \(tensor.elementType) \(tensor.shape)\n".utf8))
            tensor.withBytes { hash.update(bufferPointer: $0) }
        }
        return hash.finalize().hexadecimal
    }
}
