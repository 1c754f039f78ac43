"""Taps, losses and gradients of ResNets and vision transformers with weights that both sides compute.

One file a network, `NAME.safetensors`. Neither input nor weights are stored. Element i of the parameter or buffer
NAME is

    wave(i) = sin(0.37 i² + 0.1 b), b = the sum of the bytes of NAME

times sqrt(2 / fan in) for tensors of two and more axes (fan in: elements of one output), else 0.1 times it, and 1
more where a norm's weight or variance stands (`weight` or `running_var` of one axis). Pictures are `waves` of
backbones.py, [4, S, S, 3]. The file holds

    pooled, logits       of the inference pass
    TAP/mean             [C]        of the second picture, mean over places or tokens
    loss                 cross entropy with the targets 3, 1, 4, 1, in training mode
    running/NAME         running statistics after that step, of at most 600 elements
    gradient/norms       [parameters]     norm of each parameter's gradient, in order
    gradient/NAME        of vectors and of whatever has at most 600 elements
"""

import math

import timm
import torch
import torchvision
from torch import nn

from .cases import nchw
from .files import TESTS, versions, write_tensors

NETWORKS = {
    "resnet18": (lambda: torchvision.models.resnet18(), 64),
    "resnet50": (lambda: torchvision.models.resnet50(), 64),
    "vit_tiny_patch16_224": (
        lambda: timm.create_model("vit_tiny_patch16_224", img_size=64, num_classes=1000), 64,
    ),
}  # fmt: skip


def fill(network: nn.Module) -> None:
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if not tensor.is_floating_point():
                continue
            index = torch.arange(tensor.numel(), dtype=torch.float64)
            values = torch.sin(0.37 * (index * index) + 0.1 * sum(name.encode()))
            if tensor.dim() >= 2:
                values = values * math.sqrt(2 / (tensor.numel() // tensor.shape[0]))
            else:
                values = values * 0.1
                if name.endswith(("weight", "running_var")):
                    values = values + 1
            tensor.copy_(values.float().reshape(tensor.shape))


def pictures(size: int) -> torch.Tensor:
    index = torch.arange(4 * size * size * 3, dtype=torch.float64)
    values = torch.sin(0.013 * index) + torch.sin(0.00037 * index)
    return values.float().double().reshape(4, size, size, 3)


def taps(network: nn.Module) -> dict[str, nn.Module]:
    if hasattr(network, "blocks"):
        return {f"blocks.{i}": block for i, block in enumerate(network.blocks)}
    return {
        f"layer{stage}.{i}": block
        for stage in range(1, 5)
        for i, block in enumerate(getattr(network, f"layer{stage}"))
    }


def write():
    paths = []
    for name, (make, size) in NETWORKS.items():
        network = make().double()
        fill(network)
        network.eval()
        found: dict[str, torch.Tensor] = {}

        def keep(tap: str):
            def hook(_module, _inputs, output):
                found[f"{tap}/mean"] = (output.mean((2, 3)) if output.dim() == 4 else output.mean(1))[1]

            return hook

        hooks = [module.register_forward_hook(keep(tap)) for tap, module in taps(network).items()]
        x = nchw(pictures(size))
        with torch.no_grad():
            found["logits"] = network(x)
            if hasattr(network, "blocks"):
                found["pooled"] = network.forward_features(x)[:, 0]
            else:
                pooling = network.avgpool.register_forward_hook(
                    lambda _m, _i, output: found.__setitem__("pooled", output.flatten(1))
                )
                network(x)
                pooling.remove()
        for hook in hooks:
            hook.remove()
        path = TESTS / "PandoBackbonesTests" / "Golden" / f"{name}.safetensors"
        if name != "resnet50":
            add_training_step(network, x, found)
        paths.append(write_tensors(path, found, versions("torch", "torchvision", "timm")))
    return paths


def add_training_step(network: nn.Module, x: torch.Tensor, found: dict[str, torch.Tensor]) -> None:
    network.train()
    loss = nn.functional.cross_entropy(network(x), torch.tensor([3, 1, 4, 1]))
    loss.backward()
    found["loss"] = loss
    for buffer, tensor in network.named_buffers():
        if not buffer.endswith("num_batches_tracked") and tensor.numel() <= 600:
            found[f"running/{buffer}"] = tensor
    norms = []
    for parameter, tensor in network.named_parameters():
        norms.append(tensor.grad.norm())
        if tensor.numel() <= 600:
            found[f"gradient/{parameter}"] = tensor.grad
    found["gradient/norms"] = torch.stack(norms)
