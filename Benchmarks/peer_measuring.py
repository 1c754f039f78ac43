"""What the peers share: the clock, the cores, the memory, and how the fastest of several ways is found."""

import ctypes
import gc
import math
import os
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

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
    # A line {text, section, split} each; None for made-up ones.
    texts: Path | None = None


@dataclass(frozen=True)
class Way:
    """One of the ways in which a peer can do a work, ready to run: each run does `count` units."""

    how: str
    count: int
    run: Callable[[], object]
    # Runs after which everything that it needs is there.
    warm_up: int = 1


def cores() -> int:
    """Cores that this process may really use: its affinity, and the control group's quota."""
    allowed = len(os.sched_getaffinity(0))
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except FileNotFoundError:
        return allowed
    return allowed if quota == "max" else max(1, min(allowed, math.ceil(int(quota) / int(period))))


def seconds_of(run: Callable[[], object], times: int = 1) -> float:
    begin = time.perf_counter()
    for _ in range(times):
        run()
    return (time.perf_counter() - begin) / times


class Contest:
    """One work: each way is tried, and the fastest goes on to be measured round by round."""

    def __init__(self, ways: Iterable[Callable[[], Way]], seconds: float):
        self.best: Way | None = None
        self.each = math.inf
        self.memory: tuple[int, str] | None = None
        for prepare in ways:
            meter = MemoryMeter()
            way = prepare()
            each = self.tried(way, seconds)
            peak = meter.peak()
            if self.memory is None or peak < self.memory[0]:
                self.memory = (peak, way.how)
            if each / way.count < self.each:
                self.best, self.each = way, each / way.count
            del way

    @staticmethod
    def tried(way: Way, seconds: float) -> float:
        """Seconds a run, warmed up. What takes long is not run more often than it must: its first run is as good."""
        first = min(seconds_of(way.run) for _ in range(way.warm_up))
        if first > 6 * seconds:
            return first
        runs = max(1, round(seconds / 2 / first))
        seconds_of(way.run, runs)
        return seconds_of(way.run, runs)

    def round(self, seconds: float) -> list[float]:
        """Units a second, each figure over long enough for the clock; at least one."""
        run, count = self.best.run, self.best.count
        each = self.each * count
        if each < seconds / 4:
            run()  # what others did meanwhile is forgotten
        repeats = 3 if 3 * each <= seconds else max(1, int(seconds / each))
        inner = max(1, round(seconds / repeats / each))
        return [count / seconds_of(run, inner) for _ in range(repeats)]


class MemoryMeter:
    """The peak of the anonymous memory resident from now on, above what is now: code that is read in does not count."""

    def __init__(self):
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        self.start = self.fields()["RssAnon"]

    def peak(self) -> int:
        fields = self.fields()
        return fields["VmHWM"] - fields["RssFile"] - fields["RssShmem"] - self.start

    @staticmethod
    def fields() -> dict[str, int]:
        rows = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
        return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if row[-1] == "kB"}


def spread(values: list[float]) -> float:
    """Half of the way from the slowest to the fastest over the median."""
    return (max(values) - min(values)) / 2 / statistics.median(values)
