/// Brings Pando and its peers together: one after the other does the same work, so that whatever else happens on the
/// machine meets all alike.
struct Meeting {
    let stopwatch: Stopwatch
    /// Nil if Pando is alone.
    let options: Peer.Options?
    private var present: [String: Peer] = [:]
    /// Why peers left, in the order in which they did.
    private(set) var failures: [String] = []
    private var gone: Set<String> = []

    init(stopwatch: Stopwatch, options: Peer.Options?) {
        self.stopwatch = stopwatch
        self.options = options
    }

    /// Pando, a peer, Pando, the next peer, Pando.
    mutating func compare(_ work: Work) throws -> Comparison {
        let (units, run) = try work.prepare()
        var ours = Rates()
        var rows: [PeerRow] = []
        func ourTurn() throws {
            tell("\(work.key.description): Pando")
            ours.append(try stopwatch.rates(unitsPerRun: units, run))
        }
        try ourTurn()
        if let options {
            for name in work.peers where !gone.contains(name) {
                tell("\(work.key.description): \(name)")
                guard let row = try turn(of: name, at: work.key, options) else { continue }
                rows.append(row)
                try ourTurn()
            }
        }
        return Comparison(key: work.key, ours: ours, peers: rows)
    }

    /// What a peer measured; nil if it cannot, after which it is not asked again.
    private mutating func turn(of name: String, at key: Work.Key, _ options: Peer.Options) throws -> PeerRow? {
        do {
            let peer = try present[name] ?? Peer(name, options: options)
            present[name] = peer
            return try peer.measure(key)
        } catch let error as PeerError {
            tell("no figures from \(error)")
            failures.append(error.description)
            gone.insert(name)
            return nil
        }
    }

    /// Lets the peers go.
    mutating func close() throws {
        for peer in present.values { try peer.close() }
        present = [:]
    }
}
