"""The networks that peers run, from pictures or token numbers to one vector each."""

import functools
from pathlib import Path

import torch
from torch import nn

from peer_measuring import PRECISIONS, Work

WEIGHTS = Path(__file__).parents[1] / ".prefix" / "weights"
SIDE, TOKENS, VOCABULARY = 224, 128, 30_522


class Pooled(nn.Module):
    """A network's features, averaged over height and width."""

    def __init__(self, features: nn.Module):
        super().__init__()
        self.features = features

    def forward(self, images):
        return self.features(images).mean((2, 3))


class Sentences(nn.Module):
    """The last states of a text encoder, averaged over the tokens."""

    def __init__(self, encoder: nn.Module):
        super().__init__()
        self.encoder = encoder

    def forward(self, ids):
        return self.encoder(input_ids=ids).last_hidden_state.mean(1)


def mobilenet_v2() -> nn.Module:
    from torchvision.models import mobilenet_v2

    network = mobilenet_v2()
    network.load_state_dict(torch.load(WEIGHTS / "mobilenet_v2.pth", weights_only=True))
    return Pooled(network.features)


def efficientnet_lite0() -> nn.Module:
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(WEIGHTS / "efficientnet_lite0.pth", weights_only=True))
    network.forward = network.extract_features
    return Pooled(network)


def resnet(name: str, classes: bool = False) -> nn.Module:
    import torchvision.models

    network = getattr(torchvision.models, name)()
    if not classes:
        network.fc = nn.Identity()
    return network


def vision_transformer(name: str, classes: bool = False) -> nn.Module:
    import timm

    return timm.create_model(f"{name}_patch16_224", **({} if classes else {"num_classes": 0}))


def all_minilm_l6_v2() -> nn.Module:
    from transformers import BertModel

    return Sentences(BertModel.from_pretrained(WEIGHTS / "all-MiniLM-L6-v2", local_files_only=True))


NETWORKS = {
    "mobilenet_v2": mobilenet_v2,
    "efficientnet_lite0": efficientnet_lite0,
    "resnet50": functools.partial(resnet, "resnet50"),
    "vit_small": functools.partial(vision_transformer, "vit_small"),
    "vit_base": functools.partial(vision_transformer, "vit_base"),
    "all-MiniLM-L6-v2": all_minilm_l6_v2,
}
TRANSFORMERS = ("vit_small", "vit_base", "all-MiniLM-L6-v2")
FORWARD = [
    Work(f"forward {name}", precision, batch, "texts/s" if name == "all-MiniLM-L6-v2" else "images/s")
    for name in NETWORKS
    for batch in ((1, 8, 32) if name in TRANSFORMERS else (1, 32))
    for precision in PRECISIONS
]


def name_of(work: Work) -> str:
    return work.name.split()[1]


@functools.lru_cache(maxsize=1)
def network_named(name: str) -> nn.Module:
    torch.manual_seed(0)
    return NETWORKS[name]().eval().requires_grad_(False)


def is_convolutional(name: str) -> bool:
    return name not in TRANSFORMERS


def inputs(name: str, count: int) -> torch.Tensor:
    if name == "all-MiniLM-L6-v2":
        return torch.randint(1000, VOCABULARY, (count, TOKENS))
    return torch.randn(count, 3, SIDE, SIDE)
