"""PyTorch's steps of small networks on features in memory: on one thread or all, AdamW plain or fused."""

from functools import partial

import torch
from torch import nn

from peer_measuring import Settings, Way, Work, cores

ROWS, FEATURES, LABELS, BATCH = 5_685, 1_280, 92, 64
WIDTH, CLASSES = 256, 10
NAME, VERSION = "PyTorch", torch.__version__
WORKS = [Work("head training", "f32", BATCH, "steps/s"), Work("training mlp", "f32", BATCH, "steps/s")]


def ways(work: Work, _settings: Settings):
    way = head if work.name == "head training" else perceptron
    return [partial(way, threads, fused) for threads in sorted({1, cores()}) for fused in (False, True)]


def described(threads: int, fused: bool) -> str:
    return f"{threads} {'thread' if threads == 1 else 'threads'}, AdamW {'fused' if fused else 'plain'}"


def head(threads: int, fused: bool) -> Way:
    """A linear head: the batch taken from features in memory, binary cross entropy."""
    torch.manual_seed(0)
    features = torch.randn(ROWS, FEATURES)
    labels = (torch.rand(ROWS, LABELS) < 0.05).float()
    network = nn.Linear(FEATURES, LABELS)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3, fused=fused)
    loss = nn.BCEWithLogitsLoss()

    def step():
        torch.set_num_threads(threads)
        chosen = torch.randint(ROWS, (BATCH,))
        optimizer.zero_grad()
        loss(network(features[chosen]), labels[chosen]).backward()
        optimizer.step()

    return Way(described(threads, fused), 1, step)


def perceptron(threads: int, fused: bool) -> Way:
    """Three layers on one batch, cross entropy."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, CLASSES)
    )
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3, fused=fused)
    loss = nn.CrossEntropyLoss()
    examples, classes = torch.randn(BATCH, WIDTH), torch.randint(CLASSES, (BATCH,))

    def step():
        torch.set_num_threads(threads)
        optimizer.zero_grad()
        loss(network(examples), classes).backward()
        optimizer.step()

    return Way(described(threads, fused), 1, step)
