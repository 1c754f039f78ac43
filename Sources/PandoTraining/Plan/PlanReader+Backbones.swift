import Foundation
import PandoBackbones
import PandoData
import Yams

/// The backbone sections of a plan.
extension PlanReader {
    func backbone(_ section: PlanSection) -> BackbonePlan {
        guard let value = section.value("backbone") else { return BackbonePlan() }
        guard value.mapping != nil else {
            guard let text = section.text("backbone") else { return BackbonePlan() }
            let plan = isPath(text)
                ? backbone(nil, weights: existingPath("backbone", in: section, required: true), section, key: "backbone")
                : backbone(text, weights: nil, section, key: "backbone")
            return plan ?? BackbonePlan()
        }
        guard let section = section.section("backbone") else { return BackbonePlan() }
        let name = section.text("name")
        let isRandom = section.text("weights") == "random"
        let weights = isRandom ? nil : existingPath("weights", in: section, required: false)
        guard var plan = backbone(name, weights: weights, section, key: name == nil ? "weights" : "name") else {
            return BackbonePlan()  // of an unknown network nothing more can be said
        }
        if plan.readsTexts { return textBackbone(section, plan) }
        if section.has("tokens") { section.problem("tokens", "\(plan.name) sees pictures; it reads no tokens") }
        readTaps(section, into: &plan)
        plan.pictureSize = section.optionalInteger("image_size", in: 16...1024)
        plan.isTrained = section.flag("train", default: false)
        if isRandom {
            plan.weights = .random
            if section.has("train"), !plan.isTrained {
                section.problem("train", "a backbone with random weights knows nothing unless it is trained; leave 'train' out")
            }
            plan.isTrained = true
        }
        if plan.isTrained, plan.architecture.image?.isTrainable == false {
            section.problem("train", "the network of an ONNX file stays as it was exported; leave 'train' out")
        }
        if let size = plan.pictureSize, let problem = plan.architecture.image?.problem(withPicturesOf: size) {
            section.problem("image_size", "\(plan.name) \(problem)")
        }
        section.finish()
        return plan
    }

    /// What else may be said of a backbone over texts.
    private func textBackbone(_ section: PlanSection, _ plan: BackbonePlan) -> BackbonePlan {
        var plan = plan
        plan.input = .texts(maximumTokens: section.integer("tokens", default: PlanDefaults.maximumTokens, in: 1...8192))
        for key in ["taps", "image_size"] where section.has(key) {
            section.problem(key, "means nothing for \(plan.name), which reads texts")
        }
        if section.flag("train", default: false) || plan.weights == .random {
            section.problem("train", "a network over texts is trained by a task's adapter; say adapter: full")
        }
        section.finish()
        return plan
    }

    /// The backbone of this name, or the one that lies in a file or folder; `nil` and a problem under `key` if there is
    /// none.
    private func backbone(_ name: String?, weights: URL?, _ section: PlanSection, key: String) -> BackbonePlan? {
        do {
            guard let weights else {
                if let name, TextBackbonePlan.Name(rawValue: name) != nil {
                    return try textBackbone(in: WeightsLocation.find(name))
                }
                let architecture = try name.map { try Catalog.architecture(named: $0) } ?? PlanDefaults.backbone
                guard let alone = architecture.forPictures else {
                    throw BackboneError(architecture.name, "sees no pictures")
                }
                return BackbonePlan(alone)
            }
            guard FileManager.default.fileExists(atPath: weights.path) else { return nil }  // reported already
            let source = try BackboneSource(weights, named: name)
            if source.architecture.image == nil { return try textBackbone(in: weights) }
            guard let architecture = source.architecture.forPictures else {
                throw BackboneError(weights.path, "a \(source.architecture.name) sees no pictures")
            }
            guard let preprocessing = source.preprocessing else {
                throw BackboneError(
                    weights.path, "nothing says how pictures are fed to it; put a preprocessor_config.json beside it, or run pando import with --preprocessing")
            }
            return BackbonePlan(architecture, weights: .file(weights), preprocessing: preprocessing)
        } catch {
            section.problem(key, "\(error)")
            return nil
        }
    }

    private func textBackbone(in folder: URL) throws -> BackbonePlan {
        BackbonePlan(texts: try TextBackboneSource(folder).architecture, folder: folder)
    }

    /// Whether a text means a place rather than a name.
    private func isPath(_ text: String) -> Bool {
        text.contains("/") || [".onnx", ".safetensors", ".pth", ".pt", ".bin"].contains { text.hasSuffix($0) }
            || FileManager.default.fileExists(atPath: folder.appendingPathComponent(text).path)
    }

    /// Reads `taps: [NAME, …]`, in order of depth whatever the order in the file.
    private func readTaps(_ section: PlanSection, into plan: inout BackbonePlan) {
        guard let value = section.value("taps") else { return }
        guard let list = value.sequence else {
            return section.problem("taps", "expected a list of taps, found \(value.kindInWords)")
        }
        let names = list.map { $0.plainText ?? "" }
        // Any value of a graph can be a tap; it becomes one by being asked for.
        if case .file(let url) = plan.weights {
            do { plan.architecture = try BackboneSource(url, as: plan.architecture).reading(names).architecture } catch {
                return section.problem("taps", "\(error)")
            }
        }
        let known = plan.architecture.image?.taps.map(\.name) ?? []
        var wanted: Set<String> = []
        for (node, name) in zip(list, names) {
            if !known.contains(name) {
                section.problem(
                    "taps", "\(plan.name) has no tap \(node.kindInWords)" + Suggestion.hint(for: name, among: known))
            } else if !wanted.insert(name).inserted {
                section.problem("taps", "'\(name)' stands twice")
            }
        }
        plan.readTaps = known.filter(wanted.contains)
    }

    func textBackbone(_ section: PlanSection) -> TextBackbonePlan {
        var plan = TextBackbonePlan()
        plan.name = name("text_backbone", in: section, default: plan.name) { inner, _ in
            plan.weights = existingPath("weights", in: inner, required: false)
        }
        return plan
    }

    /// Reads `key: NAME` or `key: {name: NAME, …}`; `more` reads what else the mapping may hold.
    private func name<Name: RawRepresentable<String> & CaseIterable>(
        _ key: String, in section: PlanSection, default fallback: Name, more: (PlanSection, Name) -> Void
    ) -> Name {
        guard let value = section.value(key) else { return fallback }
        guard value.mapping != nil else { return section.choice(key, default: fallback) }
        guard let inner = section.section(key) else { return fallback }
        let name = inner.choice("name", default: fallback)
        more(inner, name)
        inner.finish()
        return name
    }
}
