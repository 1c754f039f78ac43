"""PyTorch's steps of whole networks: forward with the batch's own statistics, cross entropy, backward, fused AdamW."""

from functools import partial

import torch
from torch import nn

from peer_measuring import PRECISIONS, Settings, Way, Work, cores
from peer_networks import SIDE, resnet, vision_transformer

BATCH, CLASSES = 32, 1000
NETWORKS = {
    "resnet18": partial(resnet, "resnet18", classes=True),
    "vit_small": partial(vision_transformer, "vit_small", classes=True),
}
NAME, VERSION = "PyTorch", torch.__version__
WORKS = [Work(f"training {name}", precision, BATCH, "steps/s") for name in NETWORKS for precision in PRECISIONS]


def ways(work: Work, _settings: Settings):
    layouts = ("channels last", "channels first") if "resnet" in work.name else ("",)
    return [partial(way, work, layout) for layout in layouts]


def way(work: Work, layout: str) -> Way:
    torch.set_num_threads(cores())
    torch.manual_seed(0)
    reduced = work.precision == "bf16"
    network = NETWORKS[work.name.split()[1]]().train()
    images = torch.randn(BATCH, 3, SIDE, SIDE)
    if layout == "channels last":
        network, images = (value.to(memory_format=torch.channels_last) for value in (network, images))
    classes = torch.randint(CLASSES, (BATCH,))
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3, fused=True)
    loss = nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
            error = loss(network(images), classes)
        error.backward()
        optimizer.step()

    return Way(", ".join(filter(None, ["autocast" if reduced else "eager", layout])), 1, step, warm_up=2)
