"""Features of the convolutional backbones with their real weights.

One file a backbone and image size, `NAME_HEIGHTxWIDTH.safetensors`. The input is not stored: both sides compute it
(see `waves`) as two images [2, H, W, 3], already preprocessed. The file holds

    pooled            [2, 1280]   mean over H and W of the last map
    logits            [1, 1000]   of the second image
    TAP/mean          [C]         of the second image: mean over H and W
    TAP/inner         [C]         of the second image: the pixel at (H / 3, 2 W / 3), rounded down
    TAP/corner        [C]         of the second image: the last pixel, where padding shows
    TAP/size          [2]         H and W of the map

where TAP is the checkpoint's name of the block: `features.0` … `features.18` for MobileNetV2; `stem`,
`_blocks.0` …, `head` for EfficientNet-Lite. The second size is odd on purpose: EfficientNet pads like
TensorFlow ('same', computed from the size of the map at hand, the odd pixel at the end), MobileNetV2 like PyTorch.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torchvision.models import mobilenet_v2

from .cases import nchw, nhwc
from .files import TESTS, WEIGHTS, versions, write_tensors

SIZES = ((224, 224), (193, 161))
INPUT = "input[i] = sin(0.013 i) + sin(0.00037 i), i = flat index in [2, H, W, 3], in float64, rounded to float32"


def waves(height: int, width: int) -> Tensor:
    index = torch.arange(2 * height * width * 3, dtype=torch.float64)
    values = torch.sin(0.013 * index) + torch.sin(0.00037 * index)
    return values.float().double().reshape(2, height, width, 3)


def write():
    paths = []
    for name, make in BACKBONES.items():
        network, taps, pooled, logits = make()
        metadata = {"input": INPUT, **versions("torch", "torchvision", "efficientnet_lite_pytorch")}
        for height, width in SIZES:
            with torch.no_grad():
                found = digests(network, taps, nchw(waves(height, width)))
                last = found.pop("last")
                found["pooled"] = pooled(last)
                found["logits"] = logits(found["pooled"][1:])
            path = TESTS / "PandoBackbonesTests" / "Golden" / f"{name}_{height}x{width}.safetensors"
            paths.append(write_tensors(path, found, metadata))
    return paths


def digests(network: Callable, taps: dict[str, nn.Module], images: Tensor) -> dict[str, Tensor]:
    """Runs the network and keeps a digest of every tap, and the last map as a whole under `last`."""
    found: dict[str, Tensor] = {}

    def keep(name: str):
        def hook(_module, _inputs, output):
            tap_map = nhwc(output)[1]
            height, width, _ = tap_map.shape
            found[f"{name}/mean"] = tap_map.mean((0, 1))
            found[f"{name}/inner"] = tap_map[height // 3, 2 * width // 3]
            found[f"{name}/corner"] = tap_map[-1, -1]
            found[f"{name}/size"] = torch.tensor([height, width])

        return hook

    hooks = [module.register_forward_hook(keep(name)) for name, module in taps.items()]
    found["last"] = network(images)
    for hook in hooks:
        hook.remove()
    return found


def torchvision_mobilenet():
    network = mobilenet_v2()
    network.load_state_dict(torch.load(WEIGHTS / "mobilenet_v2.pth", weights_only=True))
    network.eval().double()
    taps = {f"features.{i}": block for i, block in enumerate(network.features)}
    return network.features, taps, lambda last: last.mean((2, 3)), network.classifier


def efficientnet_lite(size: int):
    from efficientnet_lite_pytorch import EfficientNet

    # image_size None: padding computed from each map, as TensorFlow does, not fixed for 224 x 224.
    network = EfficientNet.from_name(f"efficientnet-lite{size}", image_size=None)
    network.load_state_dict(torch.load(WEIGHTS / f"efficientnet_lite{size}.pth", weights_only=True))
    network.eval().double()
    # A tap is what leaves a block: after the activation for stem and head, which are not modules of their own.
    stem, head = nn.Identity(), nn.Identity()
    taps = {"stem": stem, **{f"_blocks.{i}": block for i, block in enumerate(network._blocks)}, "head": head}

    def features(images: Tensor) -> Tensor:
        x = stem(network._swish(network._bn0(network._conv_stem(images))))
        for block in network._blocks:
            x = block(x)
        return head(network._swish(network._bn1(network._conv_head(x))))

    with torch.no_grad():
        check = torch.randn(1, 3, 224, 224).double()
        assert torch.equal(features(check), network.extract_features(check)), "the taps changed the network"
    return features, taps, lambda last: last.mean((2, 3)), network._fc


BACKBONES = {
    "mobilenet_v2": torchvision_mobilenet,
    "efficientnet_lite0": lambda: efficientnet_lite(0),
    "efficientnet_lite1": lambda: efficientnet_lite(1),
    "efficientnet_lite2": lambda: efficientnet_lite(2),
}
