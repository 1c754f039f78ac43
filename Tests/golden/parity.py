"""Features of small networks as their own libraries build, name and run them.

One file a network, `parity/NAME.safetensors`. A case (`parity_*.py` beside this file) says how the library makes the
network and what its `config.json` is. Weights are not stored: element i of the tensor NAME, as the library calls it,
is what `fill` of networks.py computes; whole numbers are 0. Inputs are not stored either:

    pictures    [2, H, W, 3]    `waves` of backbones.py
    texts       [2, T]          ids (7 i² + 13 i + 3) modulo the vocabulary's size, i = flat index; of the second text
                                the last third is padding

The file holds, computed in float64,

    pooled, logits   [2, …]    logits where the network has any
    resized/SIDE     [2, C]    pooled vectors of pictures of another size, where one was made for one size
    TAP/mean         [C]       of the second example, mean over places or tokens that are no padding; of the first 32
                               or 128 channels; TAP is our name

and, as metadata,

    config.json      what lies beside the weights
    kind             picture or text
    input            the input's sizes: [2, H, W, 3], or [2, T, vocabulary]
    tensors          the library's tensors, one a line: name, type, sizes
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .backbones import waves
from .cases import nchw
from .files import TESTS, versions, write_tensors
from .networks import fill

FOLDER = TESTS / "PandoBackbonesTests" / "Golden" / "parity"
TYPES = {torch.float32: "F32", torch.int64: "I64", torch.bool: "BOOL"}


@dataclass
class Case:
    """A network of one library, at sizes small enough to keep."""

    name: str
    make: Callable[[], nn.Module]
    config: dict
    """What lies beside the weights as `config.json`: the library's own, or, where it writes none, ours."""
    taps: Callable[[nn.Module], dict[str, nn.Module]]
    """The modules whose outputs are taps, by our names."""
    pooled: Callable[[object, dict[str, Tensor]], Tensor]
    """The pooled vector, of the network's output and the taps."""
    logits: Callable[[object], Tensor] | None = None
    picture: tuple[int, int] = (64, 64)
    channels_last: bool = False
    """Whether maps are [N, H, W, C] in the library."""
    text: tuple[int, int] | None = None
    """Instead of a picture: length and size of the vocabulary."""
    call: Callable[..., object] = lambda network, *inputs: network(*inputs)
    """Runs the network on pictures [N, 3, H, W], or on ids and an attention mask."""
    resized: tuple[int, Callable[..., object]] | None = None
    """The side of larger or smaller pictures, and what runs the network on them."""
    channels: int = 128
    """How many channels of each tap are kept."""


def texts(length: int, vocabulary: int) -> tuple[Tensor, Tensor]:
    index = torch.arange(2 * length)
    mask = torch.ones(2, length, dtype=torch.int64)
    mask[1, length - length // 3 :] = 0
    return ((7 * index * index + 13 * index + 3) % vocabulary).reshape(2, length), mask


def write():
    from . import parity_convolutional, parity_texts, parity_vision_transformers

    paths = []
    for case in [*parity_convolutional.CASES, *parity_vision_transformers.CASES, *parity_texts.CASES]:
        paths.append(write_tensors(FOLDER / f"{case.name}.safetensors", *run(case)))
    return paths


def run(case: Case) -> tuple[dict[str, Tensor], dict[str, str]]:
    network = case.make()
    tensors = "\n".join(
        f"{name} {TYPES[tensor.dtype]} {','.join(map(str, tensor.shape))}"
        for name, tensor in network.state_dict().items()
    )
    network = network.double().eval()
    fill(network)
    if case.text:
        inputs = texts(*case.text)
        tokens = int(inputs[1][1].sum())
        shape = [2, *case.text]
    else:
        inputs = (nchw(waves(*case.picture)),)
        tokens = None
        shape = [2, *case.picture, 3]
    seen: dict[str, Tensor] = {}

    def keep(name: str):
        def hook(_module, _inputs, output):
            seen[name] = output[0] if isinstance(output, tuple) else output

        return hook

    hooks = [module.register_forward_hook(keep(name)) for name, module in case.taps(network).items()]
    with torch.no_grad():
        output = case.call(network, *inputs)
        found = {"pooled": case.pooled(output, seen)}
        if case.logits:
            found["logits"] = case.logits(output)
        for name, value in seen.items():
            example = value[1]
            if example.dim() == 3 and not case.channels_last:
                example = example.permute(1, 2, 0)
            if tokens is not None:
                example = example[:tokens]
            found[f"{name}/mean"] = example.mean(tuple(range(example.dim() - 1)))[: case.channels]
    for hook in hooks:
        hook.remove()
    if case.resized:
        side, call = case.resized
        with torch.no_grad():
            found[f"resized/{side}"] = case.pooled(call(network, nchw(waves(side, side))), {})
    metadata = {
        "config.json": json.dumps(case.config),
        "kind": "text" if case.text else "picture",
        "input": json.dumps(shape),
        "tensors": tensors,
        **versions("torch", "torchvision", "timm", "transformers"),
    }
    return found, metadata


def hugging_face(configuration) -> dict:
    """What `save_pretrained` writes of the configuration, but for labels and what is at its default in every model."""
    left_out = {"id2label", "label2id", "transformers_version", "_name_or_path", "architectures", "dtype"}
    return {key: value for key, value in configuration.to_dict().items() if key not in left_out}


def timm_config(architecture: str, **arguments) -> dict:
    """What timm writes beside weights on the hub, as far as it tells the network."""
    config = {"architecture": architecture, "num_classes": arguments.get("num_classes", 1000)}
    return config | ({"model_args": arguments} if arguments else {})


def ours(family: str, name: str, **configuration) -> dict:
    """Our own `config.json`, for libraries that write none, or none for sizes of one's own."""
    return {"model_type": family, "name": name, "configuration": configuration}
