import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBackbones

/// Every chain of blocks, begun in its middle.
@Suite struct BlockwiseBackboneTests {
    /// Of tokens those that count; maps and pictures' tokens whole.
    private func counted(_ activation: Tensor, _ mask: Tensor?) -> [Float] {
        mask.map { (activation * $0.expanded(at: 2)).scalars() } ?? activation.scalars()
    }

    @Test(arguments: SmallNetwork.all)
    func `a continued pass gives the bits of the whole one from every tap`(_ small: SmallNetwork) {
        let network = small.network
        let names = network.taps.map(\.name)
        let whole = network.features(of: small.input, reading: Set(names))
        #expect(Set(whole.taps.keys) == Set(names))
        #expect(whole.pooled.shape == [small.input.count, network.pooledFeatures])
        for (index, start) in names.enumerated() {
            let rest = network.features(
                continuing: whole[start], from: start, mask: whole.mask, reading: Set(names[index...]))
            #expect(rest.pooled.scalars() == whole.pooled.scalars(), "pooled, from \(start)")
            #expect(Set(rest.taps.keys) == Set(names[index...]))
            for name in names[index...] {
                #expect(
                    counted(rest[name], whole.mask) == counted(whole[name], whole.mask), "\(name), from \(start)")
                let reached = network.activation(at: name, from: start, whole[start], mask: whole.mask)
                #expect(counted(reached, whole.mask) == counted(whole[name], whole.mask), "to \(name), from \(start)")
            }
        }
    }

    @Test(arguments: SmallNetwork.all)
    func `taps alone are those of the whole pass`(_ small: SmallNetwork) {
        let names = small.network.taps.map(\.name)
        let whole = small.network.features(of: small.input, reading: Set(names))
        for name in names {
            let alone = small.network.activations(of: small.input, reading: [name])
            #expect(Set(alone.taps.keys) == [name])
            #expect(alone[name].scalars() == whole[name].scalars())
            #expect(alone.pooled.shape == [small.input.count, 0])
            #expect(alone.mask?.scalars() == whole.mask?.scalars())
        }
        let none = small.network.activations(of: small.input, reading: [])
        #expect(none.taps.isEmpty && none.pooled.shape == [small.input.count, 0])
    }

    @Test(arguments: SmallNetwork.all)
    func `with weights kept as bfloat16 every block computes in it, and tables stay shared`(_ small: SmallNetwork) {
        func check(_ network: some BlockwiseBackbone) {
            let kept = network.keepingWeights(as: .bfloat16)
            for (before, after) in zip(network.namedTensors, kept.namedTensors) where before.tensor.elementType == .float32 {
                let isTable = network.tables.contains(before.name)
                #expect(after.tensor.elementType == (isTable ? .float32 : .bfloat16), "\(before.name)")
                if isTable { #expect(after.tensor.identity == before.tensor.identity, "\(before.name)") }
            }
            let names = Set(network.taps.map(\.name))
            let exact = network.features(of: small.input, reading: names)
            let rounded = kept.features(of: small.input, computingIn: .bfloat16, reading: names)
            for name in names { #expect(rounded[name].elementType == .bfloat16, "\(name)") }
            let error = (rounded.pooled - exact.pooled).squared().sum().scalar().squareRoot()
            #expect(error <= 0.1 * exact.pooled.squared().sum().scalar().squareRoot(), "\(error)")
            let whole = network.keepingWeights(as: .float32).features(of: small.input, computingIn: .float32)
            #expect(whole.pooled.scalars() == exact.pooled.scalars())
        }
        check(small.network)
    }

    @Test func `weights before the first block that is run stay shared, and replaced ones take no memory`() throws {
        let network = try #require(SmallNetwork.all.first { $0.network is BERT }?.network as? BERT)
        let replaced = ["embeddings.word_embeddings.weight", "encoder.layer.1.output.dense.weight"]
        let kept = network.keepingWeights(as: .bfloat16, fromBlock: 2, without: Set(replaced))
        for (before, after) in zip(network.namedTensors, kept.namedTensors) {
            if replaced.contains(before.name) {
                #expect(after.tensor.shape == before.tensor.shape, "\(before.name)")
                #expect(after.tensor.scalars().allSatisfy { $0 == 0 }, "\(before.name)")
            } else if network.tapIndex(ofTensor: before.name) < 2 {
                #expect(after.tensor.identity == before.tensor.identity, "\(before.name)")
            } else {
                #expect(after.tensor.elementType == .bfloat16, "\(before.name)")
            }
        }
    }

    /// A tensor changes the tap that it is said to, and none before.
    @Test(arguments: SmallNetwork.all)
    func `a tensor's tap is the first that depends on it`(_ small: SmallNetwork) {
        let names = small.network.taps.map(\.name)
        let before = small.network.features(of: small.input, reading: Set(names))
        for (tensor, _, _) in small.network.namedTensors {
            let index = small.network.tapIndex(ofTensor: tensor)
            let after = small.network.disturbed(at: tensor).features(of: small.input, reading: Set(names))
            for name in names[..<index] { #expect(after[name].scalars() == before[name].scalars(), "\(tensor), \(name)") }
            // What is added to all keys alike changes no share.
            if index == names.count || tensor.hasSuffix("self.key.bias") { continue }
            let change = worstDifference(after[names[index]], before[names[index]]).relative
            #expect(change > 1e-3, "\(tensor) changes \(names[index]) by \(change)")
        }
    }

    @Test func `tensors of known places have their taps`() throws {
        func index(_ name: String, in network: String) throws -> Int {
            try #require(SmallNetwork.all.first { $0.name == network }).network.tapIndex(ofTensor: name)
        }
        #expect(try index("embeddings.LayerNorm.weight", in: "BERT") == 0)
        #expect(try index("encoder.layer.2.attention.self.query.weight", in: "BERT") == 3)
        #expect(try index("pooler.dense.weight", in: "BERT") == 4)
        #expect(try index("cls_token", in: "ViT") == 0)
        #expect(try index("blocks.0.attn.qkv.weight", in: "ViT") == 0)
        #expect(try index("blocks.2.mlp.fc2.bias", in: "ViT") == 2)
        #expect(try index("norm.weight", in: "ViT") == 3)
        #expect(try index("features.0.0.weight", in: "MobileNetV2") == 0)
        #expect(try index("features.6.0.weight", in: "MobileNetV2") == 6)
        #expect(try index("classifier.1.weight", in: "MobileNetV2") == 7)
        #expect(try index("stages.1.downsample.0.weight", in: "ConvNeXt") == 2)
        #expect(try index("layers.1.downsample.norm.weight", in: "Swin") == 2)
    }

    /// Batch norms behind the beginning learn of the batch, those before it stay as they are.
    @Test func `a continued training pass learns what its own blocks see`() throws {
        for small in SmallNetwork.pictures where small.network.namedTensors.contains(where: { !$0.isParameter }) {
            let names = small.network.taps.map(\.name)
            let wholePass = TrainingPass(using: SeededGenerator(seed: 1))
            let whole = small.network.features(of: small.input, reading: Set(names), during: wholePass)
            let start = names[1]
            let pass = TrainingPass(using: SeededGenerator(seed: 1))
            let rest = small.network.features(continuing: whole[start], from: start, during: pass)
            #expect(rest.pooled.scalars() == whole.pooled.scalars(), "\(small.name)")
            func buffers(_ updates: BufferUpdates) -> [String: [Float]] {
                func updated(_ network: some Module) -> [String: [Float]] {
                    var network = network
                    network.updateBuffers(by: updates)
                    let found = network.namedTensors.filter { !$0.isParameter }
                    return Dictionary(uniqueKeysWithValues: found.map { ($0.name, $0.tensor.scalars()) })
                }
                return updated(small.network)
            }
            let (all, late, none) = (buffers(wholePass.updates), buffers(pass.updates), buffers(BufferUpdates()))
            for (name, values) in late {
                let isLate = small.network.tapIndex(ofTensor: name) > 1
                #expect(values == (isLate ? all[name] : none[name]), "\(small.name), \(name)")
                #expect(all[name] != none[name], "\(small.name), \(name)")
            }
        }
    }

    /// Two tokens more than the network has places for, hidden from the others.
    @Test func `an adapter may add tokens between blocks`() throws {
        for small in SmallNetwork.all where small.network.taps.allSatisfy({ $0.kind == .tokens }) {
            let taps = small.network.taps.map(\.name)
            let whole = small.network.features(of: small.input, reading: Set(taps))
            let state = whole[taps[0]]
            let (count, length, width) = (state.shape[0], state.shape[1], state.shape[2])
            let mask = whole.mask ?? .ones([count, length])
            let more = Tensor.concatenated([state, irregular([count, 8, width])], along: 1)
            let hidden = Tensor.concatenated([mask, .zeros([count, 8])], along: 1)
            let seen = Tensor.concatenated([mask, .ones([count, 8])], along: 1)
            func reached(_ mask: Tensor) -> Tensor {
                small.network.activation(at: taps[2], from: taps[0], more, mask: mask)
            }
            #expect(reached(seen).shape == [count, length + 8, width])
            guard small.name != "SigLIP's texts" else { continue }  // sees padding
            let own = reached(hidden).slice(0..<length, along: 1) * mask.expanded(at: 2)
            expectClose(own, whole[taps[2]] * mask.expanded(at: 2), relative: 1e-5, small.name)
        }
    }
}
