"""What the peers share: the clock, the cores, the networks."""

import math
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

WEIGHTS = Path(__file__).parents[1] / ".prefix" / "weights"
BATCHES = (1, 32)


def cores() -> int:
    """Cores that this process may really use: its affinity, and the control group's quota."""
    allowed = len(os.sched_getaffinity(0))
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except FileNotFoundError:
        return allowed
    return allowed if quota == "max" else max(1, min(allowed, math.ceil(int(quota) / int(period))))


def seconds(run: Callable[[], object], warm_up: float = 0.7, total: float = 3.0, repeats: int = 5) -> float:
    """The median time of one run, each measurement long enough for the clock; three will do where runs are slow."""
    begin, count = time.perf_counter(), 0
    while count < 1 or time.perf_counter() - begin < warm_up:
        run()
        count += 1
    each = (time.perf_counter() - begin) / count
    inner = max(1, round(total / repeats / each))
    times: list[float] = []
    while len(times) < repeats and not (len(times) >= 3 and sum(times) * inner > total):
        begin = time.perf_counter()
        for _ in range(inner):
            run()
        times.append((time.perf_counter() - begin) / inner)
    return statistics.median(times)


def row(work: str, precision: str, batch: int, unit: str, peer: str, rate: float, version: str, how: str) -> dict:
    return {"work": work, "precision": precision, "batch": batch, "unit": unit, "peer": peer,
            "theirs": round(rate, 2), "version": version, "how": how}  # fmt: skip


class Pooled(nn.Module):
    """A network's features, averaged over height and width."""

    def __init__(self, features: nn.Module):
        super().__init__()
        self.features = features

    def forward(self, images):
        return self.features(images).mean((2, 3))


def mobilenet_v2() -> nn.Module:
    from torchvision.models import mobilenet_v2

    network = mobilenet_v2()
    network.load_state_dict(torch.load(WEIGHTS / "mobilenet_v2.pth", weights_only=True))
    return Pooled(network.features).eval()


def efficientnet_lite0() -> nn.Module:
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(WEIGHTS / "efficientnet_lite0.pth", weights_only=True))
    network.forward = network.extract_features
    return Pooled(network).eval()


NETWORKS = {"mobilenet_v2": mobilenet_v2, "efficientnet_lite0": efficientnet_lite0}
