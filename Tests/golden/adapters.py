"""What adapters compute, and their gradients, from the equations of their papers.

inputs: what the adapter reads, `attributes["reads"]` tensors (a mask of int64 last, where there is one), then its
parameters in the order in which the Swift module visits them.
"""

import torch
import torch.nn.functional as F
from torch import nn

from .cases import Cases, nchw, nhwc, write_cases


def write():
    cases = Cases(seed=47)
    unipt(cases)
    probes(cases)
    moments(cases)
    sherl(cases)
    lst(cases)
    return write_cases("adapters", cases)


def mask(*lengths: int) -> torch.Tensor:
    longest = max(lengths)
    return torch.tensor([[1 if place < length else 0 for place in range(longest)] for length in lengths])


class Weights:
    """Parameters in order: shapes are declared with the same calls that later take them."""

    def __init__(self, cases: Cases):
        self.cases = cases
        self.made: list[torch.Tensor] = []
        self.frozen: list[int] = []

    def vector(self, size: int, scale: float = 0.3, shift: float = 0.0):
        self.made.append(self.cases.normal(size, scale=scale, shift=shift))
        return self

    def linear(self, inputs: int, outputs: int, bias: bool = True):
        self.made.append(self.cases.normal(outputs, inputs, scale=0.6))
        return self.vector(outputs) if bias else self

    def shifted(self, inputs: int, outputs: int):
        """A linear layer whose bias what follows takes off again: a batch norm, a softmax. It has no gradient."""
        self.linear(inputs, outputs)
        self.frozen.append(len(self.made) - 1)
        return self

    def norm(self, size: int):
        return self.vector(size, shift=1.0).vector(size)


class Taken:
    def __init__(self, tensors):
        self.rest = list(tensors)

    def __call__(self) -> torch.Tensor:
        return self.rest.pop(0)

    def linear(self, x, bias: bool = True):
        weight = self()
        return F.linear(x, weight, self() if bias else None)

    def layer_norm(self, x):
        weight, bias = self(), self()
        return F.layer_norm(x, x.shape[-1:], weight, bias, 1e-5)

    def batch_norm(self, x):
        """Over maps [N, C, H, W], with the batch's own statistics."""
        weight, bias = self(), self()
        return F.batch_norm(x, None, None, weight, bias, training=True, eps=1e-5)

    def point_wise(self, x):
        """A convolution of one pixel whose weight is stored as a matrix."""
        weight, bias = self(), self()
        return F.conv2d(x, weight[:, :, None, None], bias)


def add(cases: Cases, name: str, operation: str, function, reads, weights: Weights, **attributes) -> None:
    cases.add(
        name, operation, lambda *x: function(list(x[: len(reads)]), Taken(x[len(reads) :])),
        [*reads, *weights.made], {"reads": len(reads), **attributes}, [len(reads) + place for place in weights.frozen],
    )  # fmt: skip


def l1(x, eps):
    return x / (x.abs().sum(-1, keepdim=True) + eps)


def masked_mean(x, present):
    if present is None:
        return x.mean(1)
    present = present.double()[:, :, None]
    return (x * present).sum(1) / present.sum(1)


def gpo(x, present, w: Taken):
    gru = nn.GRU(8, 8, batch_first=True, bidirectional=True).double()
    names = [f"{kind}_l0{way}" for way in ("", "_reverse") for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    parameters = {name: w() for name in names}
    score = w()
    rows = []
    for example in range(len(x)):
        length = x.shape[1] if present is None else int(present[example].sum())
        place = torch.arange(length).double()[:, None]
        angle = place * torch.exp(torch.arange(0, 8, 2).double() * -(torch.log(torch.tensor(10000.0).double()) / 8))
        encoded = torch.stack([angle.sin(), angle.cos()], 2).reshape(1, length, 8)
        states, _ = torch.func.functional_call(gru, parameters, (encoded,))
        both = (states[..., :8] + states[..., 8:]) / 2
        weights = torch.softmax(F.linear(both, score)[0, :, 0] / 0.1, 0)
        ranked = x[example, :length].sort(0, descending=True).values
        rows.append((weights[:, None] * ranked).sum(0))
    return torch.stack(rows)


def gpo_weights(weights: Weights):
    for _ in range(2):
        weights.linear(8, 24, bias=False).linear(8, 24, bias=False).vector(24, 0.1).vector(24, 0.1)
    return weights.linear(8, 1, bias=False)


def unipt_core(guide, others, present, gate, eps, own=None, interacts=True, weighs=True):
    """Steps 2 to 4 of the paper, a loop over states."""
    weight, bias = gate if weighs else (None, None)
    scores, moved = [], []
    pooled_guide = guide[:, 0] if guide.shape[1] == 1 else masked_mean(guide, present)
    for state in others:
        affinity = guide @ state.transpose(1, 2)
        if present is not None:
            affinity = affinity * present.double()[:, None, :]
        affinity = l1(affinity.relu(), eps)
        kept = state if own is None else own(state)
        moved.append((affinity @ state if interacts else 0) + kept)
        if weighs:
            scores.append(F.linear(pooled_guide * masked_mean(state, present), weight, bias))
    shares = torch.softmax(torch.cat(scores, 1), 1) if weighs else torch.full((len(guide), len(others)), 1 / len(others)).double()
    return sum(shares[:, i, None, None] * moved[i] for i in range(len(others)))


def unipt(cases: Cases) -> None:
    def tokens(reads, w, form, interacts, weighs):
        *states, present = reads
        narrow = [w.layer_norm(w.linear(state)) for state in states]
        gate = (w(), w()) if weighs else None
        fused = unipt_core(narrow[-1], narrow[:-1], present, gate, 1e-8, interacts=interacts, weighs=weighs)
        if form == "expanded":
            fused = w.linear(fused).relu()
        made = narrow[-1] + w.layer_norm(w.linear(fused))
        y = w.linear(made if form == "expanded" else made.relu())
        return gpo(y, present, w) if form == "gpo" else masked_mean(y, present)

    for form, interacts, weighs in (
        ("mean", True, True), ("expanded", True, True), ("gpo", True, True), ("mean", False, True), ("mean", True, False),
    ):  # fmt: skip
        weights = Weights(cases)
        for channels in (6, 6, 5):
            weights.linear(channels, 4).norm(4)
        if weighs:
            weights.shifted(4, 1)
        if form == "expanded":
            weights.linear(4, 7).linear(7, 4).norm(4)
        else:
            weights.linear(4, 4).norm(4)
        weights.linear(4, 7)
        if form == "gpo":
            gpo_weights(weights)
        add(
            cases, f"unipt_tokens_{form}_{interacts}_{weighs}", "uniptTokens",
            lambda x, w, form=form, interacts=interacts, weighs=weighs: tokens(x, w, form, interacts, weighs),
            [cases.normal(3, 5, 6), cases.normal(3, 5, 6), cases.normal(3, 5, 5), mask(3, 5, 1)], weights,
            form=form, interacts=interacts, weighs=weighs,
        )  # fmt: skip

    def maps(reads, w):
        states = [nchw(state) for state in reads]
        deepest = states[-1]
        looks = [w.point_wise(deepest).relu() for _ in states[:-1]]
        summed = []
        for state, look in zip(states, looks):
            rate = state.shape[2] // deepest.shape[2]
            saliency = (F.interpolate(look, scale_factor=rate, mode="nearest") * state).sum(1, keepdim=True).relu()
            cells = F.unfold(saliency, rate, stride=rate)
            cells = cells / (cells.sum(1, keepdim=True) + 1e-8)
            weight = F.fold(cells, state.shape[2:], rate, stride=rate) + 1 / rate**2
            summed.append(F.avg_pool2d(weight * state, rate, divisor_override=1))
        narrow = [w.batch_norm(w.point_wise(state)) for state in (*summed, deepest)]
        rows = [state.flatten(2).transpose(1, 2) for state in narrow]
        fused = unipt_core(rows[-1], rows[:-1], None, (w(), w()), 1e-8)
        rolled = fused.transpose(1, 2).reshape(narrow[-1].shape)
        made = narrow[-1] + w.batch_norm(w.point_wise(rolled))
        return w.linear(made.relu().flatten(2).mean(2))

    weights = Weights(cases).linear(6, 3).linear(6, 5)
    for channels in (3, 5, 6):
        weights.shifted(channels, 4).norm(4)
    weights.shifted(4, 1).shifted(4, 4).norm(4).linear(4, 7)
    add(
        cases, "unipt_maps", "uniptMaps", maps,
        [cases.normal(3, 8, 8, 3), cases.normal(3, 4, 4, 5), cases.normal(3, 2, 2, 6)], weights,
    )  # fmt: skip

    def vector(reads, w, place):
        *states, present, z = reads
        narrow = [w.linear(state.relu()) for state in states]
        guide = w.linear(z.relu())[:, None]
        rows = torch.arange(len(z))
        at = torch.zeros(len(z), dtype=torch.long) if place == "first" else present.sum(1) - 1
        fused = unipt_core(guide, narrow, present, (w(), w()), 1e-6, own=lambda state: state[rows, at][:, None])
        return z + w.linear(fused[:, 0].relu())

    for place in ("first", "last"):
        weights = Weights(cases).linear(6, 4).linear(5, 4).linear(7, 4).shifted(4, 1).linear(4, 7)
        add(
            cases, f"unipt_vector_{place}", "uniptVector", lambda x, w, place=place: vector(x, w, place),
            [cases.normal(3, 5, 6), cases.normal(3, 5, 5), mask(3, 5, 1), cases.normal(3, 7)], weights, place=place,
        )  # fmt: skip

    def encoder_decoder(reads, w):
        encoder, decoder, present = reads[:3], reads[3:6], reads[6]

        def side(states):
            narrow = [w.layer_norm(w.linear(state)) for state in states]
            gate = (w(), w())
            return narrow, gate, [w() for _ in range(6)]

        def projected(x, p):
            x = F.linear(F.linear(x, p[0], p[1]).relu(), p[2], p[3])
            return F.layer_norm(x, x.shape[-1:], p[4], p[5])

        narrow, gate, projection = side(encoder)
        memory = narrow[-1] + projected(unipt_core(narrow[-1], narrow[:-1], present, gate, 1e-7), projection)
        narrow, gate, projection = side(decoder)
        crossed = []
        for state in narrow[:-1]:
            affinity = (state @ memory.transpose(1, 2)) * present.double()[:, None, :]
            crossed.append(state + w.layer_norm(w.linear(l1(affinity.relu(), 1e-7) @ memory)))
        result = narrow[-1] + projected(unipt_core(narrow[-1], crossed, None, gate, 1e-7), projection)
        return w.layer_norm(w.linear(torch.stack([*crossed, result], 1).relu()))

    weights = Weights(cases)
    for _ in range(2):
        for _ in range(3):
            weights.linear(6, 4).norm(4)
        weights.shifted(4, 1).linear(4, 6).linear(6, 4).norm(4)
    weights.linear(4, 4).norm(4).linear(4, 4).norm(4).linear(4, 6).norm(6)
    add(
        cases, "unipt_encoder_decoder", "uniptEncoderDecoder", encoder_decoder,
        [*(cases.normal(2, 5, 6) for _ in range(3)), *(cases.normal(2, 3, 6) for _ in range(3)), mask(3, 5)], weights,
    )  # fmt: skip


def probes(cases: Cases) -> None:
    def perceptron(reads, w):
        return F.gelu(w.linear(w.layer_norm(reads[0])))

    weights = Weights(cases).norm(6).linear(6, 5)
    add(cases, "mlp", "mlp", perceptron, [cases.normal(3, 6)], weights)

    def attention(reads, w):
        x, present = w.layer_norm(reads[0]), reads[1]
        queries, keys, values = w(), w.linear(x, bias=False), w.linear(x)
        heads, size = queries.shape
        seen = []
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            scores = keys[:, :, part] @ queries[head] / size**0.5
            shares = torch.softmax(scores.masked_fill(present == 0, -torch.inf), 1)
            seen.append((shares[:, :, None] * values[:, :, part]).sum(1))
        return torch.cat(seen, 1)

    weights = Weights(cases).norm(6)
    weights.made.append(cases.normal(2, 4))
    weights.linear(6, 8, bias=False).linear(6, 8)
    add(cases, "attention_probe", "attentionProbe", attention, [cases.normal(3, 5, 6), mask(3, 5, 1)], weights)

    def mix(reads, w):
        means = [state.mean((1, 2)) for state in reads]
        means = [w.linear(means[0]), w.linear(means[1]), means[2]]
        normalized = [F.layer_norm(mean, mean.shape[-1:]) for mean in means]
        shares = torch.softmax(w(), 0)
        return w() * sum(share * layer for share, layer in zip(shares, normalized))

    weights = Weights(cases).linear(3, 6).linear(5, 6).vector(3, 1.0).vector(1, shift=1.0)
    add(
        cases, "layer_mix", "layerMix", mix,
        [cases.normal(3, 8, 8, 3), cases.normal(3, 4, 4, 5), cases.normal(3, 2, 2, 6)], weights,
    )  # fmt: skip


def moments(cases: Cases) -> None:
    """Sample by sample, each over its own tokens; the second of two classifiers reads what the last convolution leaves."""

    def second(tokens, lengths, w, heads, interleaved, centering):
        projected = w.linear(tokens)
        weight, bias, first, last = w(), w(), w(), w()
        size = projected.shape[2] // heads
        found = []
        for sample, length in zip(projected, lengths):
            channels = [
                list(range(head, heads * size, heads)) if interleaved else list(range(head * size, (head + 1) * size))
                for head in range(heads)
            ]
            parts = [F.layer_norm(sample[:length, own], (size,), weight, bias, 1e-5) for own in channels]
            parts = [part - (part.mean() if centering == "scalar" else part.mean(0)) for part in parts]
            products = [left.T @ right / length for left, right in zip(parts, parts[1:])]
            stacked = torch.stack([F.normalize(product, dim=0) for product in products])[None]
            found.append(F.conv2d(F.gelu(F.conv2d(stacked, first, stride=2)), last, stride=2).flatten())
        return torch.stack(found)

    def tokens(reads, w, centering):
        x, present, z = reads
        x, lengths = x[:, 1:], present.sum(1) - 1
        return torch.cat([z, second(F.layer_norm(x, x.shape[-1:], eps=1e-6), lengths, w, 3, False, centering)], 1) / 2

    def maps(reads, w):
        x, z = reads
        z = w.layer_norm(z)
        return torch.cat([z, second(x.flatten(1, 2), [x.shape[1] * x.shape[2]] * len(x), w, 3, True, "scalar")], 1) / 2

    def condensing(weights):
        weights.linear(6, 33).norm(11)
        weights.made += [cases.normal(2, 2, 3, 3, scale=0.4), cases.normal(2, 2, 3, 3, scale=0.4)]
        return weights

    for centering in ("scalar", "channel"):
        weights = condensing(Weights(cases))
        if centering == "channel":
            weights.frozen.append(3)  # the norm's bias is what all tokens share
        add(
            cases, f"moment_probing_{centering}", "momentProbingTokens",
            lambda x, w, centering=centering: tokens(x, w, centering),
            [cases.normal(2, 7, 6), mask(5, 7), cases.normal(2, 4)], weights, centering=centering,
        )  # fmt: skip
    add(
        cases, "moment_probing_maps", "momentProbingMaps", maps, [cases.normal(2, 3, 2, 6), cases.normal(2, 4)],
        condensing(Weights(cases).norm(4)),
    )  # fmt: skip


def fused(shallow, guide, relevance, redundancy=True, eps=1e-6):
    """`sum(a_i E_i)`, token by token: lists of [M, S] and [M, S]."""
    weight, bias = relevance
    unit = [state / (state.norm(dim=-1, keepdim=True) + eps) for state in shallow]
    raised = []
    for i, state in enumerate(shallow):
        score = F.linear(state * guide, weight, bias).relu()
        if redundancy:
            score = score / sum((unit[i] * other).sum(-1, keepdim=True).relu() for other in unit)
        raised.append(score)
    shares = l1(torch.cat(raised, -1), eps)
    return sum(shares[..., i : i + 1] * state for i, state in enumerate(shallow))


def sherl(cases: Cases) -> None:
    def tokens(reads, w, form, redundancy):
        narrow = []
        for state in reads:
            if form == "gated":
                t = w.linear(state).relu()
                narrow.append((w.linear(t) + t) * torch.sigmoid(w.linear(t)))
            else:
                narrow.append(w.layer_norm(w.linear(state)))
        taken = fused(narrow[:-1], narrow[-1], (w(), w()), redundancy)
        if form == "perceptron":
            taken = w.layer_norm(w.linear(w.linear(taken).relu()))
        wide = w.linear((narrow[-1] + taken).relu())
        if form != "gated":
            wide = w.layer_norm(wide)
        return wide + torch.tanh(w() / 0.1) * reads[-1]

    for form, redundancy in (("normalized", True), ("normalized", False), ("gated", True), ("perceptron", True)):
        weights = Weights(cases)
        for _ in range(4):
            weights.linear(6, 4)
            weights.linear(4, 4).linear(4, 4) if form == "gated" else weights.norm(4)
        weights.linear(4, 1)
        if form == "perceptron":
            weights.linear(4, 6).linear(6, 4).norm(4)
        weights.linear(4, 6)
        if form != "gated":
            weights.norm(6)
        weights.vector(1, 0.05)
        add(
            cases, f"sherl_tokens_{form}_{redundancy}", "sherlTokens",
            lambda x, w, form=form, redundancy=redundancy: tokens(x, w, form, redundancy),
            [cases.normal(2, 3, 6) for _ in range(4)], weights, form=form, redundancy=redundancy,
        )  # fmt: skip

    def maps(reads, w):
        states = [nchw(state) for state in reads]
        narrow = []
        for state, rate in zip(states, (4, 2, 1)):
            pooled = F.max_pool2d(state, rate) + F.avg_pool2d(state, rate)
            narrow.append(nhwc(w.batch_norm(w.point_wise(pooled))))
        made = narrow[-1] + fused(narrow[:-1], narrow[-1], (w(), w()))
        return nhwc(w.batch_norm(w.point_wise(nchw(made))).relu()) + torch.tanh(w() / 0.1) * reads[-1]

    weights = Weights(cases)
    for channels in (3, 5, 6):
        weights.shifted(channels, 4).norm(4)
    weights.linear(4, 1).shifted(4, 6).norm(6).vector(1, 0.05)
    add(
        cases, "sherl_maps", "sherlMaps", maps,
        [cases.distinct(3, 8, 8, 3) * 0.01, cases.distinct(3, 4, 4, 5) * 0.1, cases.normal(3, 2, 2, 6)], weights,
    )  # fmt: skip

    def vector(reads, w):
        first, second, present, z = reads
        narrow = [w.linear(first.relu()), w.linear(second.relu())]
        guide = w.linear(z.relu())
        vectors = []
        for state in narrow:
            score = w.linear(state * guide[:, None]).relu()[..., 0] * present.double()
            vectors.append((l1(score, 1e-6)[:, :, None] * state).sum(1) + state[:, 0])
        made = guide + fused(vectors, guide, (w(), w()))
        return z + w.linear(made.relu())

    weights = Weights(cases).linear(6, 4).linear(5, 4).linear(7, 4).linear(4, 1).linear(4, 1).linear(4, 1).linear(4, 7)
    add(
        cases, "sherl_vector", "sherlVector", vector,
        [cases.normal(3, 5, 6), cases.normal(3, 5, 5), mask(3, 5, 1), cases.normal(3, 7)], weights,
    )  # fmt: skip


def lst(cases: Cases) -> None:
    def tokens(reads, w):
        *states, present = reads
        rungs = [w.linear(state) for state in states]
        gates = torch.sigmoid(w() / 0.1)
        side = rungs[0]
        for gate, rung in zip(gates, rungs[1:]):
            side = gate * rung + (1 - gate) * side
            query, key, value = w.linear(w.layer_norm(side)).chunk(3, -1)

            def heads(x):
                return x.reshape(*x.shape[:2], 2, 4).transpose(1, 2)

            mixed = F.scaled_dot_product_attention(
                heads(query), heads(key), heads(value), present.bool()[:, None, None, :]
            )
            side = side + w.linear(mixed.transpose(1, 2).flatten(2))
            side = side + w.linear(F.gelu(w.linear(w.layer_norm(side))))
        return w.linear(masked_mean(w.layer_norm(side), present))

    weights = Weights(cases)
    for _ in range(3):
        weights.linear(6, 8)
    weights.vector(2, 0.05)
    for _ in range(2):
        weights.norm(8).linear(8, 24).linear(8, 8).norm(8).linear(8, 32).linear(32, 8)
    weights.norm(8).linear(8, 6)
    add(
        cases, "lst_tokens", "lstTokens", tokens, [*(cases.normal(3, 5, 6) for _ in range(3)), mask(3, 5, 1)], weights
    )

    def maps(reads, w):
        rungs = [nchw(w.linear(state)) for state in reads]
        carried = w.linear(nhwc(rungs[0]))
        gate = torch.sigmoid(w() / 0.1)
        side = gate * rungs[1] + (1 - gate) * F.avg_pool2d(nchw(carried), 2)
        first, norm = w(), (w(), w())
        inner = F.batch_norm(F.conv2d(side, first, padding=1), None, None, *norm, training=True).relu()
        second, norm = w(), (w(), w())
        outer = F.batch_norm(F.conv2d(inner, second, padding=1), None, None, *norm, training=True)
        return w.linear((side + outer).relu().mean((2, 3)))

    weights = Weights(cases).linear(3, 4).linear(6, 5).linear(4, 5).vector(1, 0.05)
    for _ in range(2):
        weights.made.append(cases.normal(5, 5, 3, 3, scale=0.3))
        weights.norm(5)
    weights.linear(5, 6)
    add(cases, "lst_maps", "lstMaps", maps, [cases.normal(3, 8, 8, 3), cases.normal(3, 4, 4, 6)], weights)
