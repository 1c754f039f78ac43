"""Losses. Inputs are the logits first, then the targets, then weights; only logits (and embeddings) get gradients."""

import torch
import torch.nn.functional as F
from torchvision.ops import sigmoid_focal_loss

from .cases import Cases


def add(cases: Cases) -> None:
    cross_entropy(cases)
    binary(cases)
    regression(cases)
    contrastive(cases)


def cross_entropy(cases: Cases) -> None:
    weights = torch.tensor([0.25, 1.0, 2.5, 0.75]).double()
    for weighted in (False, True):
        for smoothing in (0.0, 0.1):
            for reduction in ("mean", "none"):
                logits, targets = cases.normal(6, 4, scale=2), cases.integers(4, 6)
                name = f"crossEntropy{'_weighted' if weighted else ''}{'_smoothed' if smoothing else ''}_{reduction}"
                cases.add(
                    name, "crossEntropy",
                    lambda x, t, w=None: F.cross_entropy(x, t, w, label_smoothing=smoothing, reduction=reduction),
                    [logits, targets] + ([weights] if weighted else []),
                    {"classWeights": weighted, "labelSmoothing": smoothing, "reduction": reduction}, frozen=(2,),
                )  # fmt: skip
    far = torch.tensor([[100.0, -100.0, 0.0], [-300.0, 300.0, 299.0]]).double()
    cases.add(
        "crossEntropy_far", "crossEntropy", F.cross_entropy, [far, torch.tensor([1, 2])],
        {"classWeights": False, "labelSmoothing": 0.0, "reduction": "mean"},
    )  # fmt: skip


def binary(cases: Cases) -> None:
    for name, weighted, reduction in (("mean", False, "mean"), ("none", False, "none"), ("weighted", True, "mean")):
        targets = cases.integers(2, 5, 3).double()
        cases.add(
            f"binaryCrossEntropy_{name}", "binaryCrossEntropy",
            lambda x, t, w=None: F.binary_cross_entropy_with_logits(x, t, pos_weight=w, reduction=reduction),
            [cases.normal(5, 3, scale=3), targets] + ([cases.positive(3)] if weighted else []),
            {"positiveWeights": weighted, "reduction": reduction}, frozen=(1, 2),
        )  # fmt: skip
    far = torch.tensor([[-100.0, 100.0], [60.0, -60.0]]).double()
    cases.add(
        "binaryCrossEntropy_far", "binaryCrossEntropy", F.binary_cross_entropy_with_logits,
        [far, torch.tensor([[1.0, 1.0], [0.0, 0.0]]).double()],
        {"positiveWeights": False, "reduction": "mean"}, frozen=(1,),
    )  # fmt: skip
    for name, alpha, gamma, reduction in (("default", 0.25, 2.0, "mean"), ("none", 0.6, 1.5, "none"), ("plain", -1, 0.0, "mean")):
        cases.add(
            f"focal_{name}", "focal",
            lambda x, t: sigmoid_focal_loss(x, t, alpha=alpha, gamma=gamma, reduction=reduction),
            [cases.normal(4, 3, scale=2), cases.integers(2, 4, 3).double()],
            {"alpha": None if alpha < 0 else alpha, "gamma": gamma, "reduction": reduction}, frozen=(1,),
        )  # fmt: skip


def regression(cases: Cases) -> None:
    for beta in (1.0, 0.5):
        for reduction in ("mean", "none"):
            cases.add(
                f"smoothL1_{beta}_{reduction}", "smoothL1",
                lambda x, t: F.smooth_l1_loss(x, t, beta=beta, reduction=reduction),
                [cases.normal(5, 2, scale=1.5), cases.normal(5, 2)], {"beta": beta, "reduction": reduction}, frozen=(1,),
            )  # fmt: skip
    cases.add("meanSquaredError", "meanSquaredError", F.mse_loss, [cases.normal(4, 3), cases.normal(4, 3)], frozen=(1,))


def contrastive(cases: Cases) -> None:
    """Symmetric InfoNCE: row i of one side belongs to row i of the other."""

    def symmetric(a, b, temperature, normalized):
        if normalized:
            a, b = F.normalize(a, dim=-1), F.normalize(b, dim=-1)
        logits = a @ b.T / temperature
        own = torch.arange(len(a))
        return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2

    for name, count, temperature, normalized in (
        ("normalized", 5, 0.07, True),
        ("raw", 4, 1.0, False),
        ("pair", 1, 0.5, True),
    ):
        cases.add(
            f"infoNCE_{name}", "infoNCE", lambda a, b: symmetric(a, b, temperature, normalized),
            [cases.normal(count, 6), cases.normal(count, 6)],
            {"temperature": temperature, "normalizes": normalized},
        )  # fmt: skip
