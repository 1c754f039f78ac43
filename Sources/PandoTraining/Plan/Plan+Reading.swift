import Foundation
import PandoBackbones
import PandoBranches
import PandoData
import Yams

extension Plan {
    /// Reads a plan file. Paths in it are relative to the file's folder.
    ///
    /// Unknown keys, unknown names and values out of range are refused, never passed over.
    /// - Throws: `PlanError` with everything that is wrong.
    public init(contentsOf file: URL) throws(PlanError) {
        try self.init(yaml: Self.text(of: file), file: file.path, folder: file.deletingLastPathComponent())
    }

    /// Reads a plan from its text.
    ///
    /// - Parameters:
    ///   - file: what messages call the plan.
    ///   - folder: where relative paths start.
    /// - Throws: `PlanError` with everything that is wrong.
    public init(yaml: String, file: String, folder: URL) throws(PlanError) {
        self = try Self.read(yaml, file: file, needs: "name, data and tasks") { PlanReader(folder: folder).plan($0) }
    }

    /// The text of a plan's file.
    static func text(of file: URL) throws(PlanError) -> String {
        do {
            return try String(contentsOf: file, encoding: .utf8)
        } catch {
            var isFolder: ObjCBool = false
            let exists = FileManager.default.fileExists(atPath: file.path, isDirectory: &isFolder)
            let reason =
                !exists ? "there is no such file"
                : isFolder.boolValue ? "it is a folder, expected a YAML file"
                : "the file cannot be read as UTF-8 text: \(error.localizedDescription)"
            throw PlanError(file: file.path, problems: [.init(path: "", line: nil, message: reason)])
        }
    }

    /// Reads a YAML text with `body`, and refuses what that did not ask for.
    ///
    /// - Parameter needs: what the file cannot do without, in words.
    static func read(_ yaml: String, file: String, needs: String, _ body: (PlanSection) -> Plan) throws(PlanError) -> Plan {
        let problems = PlanProblems()
        let root: Node?
        do {
            root = try Yams.compose(yaml: yaml)
        } catch {
            throw PlanError(file: file, problems: [PlanError.Problem(malformed: error)])
        }
        var plan: Plan?
        if let root {
            if let section = PlanSection(root, at: "", problems: problems) {
                plan = body(section)
                section.finish()
            }
        } else {
            problems.add("", nil, "the plan is empty; it needs \(needs)")
        }
        guard let plan, problems.all.isEmpty else {
            throw PlanError(file: file, problems: problems.all.sorted { ($0.line ?? 0) < ($1.line ?? 0) })
        }
        return plan
    }
}

extension PlanError.Problem {
    /// What stopped the YAML parser.
    fileprivate init(malformed error: any Error) {
        switch error as? YamlError {
        case .duplicatedKeysInMapping(let duplicates, let context):
            let names = duplicates.map { "'\($0)'" }.joined(separator: ", ")
            self.init(
                path: "", line: context.mark.line,
                message: "\(names) stands twice in one mapping; every key and every task needs a name of its own")
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            self.init(path: "", line: mark.line, message: "not valid YAML: \(problem)")
        default:
            self.init(path: "", line: nil, message: "not valid YAML: \(error)")
        }
    }
}

/// Turns the sections of a plan file into the plan's types.
struct PlanReader {
    let folder: URL

    func plan(_ section: PlanSection) -> Plan {
        let name = section.text("name", required: true) ?? ""
        if !name.isEmpty { checkName(name, of: section, key: "name") }
        let before = section.problems.all.count
        let backbone = backbone(section)
        // Of a backbone that could not be read another stands in, which says nothing of the data.
        let isKnown = section.problems.all.count == before
        let textBackbone = textBackbone(section)
        let data = data(section)
        if isKnown, section.has("data"), data.holdsTexts != backbone.readsTexts {
            section.problem(
                "backbone",
                data.holdsTexts
                    ? "\(backbone.name) sees pictures, but the data are texts; name a network over texts, as all-MiniLM-L6-v2"
                    : "\(backbone.name) reads texts, but the data are pictures; name a network over pictures")
        }
        let adapter = AdapterReader.choice(in: section) ?? AdapterChoice()
        let tasks = tasks(section, adapter, backbone)
        return Plan(
            name: name, backbone: backbone, textBackbone: textBackbone, data: data, tasks: tasks,
            sharing: sharing(section, tasks, backbone), features: features(section), train: train(section, backbone), budget: budget(section))
    }

    // MARK: Data

    func data(_ section: PlanSection) -> DataPlan {
        guard let section = section.section("data", required: true) else { return DataPlan(kind: .scenes) }
        var plan = DataPlan(kind: section.choice("kind", default: .scenes, required: true))
        plan.path = existingPath("path", in: section, required: plan.kind.needsPath)
        if plan.kind == .scenes, plan.path != nil { section.problem("path", "scenes are generated; they have no path") }
        plan.limit = section.optionalInteger("limit", in: 1...Int.max)
        plan.seed = seed(section)
        plan.imageColumn = section.text("image") ?? plan.imageColumn
        plan.textColumn = section.text("text")
        if section.has("text"), section.has("image") {
            section.problem("text", "an example is a picture or a text; leave out 'image' or 'text'")
        }
        plan.splitColumn = section.text("split")
        if let columns = section.section("columns") {
            for name in columns.keys {
                if let text = columns.text(name), let kind: LabelKind = columns.choice(text, key: name) {
                    plan.columns[name] = kind
                }
            }
        }
        if plan.kind.declaresColumns {
            if !section.has("columns") {
                section.problem(nil, "'columns' is missing; name each task column and its kind, as in {price: number}")
            }
        } else {
            for key in ["image", "text", "split", "columns"] where section.has(key) {
                section.problem(key, "only csv and jsonl data have '\(key)'; \(plan.kind.rawValue) knows its own")
            }
        }
        section.finish()
        return plan
    }

    // MARK: Tasks

    func tasks(_ section: PlanSection, _ adapter: AdapterChoice, _ backbone: BackbonePlan) -> [TaskPlan] {
        guard let section = section.section("tasks", required: true) else { return [] }
        if section.keys.isEmpty { section.problem(nil, "there is no task; name at least one") }
        return section.keys.compactMap { name in
            checkName(name, of: section, key: name)
            return section.section(name).map { task(name, $0, adapter, backbone) }
        }
    }

    private func task(_ name: String, _ section: PlanSection, _ adapter: AdapterChoice, _ backbone: BackbonePlan)
        -> TaskPlan
    {
        let kind: TaskKind = section.choice("kind", default: .classification, required: true)
        var task = TaskPlan(name: name, kind: kind)
        task.column = section.text("column") ?? name
        task.adapter = AdapterReader.choice(in: section) ?? adapter
        task.head = head(section, kind: kind)
        if backbone.isTrained, task.adapter != AdapterChoice() {
            section.problem(
                section.has("adapter") ? "adapter" : nil,
                "the backbone is trained itself; leave out 'train' of the backbone, or the adapter \(task.adapter.kind)")
        }
        if backbone.readsTexts, kind == .retrieval {
            section.problem("kind", "retrieval connects pictures and texts; \(backbone.name) sees no pictures")
        }
        task.classWeights = section.choice("class_weights", default: .none)
        task.labelSmoothing = section.number("label_smoothing", default: 0, in: 0...0.9)
        task.focalGamma = section.number("focal_gamma", default: 0, in: 0...10)
        task.weight = section.number("weight", default: 1, in: 0...1e6)
        task.minimumCount = section.optionalInteger("minimum_count", in: 1...Int.max)
        if task.focalGamma > 0, task.classWeights == .balanced {
            section.problem("focal_gamma", "the focal loss balances by itself; leave out class_weights or focal_gamma")
        }
        if task.weight == 0 { section.problem("weight", "a task of weight 0 learns nothing; leave the task out") }
        for (key, kinds) in [
            ("class_weights", [TaskKind.classification, .multilabel]), ("label_smoothing", [.classification]),
            ("focal_gamma", [.multilabel]), ("minimum_count", [.classification, .multilabel]),
        ] where section.has(key) && !kinds.contains(kind) {
            section.problem(key, "means nothing for a \(kind.rawValue) task")
        }
        section.finish()
        return task
    }

    /// Reads `head: KIND` or `head: {kind: KIND, …}`.
    private func head(_ section: PlanSection, kind: TaskKind) -> HeadPlan {
        guard let value = section.value("head") else { return HeadPlan() }
        guard value.mapping != nil else { return HeadPlan(kind: section.choice("head", default: PlanDefaults.head)) }
        guard let section = section.section("head") else { return HeadPlan() }
        var head = HeadPlan(kind: section.choice("kind", default: PlanDefaults.head))
        head.hidden = section.integer("hidden", default: head.hidden, in: 1...65_536)
        head.dropout = section.number("dropout", default: head.dropout, in: 0...0.95)
        head.projection = section.integer("projection", default: head.projection, in: 1...4_096)
        if section.has("hidden"), head.kind == .linear { section.problem("hidden", "a linear head has no hidden layer") }
        if section.has("projection"), kind != .retrieval {
            section.problem("projection", "means nothing for a \(kind.rawValue) task")
        }
        section.finish()
        return head
    }

    private func sharing(_ section: PlanSection, _ tasks: [TaskPlan], _ backbone: BackbonePlan) -> SharingPlan? {
        guard let sharing = SharingReader.plan(in: section, tasks: tasks) else { return nil }
        if backbone.isTrained {
            section.problem("sharing", "the backbone is trained by all tasks already; leave out its 'train', or 'sharing'")
        }
        let names = sharing.tasks ?? tasks.map(\.name)
        for task in tasks where names.contains(task.name) && task.adapter != AdapterChoice() {
            section.problem(
                "tasks", "\(task.name) has the adapter \(task.adapter.kind) of its own; leave it out, or leave \(task.name) out of 'sharing: {tasks: …}'")
        }
        return sharing
    }

    // MARK: Training

    private func train(_ section: PlanSection, _ backbone: BackbonePlan) -> TrainPlan {
        var train = TrainPlan()
        if backbone.weights == .random { train.backboneRate = 1 }
        return self.train(section, backbone, else: train)
    }

    /// What `train:` says; `fallback` where it says nothing.
    func train(_ section: PlanSection, _ backbone: BackbonePlan, else fallback: TrainPlan) -> TrainPlan {
        var train = fallback
        guard let section = section.section("train") else { return train }
        train.epochs = section.integer("epochs", default: train.epochs, in: 1...1_000_000)
        train.batchSize = section.integer("batch_size", default: train.batchSize, in: 1...1_000_000)
        train.learningRate = section.number("learning_rate", default: train.learningRate, in: 0...1_000)
        train.weightDecay = section.number("weight_decay", default: train.weightDecay, in: 0...1_000)
        train.warmup = section.number("warmup", default: train.warmup, in: 0...1)
        train.patience = section.integer("patience", default: train.patience, in: 1...1_000_000)
        train.optimizer = section.choice("optimizer", default: train.optimizer)
        train.seed = seed(section, else: train.seed)
        train.precision = section.choice("precision", default: train.precision)
        train.backboneRate = section.number("backbone_rate", default: train.backboneRate, in: 0...1_000)
        train.augments = section.flag("augment", default: train.augments)
        for key in ["backbone_rate", "augment"] where section.has(key) && !backbone.isTrained {
            section.problem(key, "the backbone is frozen; say backbone: {name: \(backbone.name), train: true} to train it")
        }
        section.finish()
        return train
    }

    /// Reads `features: {codec: NAME, store: true|false}`.
    private func features(_ section: PlanSection) -> FeaturePlan {
        guard let section = section.section("features") else { return FeaturePlan() }
        var features = FeaturePlan()
        if let text = section.text("codec") {
            if let codec = FeatureCodec(planned: text) {
                features.codec = codec
            } else {
                section.problem(
                    "codec", "'\(text)' is not known" + Suggestion.hint(for: text, among: FeatureCodec.plannedNames))
            }
        }
        if section.has("store") { features.stores = section.flag("store", default: true) }
        section.finish()
        return features
    }

    private func budget(_ section: PlanSection) -> BudgetPlan {
        guard let section = section.section("budget") else { return BudgetPlan() }
        var budget = BudgetPlan()
        func amount(_ key: String) -> ByteCount? {
            guard let text = section.text(key) else { return nil }
            let amount = ByteCount(parsing: text)
            if amount == nil { section.problem(key, "expected an amount such as 800MB or 1.5GiB, found '\(text)'") }
            return amount
        }
        (budget.memory, budget.disk) = (amount("memory"), amount("disk"))
        section.finish()
        return budget
    }

    // MARK: Common values

    private func seed(_ section: PlanSection, else fallback: UInt64 = PlanDefaults.seed) -> UInt64 {
        UInt64(section.integer("seed", default: Int(fallback), in: 0...Int.max))
    }

    func existingPath(_ key: String, in section: PlanSection, required: Bool) -> URL? {
        guard let text = section.text(key, required: required) else { return nil }
        let expanded = text.hasPrefix("~/") ? NSString(string: text).expandingTildeInPath : text
        let url = (expanded.hasPrefix("/") ? URL(fileURLWithPath: expanded) : folder.appendingPathComponent(expanded))
            .standardizedFileURL
        if !FileManager.default.fileExists(atPath: url.path) {
            section.problem(key, "there is no file or folder '\(url.path)'")
        }
        return url
    }

    /// Names become folders in the bundle.
    private func checkName(_ name: String, of section: PlanSection, key: String) {
        let allowed = name.unicodeScalars.allSatisfy {
            CharacterSet.alphanumerics.contains($0) || "_-. ".unicodeScalars.contains($0)
        }
        if !allowed || name.hasPrefix(".") || name.hasPrefix(" ") || name.hasSuffix(" ") || name.utf8.count > 100 {
            section.problem(key, "the name '\(name)' cannot name a folder; use letters, digits, '-', '_' and '.'")
        }
    }
}
