"""Losses, optimizers and learning rates beyond those of `operations`; the same conventions.

Optimizer cases: input0 = the parameter before the first step, input1 = its gradients [10, …], output = the parameter
after each step [10, …]. Learning-rate cases: output = the rate at step 0, 1, ….
"""

import math

import torch
import torch.nn.functional as F
from torchvision import ops
from transformers.optimization import Adafactor

from .cases import Cases, write_cases
from .operations_training import trajectory


def write():
    cases = Cases(seed=31)
    classes(cases)
    distributions(cases)
    regression(cases)
    boxes(cases)
    regions(cases)
    margins(cases)
    optimizers(cases)
    schedules(cases)
    pairs(cases)
    return write_cases("training", cases)


def classes(cases: Cases) -> None:
    weights = torch.tensor([0.25, 1.0, 2.5, 0.75, 1.5]).double()
    for smoothing, weighted in ((0.0, False), (0.2, True)):
        cases.add(
            f"crossEntropy_ignored_{smoothing}", "crossEntropyIgnoring",
            lambda x, t, w=None: F.cross_entropy(x, t, w, ignore_index=-100, label_smoothing=smoothing),
            [cases.normal(7, 5, scale=2), torch.tensor([0, -100, 4, 2, -100, 2, 1])] + ([weights] if weighted else []),
            {"labelSmoothing": smoothing, "ignored": -100}, frozen=(2,),
        )  # fmt: skip
        shares = torch.softmax(cases.normal(6, 5, scale=2), 1)
        shares[0] = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0])
        cases.add(
            f"crossEntropy_shares_{smoothing}", "crossEntropyShares",
            lambda x, t, w=None: F.cross_entropy(x, t, w, label_smoothing=smoothing),
            [cases.normal(6, 5, scale=2), shares] + ([weights] if weighted else []),
            {"labelSmoothing": smoothing}, frozen=(1, 2),
        )  # fmt: skip
    cases.add(
        "crossEntropy_sequence", "crossEntropyIgnoring",
        lambda x, t: F.cross_entropy(x.reshape(-1, 4), t),
        [cases.normal(2, 3, 4, scale=40), cases.integers(4, 6)], {"labelSmoothing": 0.0, "ignored": -100},
    )  # fmt: skip
    soft = torch.rand((4, 3), generator=cases.generator).double()
    cases.add(
        "binaryCrossEntropy_soft", "binaryCrossEntropySoft",
        lambda x, t, w: F.binary_cross_entropy_with_logits(x, t, pos_weight=w),
        [cases.normal(4, 3, scale=8), soft, cases.positive(3)], frozen=(1, 2),
    )  # fmt: skip
    cases.add(
        "focal_soft", "focalSoft", lambda x, t: ops.sigmoid_focal_loss(x, t, alpha=0.7, gamma=3.0, reduction="mean"),
        [cases.normal(4, 3, scale=3), soft], {"alpha": 0.7, "gamma": 3.0}, frozen=(1,),
    )  # fmt: skip


def distributions(cases: Cases) -> None:
    shares = torch.softmax(cases.normal(4, 5, scale=2), 1)
    shares[1] = torch.tensor([0.0, 0.5, 0.0, 0.5, 0.0])
    cases.add(
        "klDivergence", "klDivergence",
        lambda x, t: F.kl_div(torch.log_softmax(x, 1), t, reduction="batchmean"), [cases.normal(4, 5), shares],
        frozen=(1,),
    )  # fmt: skip
    for temperature in (1.0, 4.0):
        cases.add(
            f"distillation_{temperature}", "distillation",
            lambda x, t: temperature**2
            * F.kl_div(
                torch.log_softmax(x / temperature, 1), torch.log_softmax(t / temperature, 1), reduction="batchmean",
                log_target=True,
            ),
            [cases.normal(4, 5, scale=3), cases.normal(4, 5, scale=3)], {"temperature": temperature}, frozen=(1,),
        )  # fmt: skip


def regression(cases: Cases) -> None:
    cases.add("meanAbsoluteError", "meanAbsoluteError", F.l1_loss, [cases.normal(4, 3), cases.normal(4, 3)])
    for delta in (0.5, 2.0):
        cases.add(
            f"huber_{delta}", "huber", lambda x, t: F.huber_loss(x, t, delta=delta),
            [cases.normal(5, 3, scale=2), cases.normal(5, 3)], {"delta": delta},
        )  # fmt: skip


def boxes(cases: Cases) -> None:
    """Overlapping boxes, boxes inside one another, and boxes apart."""
    first = torch.tensor([[0, 0, 4, 3], [1, 1, 9, 8], [0, 0, 2, 2], [5, 5, 6, 9], [-3, -2, 1, 0.5]]).double()
    second = torch.tensor([[1, 1, 5, 5], [2, 3, 4, 5], [6, 7, 9, 8.5], [4, 4, 7, 10], [-2, -3, 2, 1]]).double()

    def plain(a, b):
        return (1 - torch.diagonal(ops.box_iou(a, b))).mean()

    for name, function in (
        ("iou", plain),
        ("generalized", lambda a, b: ops.generalized_box_iou_loss(a, b, reduction="mean")),
        ("distance", lambda a, b: ops.distance_box_iou_loss(a, b, reduction="mean")),
        ("complete", lambda a, b: ops.complete_box_iou_loss(a, b, reduction="mean")),
    ):
        cases.add(f"boxes_{name}", "boxes", function, [first, second], {"overlap": name})


def regions(cases: Cases) -> None:
    def dice(x, t, smoothing):
        common, total = (x * t).sum((1, 2)), x.sum((1, 2)) + t.sum((1, 2))
        return 1 - ((2 * common + smoothing) / (total + smoothing)).mean()

    targets = cases.integers(2, 2, 4, 3, 2).double()
    targets[0, :, :, 0] = 0
    for smoothing in (1.0, 0.01):
        cases.add(
            f"dice_{smoothing}", "dice", lambda x, t: dice(torch.sigmoid(x), t, smoothing),
            [cases.normal(2, 4, 3, 2), targets], {"smoothing": smoothing}, frozen=(1,),
        )  # fmt: skip


def margins(cases: Cases) -> None:
    signs = torch.tensor([1.0, -1.0, 1.0, -1.0, -1.0]).double()
    for margin in (0.0, 0.3):
        cases.add(
            f"cosineEmbedding_{margin}", "cosineEmbedding",
            lambda a, b, t: F.cosine_embedding_loss(a, b, t, margin=margin),
            [cases.normal(5, 4), cases.normal(5, 4), signs], {"margin": margin}, frozen=(2,),
        )  # fmt: skip
        cases.add(
            f"marginRanking_{margin}", "marginRanking",
            lambda a, b, t: F.margin_ranking_loss(a, b, t, margin=margin),
            [cases.normal(5), cases.normal(5), signs], {"margin": margin}, frozen=(2,),
        )  # fmt: skip
    cases.add(
        "hinge", "hinge", lambda x, t: torch.clamp(1 - x * t, min=0).mean(),
        [cases.normal(5, scale=2), signs], frozen=(1,),
    )  # fmt: skip
    cases.add(
        "multiMargin", "multiMargin", lambda x, t: F.multi_margin_loss(x, t, margin=0.7),
        [cases.normal(5, 4), cases.integers(4, 5)], {"margin": 0.7},
    )  # fmt: skip
    for swaps in (False, True):
        cases.add(
            f"triplet_{swaps}", "triplet",
            lambda a, p, n: F.triplet_margin_loss(a, p, n, margin=0.8, swap=swaps),
            [cases.normal(6, 4), cases.normal(6, 4), cases.normal(6, 4)], {"margin": 0.8, "swapsDistances": swaps},
        )  # fmt: skip
    labels = torch.tensor([0, 1, 0, 2, 1, 0])

    def hardest(x):
        distances = torch.cdist(x, x)
        same = labels[:, None] == labels
        own = torch.eye(len(labels), dtype=torch.bool)
        losses = []
        for i in range(len(labels)):
            if not (same[i] & ~own[i]).any():
                continue
            p = distances[i].masked_fill(~same[i] | own[i], -math.inf).argmax()
            n = distances[i].masked_fill(same[i], math.inf).argmin()
            losses.append(F.triplet_margin_loss(x[i : i + 1], x[p : p + 1], x[n : n + 1], margin=0.5))
        return torch.stack(losses).mean()

    cases.add("hardestTriplet", "hardestTriplet", hardest, [cases.normal(6, 4)], {"margin": 0.5, "labels": labels.tolist()})


class LAMB(torch.optim.Optimizer):
    """Algorithm 2 of arXiv:1904.00962, with φ the identity."""

    def __init__(self, parameters, lr, betas, eps, weight_decay):
        super().__init__(parameters, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            (b1, b2), decay = group["betas"], group["weight_decay"]
            for p in group["params"]:
                state = self.state.setdefault(p, {"t": 0, "m": torch.zeros_like(p), "v": torch.zeros_like(p)})
                state["t"] += 1
                state["m"] = b1 * state["m"] + (1 - b1) * p.grad
                state["v"] = b2 * state["v"] + (1 - b2) * p.grad**2
                m, v = state["m"] / (1 - b1 ** state["t"]), state["v"] / (1 - b2 ** state["t"])
                r = m / (v.sqrt() + group["eps"]) + decay * p
                p -= group["lr"] * p.norm() / r.norm() * r


def optimizers(cases: Cases) -> None:
    for name, a in (
        ("plain", {"learningRate": 0.02, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-6, "weightDecay": 0.0}),
        ("decayed", {"learningRate": 0.05, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-6, "weightDecay": 0.1}),
    ):
        trajectory(
            cases, f"lamb_{name}", "lamb", a,
            lambda p: LAMB([p], a["learningRate"], (a["beta1"], a["beta2"]), a["epsilon"], a["weightDecay"]),
        )  # fmt: skip
    for name, shape, a in (
        ("scaled", (4, 3), {"learningRate": 0.05, "clipThreshold": 1.0, "weightDecay": 0.0, "scales": True}),
        ("vector", (5,), {"learningRate": 0.05, "clipThreshold": 1.0, "weightDecay": 0.0, "scales": True}),
        ("stack", (2, 3, 2), {"learningRate": 0.02, "clipThreshold": 0.5, "weightDecay": 0.1, "scales": False}),
    ):
        trajectory(
            cases, f"adafactor_{name}", "adafactor", a,
            lambda p: Adafactor(
                [p], lr=a["learningRate"], clip_threshold=a["clipThreshold"], weight_decay=a["weightDecay"],
                scale_parameter=a["scales"], relative_step=False, warmup_init=False,
            ),
            shape,
        )  # fmt: skip


def schedules(cases: Cases) -> None:
    from torch.optim import lr_scheduler as s

    for name, make, a in (
        ("polynomial", lambda o: s.PolynomialLR(o, 9, power=2.0), {"steps": 9, "power": 2.0}),
        ("linear", lambda o: s.PolynomialLR(o, 9, power=1.0), {"steps": 9, "power": 1.0}),
        ("step", lambda o: s.StepLR(o, 3, gamma=0.5), {"interval": 3, "factor": 0.5}),
        ("multiStep", lambda o: s.MultiStepLR(o, [2, 5, 6], gamma=0.3), {"milestones": [2, 5, 6], "factor": 0.3}),
        ("exponential", lambda o: s.ExponentialLR(o, gamma=0.8), {"factor": 0.8}),
        ("oneCycle", lambda o: s.OneCycleLR(o, 0.4, total_steps=12, cycle_momentum=False), {"steps": 12}),
        ("oneCycle_early", lambda o: s.OneCycleLR(o, 0.4, total_steps=12, pct_start=0.2, div_factor=10.0, final_div_factor=50.0, cycle_momentum=False), {"steps": 12, "rise": 0.2, "start": 10.0, "end": 50.0}),
        ("restarts", lambda o: s.CosineAnnealingWarmRestarts(o, 2, T_mult=2, eta_min=0.04), {"period": 2, "growth": 2, "floor": 0.1}),
        ("restarts_even", lambda o: s.CosineAnnealingWarmRestarts(o, 4), {"period": 4, "growth": 1, "floor": 0.0}),
        ("constant", lambda o: s.LinearLR(o, 1 / 4, 1, 3), {"warmUpSteps": 4}),
    ):  # fmt: skip
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 0.4)
        scheduler, rates = make(optimizer), []
        for step in range(12):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if step < 11:
                scheduler.step()
        cases.add_value(f"schedule_{name}", f"schedule {name.split('_')[0]}", [], torch.tensor(rates).double(), {"peak": 0.4, **a})


def pairs(cases: Cases) -> None:
    """Both directions' hinges, row by row and column by column."""

    def paired(left, right, hardest):
        similarities = left @ right.T
        total = 0
        for i in range(len(left)):
            others = [j for j in range(len(left)) if j != i]
            for hinges in (
                torch.stack([(0.2 - similarities[i, i] + similarities[i, j]).clamp(min=0) for j in others]),
                torch.stack([(0.2 - similarities[i, i] + similarities[j, i]).clamp(min=0) for j in others]),
            ):
                total = total + (hinges.max() if hardest else hinges.sum())
        return total / len(left)

    for hardest in (False, True):
        cases.add(
            f"pairedTriplet_{hardest}", "pairedTriplet", lambda a, b, hardest=hardest: paired(a, b, hardest),
            [cases.normal(5, 4, scale=0.4), cases.normal(5, 4, scale=0.4)], {"hardestOnly": hardest},
        )  # fmt: skip
