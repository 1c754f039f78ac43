import Foundation
import PandoBackbones
import PandoNN

extension OpenedBackbone {
    /// The LoRA in a folder of PEFT's, for this backbone.
    /// - Throws: `AdapterError`, `BackboneError` or `CheckpointError`.
    public func adapter(in folder: URL) throws -> LoRASet {
        func read(_ network: some Module) throws -> LoRASet { try LoRASet(folder, for: network, architecture) }
        return try read(network)
    }

    /// The backbone with the LoRA in a folder of PEFT's merged into its weights.
    /// - Throws: `AdapterError`, `BackboneError` or `CheckpointError`.
    public func merged(withAdapterIn folder: URL) throws -> OpenedBackbone {
        let set = try adapter(in: folder)
        func merged(_ network: some Module) -> any Module { network.merged(with: set) }
        return with(merged(network))
    }
}
