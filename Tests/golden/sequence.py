"""Recurrent layers, embedding bags, straight-through gradients and the loss of unaligned sequences.

`sequence.safetensors` holds the cases as `operations.safetensors` does. Sequences are [N, T, C].
"""

import torch
import torch.nn.functional as F

from .cases import Cases, write_cases


def write():
    cases = Cases(seed=31)
    recurrent(cases)
    embedding_bags(cases)
    samples(cases)
    quantization(cases)
    connectionist(cases)
    return write_cases("sequence", cases)


def recurrent(cases: Cases) -> None:
    """Inputs: x, the initial states if there are any, then the parameters in PyTorch's order.

    The output is the layer's output, then its last states, as one vector.
    """
    # name, N, T, in, hidden, layers, bidirectional, bias, initial state, lengths
    table = [
        ("plain", 2, 4, 3, 5, 1, False, True, False, None),
        ("eight_wide", 1, 3, 2, 8, 1, False, True, True, None),
        ("one_step", 3, 1, 2, 3, 1, False, True, False, None),
        ("one_feature", 1, 5, 1, 1, 1, False, False, True, None),
        ("two_layers", 2, 3, 4, 9, 2, False, True, True, None),
        ("both_ways", 2, 4, 3, 4, 2, True, True, True, None),
        ("both_ways_no_bias", 3, 3, 2, 3, 1, True, False, False, None),
        ("padded", 3, 5, 3, 4, 1, False, True, True, [5, 2, 3]),
        ("padded_both_ways", 3, 5, 3, 4, 2, True, True, True, [4, 1, 5]),
    ]
    for kind, layer_type, states in (("lstm", torch.nn.LSTM, 2), ("gru", torch.nn.GRU, 1)):
        for name, batch, steps, features, hidden, layers, both, bias, initial, lengths in table:
            layer = layer_type(features, hidden, layers, bias=bias, batch_first=True, bidirectional=both).double()
            names = [key for key, _ in layer.named_parameters()]
            shapes = [tuple(value.shape) for _, value in layer.named_parameters()]
            state_shape = (layers * (2 if both else 1), batch, hidden)
            start = [cases.normal(*state_shape, scale=0.7) for _ in range(states)] if initial else []

            def run(x, *rest):
                begin, weights = rest[: len(start)], rest[len(start) :]
                state = (tuple(begin) if states == 2 else begin[0]) if initial else None
                source = x
                if lengths:
                    source = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, True, enforce_sorted=False)
                arguments = (source, state) if initial else (source,)
                output, end = torch.func.functional_call(layer, dict(zip(names, weights)), arguments)
                if lengths:
                    output, _ = torch.nn.utils.rnn.pad_packed_sequence(output, True, total_length=steps)
                ends = end if states == 2 else (end,)
                return torch.cat([output.flatten(), *(value.flatten() for value in ends)])

            inputs = [cases.normal(batch, steps, features)] + start
            inputs += [cases.normal(*shape, scale=0.5) for shape in shapes]
            cases.add(
                f"{kind}_{name}", kind, run, inputs,
                {"names": names, "hidden": hidden, "layers": layers, "bidirectional": both, "bias": bias,
                 "initial": initial, "lengths": lengths or []},
            )  # fmt: skip


def embedding_bags(cases: Cases) -> None:
    """Inputs: table, indices, then offsets for flat indices, then the weights of the indices."""
    indices = torch.tensor([4, 1, 1, 0, 3, 2, 4, 4])
    offsets = torch.tensor([0, 3, 3, 5])  # the second bag is empty
    for mode in ("sum", "mean", "max"):
        cases.add(
            f"embeddingBag_{mode}_offsets", "embeddingBag",
            lambda w, i, o: F.embedding_bag(i, w, o, mode=mode),
            [cases.distinct(5, 3), indices, offsets], {"mode": mode, "offsets": True, "weighted": False},
        )  # fmt: skip
        cases.add(
            f"embeddingBag_{mode}_rows", "embeddingBag", lambda w, i: F.embedding_bag(i, w, mode=mode),
            [cases.distinct(5, 1), indices.reshape(2, 4)], {"mode": mode, "offsets": False, "weighted": False},
        )  # fmt: skip
    cases.add(
        "embeddingBag_weighted_offsets", "embeddingBag",
        lambda w, i, o, s: F.embedding_bag(i, w, o, mode="sum", per_sample_weights=s),
        [cases.normal(5, 3), indices, offsets, cases.normal(8)], {"mode": "sum", "offsets": True, "weighted": True},
    )  # fmt: skip
    cases.add(
        "embeddingBag_weighted_rows", "embeddingBag",
        lambda w, i, s: F.embedding_bag(i, w, mode="sum", per_sample_weights=s),
        [cases.normal(5, 4), indices.reshape(4, 2), cases.normal(4, 2)],
        {"mode": "sum", "offsets": False, "weighted": True},
    )  # fmt: skip


def samples(cases: Cases) -> None:
    """Inputs: logits, and the noise that was drawn."""

    def gumbel(x, noise, temperature, hard, axis):
        soft = ((x + noise) / temperature).softmax(axis)
        if not hard:
            return soft
        chosen = torch.zeros_like(x).scatter_(axis, soft.max(axis, keepdim=True)[1], 1.0)
        return chosen - soft.detach() + soft

    for name, shape, axis in (("rows", (4, 5), -1), ("first_axis", (3, 2, 2), 0), ("one_class", (3, 1), -1)):
        for hard in (False, True):
            uniform = torch.rand(shape, generator=cases.generator).double()
            noise = (-torch.log(-torch.log(uniform))).float().double()
            cases.add(
                f"gumbelSoftmax_{name}{'_hard' if hard else ''}", "gumbelSoftmax",
                lambda x, g: gumbel(x, g, 0.7, hard, axis), [cases.normal(*shape), noise],
                {"temperature": 0.7, "hard": hard, "axis": axis}, frozen=(1,),
            )  # fmt: skip

    def step(x):
        soft = x.sigmoid()
        return (soft > 0.5).double() - soft.detach() + soft

    cases.add("sigmoidStep", "sigmoidStep", step, [cases.distinct(3, 4)])


def quantization(cases: Cases) -> None:
    """`fakeQuantize`: PyTorch's. Values lie away from the halves between two steps."""

    def spread(*shape):
        x = cases.normal(*shape, scale=3)
        return (x / 0.05).round() * 0.05 + 0.013

    for name, shape, scale, zero, low, high in (
        ("symmetric", (4, 5), 0.04, 0, -128, 127),
        ("affine", (3, 7), 0.03, 91, 0, 255),
        ("four_bits", (2, 3, 3), 0.7, 0, -8, 7),
        ("empty", (0, 3), 0.5, 0, -128, 127),
    ):
        cases.add(
            f"fakeQuantize_{name}", "fakeQuantize",
            lambda x: torch.fake_quantize_per_tensor_affine(x, scale, zero, low, high), [spread(*shape)],
            {"scale": scale, "zero": zero, "low": low, "high": high},
        )  # fmt: skip
    for name, shape, axis in (("first_axis", (3, 4, 2), 0), ("last_axis", (2, 5, 3), 2)):
        scales = torch.tensor([0.03125, 0.25, 0.5])
        zeros = torch.tensor([0, 3, -4], dtype=torch.int32)

        def channels(x, scales, zeros):
            return torch.fake_quantize_per_channel_affine(x.float(), scales.float(), zeros, axis, -32, 31).double()

        cases.add(
            f"fakeQuantize_{name}", "fakeQuantizeChannels", channels, [spread(*shape), scales.double(), zeros],
            {"axis": axis, "low": -32, "high": 31}, frozen=(1,),
        )  # fmt: skip


def connectionist(cases: Cases) -> None:
    """Connectionist temporal classification. Inputs: logits [N, T, K], targets one after another."""
    # name, N, T, K, targets, steps, blank, reports zero for infinity
    table = [
        ("plain", 2, 6, 4, [[1, 2, 3], [3, 1]], [6, 6], 0, False),
        ("repeats", 2, 7, 3, [[1, 1, 2], [2, 2]], [7, 5], 0, False),
        ("last_blank", 1, 4, 3, [[0, 1]], [4], 2, False),
        ("no_target", 2, 3, 3, [[], [1]], [3, 2], 0, False),
        ("one_step", 1, 1, 2, [[1]], [1], 0, False),
        ("tight", 1, 3, 3, [[1, 1]], [3], 0, False),
        ("too_short", 2, 3, 3, [[1, 1, 2], [2]], [3, 3], 0, True),
    ]
    for name, batch, steps, classes, targets, lengths, blank, ignores in table:
        flat = torch.tensor([label for target in targets for label in target], dtype=torch.int64)
        sizes = [len(target) for target in targets]

        def loss(x, flat, reduction):
            return F.ctc_loss(
                x.log_softmax(-1).transpose(0, 1), flat, torch.tensor(lengths), torch.tensor(sizes), blank,
                reduction, ignores,
            )  # fmt: skip

        for reduction in ("mean", "none"):
            cases.add(
                f"ctc_{name}_{reduction}", "ctc", lambda x, t: loss(x, t, reduction),
                [cases.normal(batch, steps, classes), flat],
                {"lengths": lengths, "sizes": sizes, "blank": blank, "ignoresInfinity": ignores,
                 "reduction": reduction},
            )  # fmt: skip
