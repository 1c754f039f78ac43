"""PyTorch training a linear head on features in memory; AdamW plain or fused, whichever is faster here."""

import torch
from torch import nn

from peer_measuring import cores, row, seconds

ROWS, FEATURES, LABELS, BATCH = 5_685, 1_280, 92, 64


def rows(_images, _sample):
    torch.set_num_threads(cores())
    ways = {f"eager, AdamW {name}": step_seconds(fused) for name, fused in (("plain", False), ("fused", True))}
    how = min(ways, key=ways.get)
    yield row("head training", "f32", BATCH, "steps/s", "PyTorch", 1 / ways[how], torch.__version__, how)


def step_seconds(fused: bool) -> float:
    torch.manual_seed(0)
    features = torch.randn(ROWS, FEATURES)
    labels = (torch.rand(ROWS, LABELS) < 0.05).float()
    head = nn.Linear(FEATURES, LABELS)
    optimizer = torch.optim.AdamW(head.parameters(), 1e-3, fused=fused)
    loss = nn.BCEWithLogitsLoss()

    def step():
        chosen = torch.randint(ROWS, (BATCH,))
        optimizer.zero_grad()
        loss(head(features[chosen]), labels[chosen]).backward()
        optimizer.step()

    return seconds(step)
