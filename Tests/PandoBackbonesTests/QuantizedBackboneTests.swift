import Foundation
import PandoBackbones
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

/// Frozen backbones with layers in 8-bit integers.
@Suite struct QuantizedBackboneTests {
    private struct Randomizer: Visitor {
        var phase: Float

        mutating func parameter(_ name: String, _ tensor: inout Tensor) {
            phase += 1
            let values = irregular(tensor.shape, phase: phase)
            let fan = Float(tensor.shape.dropFirst().reduce(1, *))
            tensor = tensor.rank > 1 ? values * (2 / fan.squareRoot()) : values * 0.2 + 1
        }

        mutating func buffer(_ name: String, _ tensor: inout Tensor) {}
        mutating func enter(_ name: String) {}
        mutating func leave() {}
    }

    private func network(phase: Float) -> ResNet {
        var network = ResNet(.resNet18)
        var randomizer = Randomizer(phase: phase)
        network.visit(&randomizer)
        return network
    }

    @Test func aStoredCalibrationGivesTheSameFeatures() throws {
        let network = network(phase: 0)
        let pictures = irregular([4, 32, 32, 3])
        let frozen = try FrozenBackbone(network, calibratingOn: pictures, summarizing: ["layer2.1"])
        let quantization = try #require(frozen.quantization)
        #expect(quantization.loss <= 0.01)
        let features = frozen.features(of: pictures, workers: 2)
        let exact = FrozenBackbone(network, summarizing: ["layer2.1"]).features(of: pictures)
                for range in [0..<512, 512..<640] {  // the pooled features, and the tap's mean
            let (found, expected) = (features.pooled.slice(range, along: 1), exact.pooled.slice(range, along: 1))
            let error = (found - expected).applying(.square).mean().scalar()
            #expect(error < 0.04 * expected.applying(.square).mean().scalar())
        }
        let stored = try JSONDecoder().decode(Quantization.self, from: JSONEncoder().encode(quantization))
        let again = try FrozenBackbone(
            network, quantizedBy: stored, calibratingOn: pictures, summarizing: ["layer2.1"])
        #expect(again.features(of: pictures).pooled.scalars() == features.pooled.scalars())
    }

    @Test func anotherBackbonesCalibrationIsRefused() throws {
        let pictures = irregular([2, 32, 32, 3])
        let frozen = try FrozenBackbone(network(phase: 0), calibratingOn: pictures)
        #expect(throws: QuantizationError.self) {
            _ = try FrozenBackbone(
                network(phase: 500), quantizedBy: frozen.quantization, calibratingOn: pictures)
        }
        #expect(throws: QuantizationError.noData) {
            _ = try FrozenBackbone(network(phase: 0), calibratingOn: .zeros([0, 32, 32, 3]))
        }
    }
}
