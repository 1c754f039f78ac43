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
    gru = nn.GRU(32, 32, batch_first=True, bidirectional=True).double()
    names = [f"{kind}_l0{way}" for way in ("", "_reverse") for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    parameters = {name: w() for name in names}
    score = w()
    rows = []
    for example in range(len(x)):
        length = x.shape[1] if present is None else int(present[example].sum())
        place = torch.arange(length).double()[:, None]
        angle = place * torch.exp(torch.arange(0, 32, 2).double() * -(torch.log(torch.tensor(10000.0).double()) / 32))
        encoded = torch.stack([angle.sin(), angle.cos()], 2).reshape(1, length, 32)
        states, _ = torch.func.functional_call(gru, parameters, (encoded,))
        both = (states[..., :32] + states[..., 32:]) / 2
        weights = torch.softmax(F.linear(both, score)[0, :, 0] / 0.1, 0)
        ranked = x[example, :length].sort(0, descending=True).values
        rows.append((weights[:, None] * ranked).sum(0))
    return torch.stack(rows)


def gpo_weights(weights: Weights):
    for _ in range(2):
        weights.made += [cases_normal(weights, 96, 32), cases_normal(weights, 96, 32)]
        weights.vector(96, 0.1).vector(96, 0.1)
    weights.made.append(cases_normal(weights, 1, 32))
    return weights


def cases_normal(weights: Weights, *shape: int):
    return weights.cases.normal(*shape, scale=0.15)


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
