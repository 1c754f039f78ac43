/// What a library calls the modules of a `MobileNetwork`.
struct MobileNames {
    typealias Pair = (convolution: String, norm: String)

    struct Block {
        var path: String
        /// Relative to the path, like what follows.
        var expansion, depthwise, projection: Pair
        var squeeze: (reduction: String, expansion: String)
    }

    var stem: Pair
    var blocks: [Block]
    var head: Pair
    /// The layer between the pooled vector and the classifier, where there is one.
    var hidden = ""
    var classifier: String

    /// Rules that bring these names to `ours`, for a network of the given blocks.
    ///
    /// - Parameter hiddenIsKernel: whether the library stores the layer before the classifier as a convolution.
    func rules(to ours: MobileNames, _ plans: [MobileBlock.Plan], hiddenIsKernel: Bool = false) -> [Dialect.Rule] {
        func pair(_ theirs: Pair, _ ours: Pair, in path: (String, String)? = nil) -> [Dialect.Rule] {
            [(theirs.convolution, ours.convolution), (theirs.norm, ours.norm)].map { their, our in
                path.map { Dialect.Rule("\($0).\(their)", "\($1).\(our)") } ?? Dialect.Rule(their, our)
            }
        }
        var rules = pair(stem, ours.stem)
        for (plan, (their, our)) in zip(plans, zip(blocks, ours.blocks)) {
            let path = (their.path, our.path)
            if plan.expands { rules += pair(their.expansion, our.expansion, in: path) }
            rules += pair(their.depthwise, our.depthwise, in: path)
            if plan.squeeze > 0 {
                let (from, to) = (their.squeeze, our.squeeze)
                rules += pair((from.reduction, from.expansion), (to.reduction, to.expansion), in: path)
            }
            rules += pair(their.projection, our.projection, in: path)
        }
        rules += pair(head, ours.head)
        if !ours.hidden.isEmpty {
            rules.append(Dialect.Rule(hidden, ours.hidden, form: hiddenIsKernel ? .kernels : .same))
        }
        rules.append(Dialect.Rule(classifier, ours.classifier))
        return rules
    }
}

extension MobileNames {
    /// timm's names, which count blocks by stage.
    ///
    /// - Parameter head: the last convolution, where timm has it elsewhere.
    static func timm(_ plans: [MobileBlock.Plan], head: Pair = ("conv_head", "bn2")) -> MobileNames {
        MobileNames(
            stem: ("conv_stem", "bn1"),
            blocks: plans.map { plan in
                Block(
                    path: "blocks.\(plan.stage).\(plan.index)", expansion: ("conv_pw", "bn1"),
                    depthwise: plan.expands ? ("conv_dw", "bn2") : ("conv_dw", "bn1"),
                    projection: plan.expands ? ("conv_pwl", "bn3") : ("conv_pw", "bn2"),
                    squeeze: ("se.conv_reduce", "se.conv_expand"))
            },
            head: head, hidden: "conv_head", classifier: "classifier")
    }

    /// torchvision's names where parts of a block are counted through, as in MobileNetV3 and EfficientNet.
    ///
    /// - Parameter path: of a block.
    static func counted(_ plans: [MobileBlock.Plan], headIndex: Int, path: (_ number: Int, _ plan: MobileBlock.Plan) -> String)
        -> MobileNames
    {
        MobileNames(
            stem: ("features.0.0", "features.0.1"),
            blocks: plans.enumerated().map { number, plan in
                func part(_ index: Int) -> Pair { ("\(index).0", "\(index).1") }
                let depthwise = plan.expands ? 1 : 0
                let squeeze = depthwise + 1
                return Block(
                    path: path(number, plan) + ".block", expansion: part(0), depthwise: part(depthwise),
                    projection: part(plan.squeeze > 0 ? squeeze + 1 : squeeze),
                    squeeze: ("\(squeeze).fc1", "\(squeeze).fc2"))
            },
            head: ("features.\(headIndex).0", "features.\(headIndex).1"), hidden: "classifier.0", classifier: "classifier.1")
    }
}
