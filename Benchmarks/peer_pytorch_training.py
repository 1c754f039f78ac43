"""PyTorch training a linear head on features in memory; AdamW plain or fused, whichever is faster here."""

import torch
from torch import nn

from peer_measuring import Measurement, Settings, Work, cores, measured

ROWS, FEATURES, LABELS, BATCH = 5_685, 1_280, 92, 64
NAME, VERSION, WORKS = "PyTorch", torch.__version__, [Work("head training", "f32", BATCH, "steps/s")]


def measure(_work: Work, settings: Settings) -> Measurement:
    torch.set_num_threads(cores())
    return max((training(fused, settings) for fused in (False, True)), key=lambda way: way.rate)


def training(fused: bool, settings: Settings) -> Measurement:
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

    return measured(step, 1, f"eager, AdamW {'fused' if fused else 'plain'}", settings)
