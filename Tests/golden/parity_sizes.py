"""How many parameters the published networks have: `parameter_counts.json`, by our names for them.

The networks are made without memory where their libraries can.
"""

import json

import timm
import torch
import torchvision

from .files import TESTS

TORCHVISION = (
    *(f"resnet{depth}" for depth in (18, 34, 50, 101, 152)), "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large",
    *(f"efficientnet_b{size}" for size in range(8)), *(f"convnext_{size}" for size in ("tiny", "small", "base", "large")),
    "regnet_x_400mf", "regnet_x_800mf", "regnet_x_1_6gf", "regnet_x_3_2gf", "regnet_x_8gf", "regnet_x_16gf",
    "regnet_y_400mf", "regnet_y_800mf", "regnet_y_1_6gf", "regnet_y_3_2gf", "regnet_y_8gf", "regnet_y_16gf", "swin_t",
    "swin_s", "swin_b",
)  # fmt: skip
TIMM = (
    "resnet26", *(f"mobilenetv2_{size}" for size in ("035", "050", "075", "100", "140", "110d", "120d")),
    *(f"mobilenetv3_{size}" for size in ("small_050", "small_075", "small_100", "large_075", "large_100")),
    *(f"tf_mobilenetv3_{size}" for size in ("small_075", "small_100", "large_075", "large_100")),
    *(f"efficientnet_lite{size}" for size in range(5)), *(f"tf_efficientnet_lite{size}" for size in range(5)),
    *(f"tf_efficientnet_b{size}" for size in range(8)),
    *(f"convnext_{size}" for size in ("atto", "femto", "pico", "nano", "tiny", "small", "base", "large", "xlarge")),
    *(f"convnextv2_{size}" for size in ("atto", "femto", "pico", "nano", "tiny", "small", "base", "large", "huge")),
    *(f"regnetx_{size}" for size in ("002", "004", "004_tv", "006", "008", "016", "032", "040", "064", "080", "120", "160", "320")),
    *(f"regnety_{size}" for size in (
        "002", "004", "006", "008", "008_tv", "016", "032", "040", "064", "080", "080_tv", "120", "160", "320", "640", "1280")),
    *(f"swin_{size}" for size in (
        "tiny_patch4_window7_224", "small_patch4_window7_224", "base_patch4_window7_224", "base_patch4_window12_384",
        "large_patch4_window7_224", "large_patch4_window12_384")),
)  # fmt: skip


def write():
    counts = {}
    for name in TORCHVISION + TIMM:
        make = getattr(torchvision.models, name) if name in TORCHVISION else lambda: timm.create_model(name)  # noqa: B023
        try:
            with torch.device("meta"):
                network = make()
        except (NotImplementedError, RuntimeError):  # sizes that are computed with tensors
            network = make()
        counts[name] = sum(parameter.numel() for parameter in network.parameters())
    path = TESTS / "PandoBackbonesTests" / "Golden" / "parameter_counts.json"
    path.write_text(json.dumps(counts, indent=0, sort_keys=True) + "\n")
    return [path]
