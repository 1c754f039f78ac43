import Foundation
import PandoBranches
import PandoData
import PandoTensor
import PandoTraining

extension Work {
    /// Steps of adapting a network to one task, each way in a fresh process, and the memory that they take with the
    /// frozen network; mapped weights do not count.
    ///
    /// A way that the peer does not know is held against the peer's LoRA.
    static func adapting(_ network: AdaptedNetwork, _ precision: Precision) -> Work {
        let keys = network.methods.map { network.key($0, precision) }
        return Work(keys: keys + keys.map(\.memory)) { meeting in
            let folder = FileManager.default.temporaryDirectory.appendingPathComponent("pando-adapting-\(getpid())")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            let texts = folder.appendingPathComponent("texts.jsonl")
            try SampleTexts.write(to: texts)
            func own(_ method: AdaptedNetwork.Method) throws -> PeerRuns {
                let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
                let peer = try Peer(
                    "Pando \(method.rawValue)", program: program,
                    ["serve", "--texts", texts.path, "--features", folder.appendingPathComponent("features").path])
                return PeerRuns(peer, network.key(method, precision))
            }
            // What computing features takes is not what training on them takes.
            for method in network.methods where method.readsStoredFeatures {
                let storing = try own(method)
                _ = try storing.round(seconds: 0)
                try storing.close()
            }
            let ours = try network.methods.map(own)
            let known = network.methods.filter { [.lora, .full].contains($0) || network == .vitSmall }
            let guests = try meeting.options.map { options in
                try known.map { method in
                    PeerRuns(
                        try Peer(
                            "PEFT \(method.rawValue)", program: URL(fileURLWithPath: options.python),
                            [options.peers, "--serve", "pytorch-peft", "--texts", texts.path]),
                        network.key(method, precision))
                }
            } ?? []
            let title = "adapt \(network.rawValue) \(precision.rawValue)"
            let rates = try meeting.rounds(title, ours + guests, atLeast: 2)
            for runs in ours + guests where runs.row != nil { try runs.close() }
            try FileManager.default.removeItem(at: folder)
            let theirs = zip(guests, rates.dropFirst(ours.count)).map { guest, rates in
                rates.flatMap { rates in guest.row.map { (row: $0, rate: Figure(medianOf: rates)) } }
            }
            return zip(network.methods, zip(ours, rates)).flatMap { method, measured -> [Comparison] in
                guard let own = measured.0.row, let rates = measured.1 else { return [] }
                let place = known.firstIndex(of: method) ?? 0
                return Self.lines(
                    own, Figure(medianOf: rates), theirs.indices.contains(place) ? theirs[place] : nil,
                    goals: AdaptationGoals(network, method, precision),
                    note: known.contains(method) ? nil : "against LoRA of the peer")
            }
        }
    }

    private static func lines(
        _ own: PeerRow, _ rate: Figure, _ theirs: (row: PeerRow, rate: Figure)?, goals: AdaptationGoals, note: String?
    ) -> [Comparison] {
        let isSteps = own.unit == "steps/s"
        let notes = [isSteps ? "\((1 / rate.value).formatted(digits: 3)) s a step" : nil, note].compactMap { $0 }
        var speed = Comparison(
            key: own.key, ours: rate, goal: goals.rate, note: notes.isEmpty ? nil : notes.joined(separator: "; "))
        var memory = Comparison(
            key: own.key.memory, ours: Figure(Double(own.memory) / 1e6), goal: goals.memory,
            note: "peak above idle; \(own.memory_how)")
        if let (row, rate) = theirs {
            speed.peers = [PeerFigure(peer: row.peer, figure: rate, version: row.version, how: row.how)]
            memory.peers = [
                PeerFigure(
                    peer: row.peer, figure: Figure(Double(row.memory) / 1e6), version: row.version, how: row.memory_how)
            ]
        }
        return [speed, memory]
    }

    /// Seconds in which a further task is learnt from vectors that are stored: Debian's sections, 63,440 texts.
    ///
    /// - Parameter features: where the vectors are kept from one run of the benchmark to the next.
    static func furtherTask(features folder: URL) -> Work {
        let key = Key(work: "further task, stored vectors", precision: "f32", batch: 64, unit: "s")
        return Work(keys: [key]) { _ in
            let plan = Plan(
                name: "sections", backbone: try AdaptedNetwork.miniLM.backbone(), data: DataPlan(kind: .debian),
                tasks: [TaskPlan(name: Debian.sectionColumn, kind: .classification)])
            let session = TrainingSession(plan, store: try FeatureStore(directory: folder))
            let prepared = try session.prepare()
            let seconds = try Stopwatch.seconds {
                var trainer = try Trainer(plan.train, prepared.tasks)
                _ = try trainer.run()
            }
            let count = prepared.dataset.examples.count
            return [Comparison(key: key, ours: Figure(seconds), note: "\(count) texts, \(plan.train.epochs) epochs at most")]
        }
    }
}

/// What adapting is to reach.
private struct AdaptationGoals {
    let rate, memory: Goal?

    init(_ network: AdaptedNetwork, _ method: AdaptedNetwork.Method, _ precision: Precision) {
        switch (network, method) {
        case (.miniLM, .lora): (rate, memory) = (.ratioAtLeast(precision == .bf16 ? 2 : 1.3), .ratioAtMost(0.6))
        case (.miniLM, .unipt): (rate, memory) = (.ratioAtLeast(15), nil)
        case (.miniLM, .sherl): (rate, memory) = (.ratioAtLeast(4), nil)
        case (.miniLM, .probe): (rate, memory) = (nil, nil)
        default: (rate, memory) = (.ratioAtLeast(1), nil)
        }
    }
}

extension Work.Key {
    /// The line of what the same work takes in memory.
    fileprivate var memory: Work.Key {
        var key = self
        key.unit = "MB"
        return key
    }
}
