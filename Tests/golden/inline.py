"""What networks compute with adapters inside them: PEFT's IA³, and forms that PEFT does not have, by hooks.

A file a case, `inline/NAME.safetensors`, which holds

    adapter/NAME   the adapter's parameters, under the names that we visit them by
    pooled         [2, C]     the mean over the tokens, or the class token

and whose metadata tells the network as in peft.py. `parameters` is the number of trainable ones that PEFT counts.
Base weights and adapters are computed as there.
"""

import json

import torch
from peft import IA3Config, get_peft_model
from torch import nn

from .backbones import waves
from .cases import nchw
from .files import TESTS, versions, write_tensors
from .networks import fill
from .parity import TYPES, texts
from .peft import bert, vit

FOLDER = TESTS / "PandoBranchesTests" / "Golden" / "inline"
WIDTH, SCALE, PROMPTS = 8, 0.5, 3


def write():
    cases = {
        "ia3": (bert, ia3), "bottleneck_serial": (bert, serial), "bottleneck_parallel": (bert, parallel),
        "prompt_shallow": (vit, lambda network: prompted(network, 1)),
        "prompt_deep": (vit, lambda network: prompted(network, 2)),
    }  # fmt: skip
    paths = []
    for name, (make, adapt) in cases.items():
        network, config = make()
        tensors = "\n".join(
            f"{key} {TYPES[tensor.dtype]} {','.join(map(str, tensor.shape))}"
            for key, tensor in network.state_dict().items()
        )
        fill(network)
        found, metadata = adapt(network.double().eval())
        metadata |= {
            "config.json": json.dumps(config), "tensors": tensors,
            "kind": "text" if make is bert else "picture",
            "input": json.dumps([2, 12, 100] if make is bert else [2, 32, 32, 3]),
            **versions("torch", "transformers", "peft"),
        }  # fmt: skip
        paths.append(write_tensors(FOLDER / f"{name}.safetensors", found, metadata))
    return paths


def wave(name: str, *shape: int, base: float = 0) -> torch.Tensor:
    index = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    values = torch.sin(0.37 * (index * index) + 0.1 * sum(name.encode())) * 0.2
    return (base + values).float().double().reshape(shape)


def mean_of_tokens(output) -> torch.Tensor:
    mask = texts(12, 100)[1].double().unsqueeze(2)
    return (output.last_hidden_state * mask).sum(1) / mask.sum(1)


def ia3(network):
    config = IA3Config(
        target_modules=r".*(self\.key|self\.value|layer\.\d+\.output\.dense)",
        feedforward_modules=r".*layer\.\d+\.output\.dense",
    )
    adapted = get_peft_model(network, config)
    found = {}
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if parameter.requires_grad:
                module = name.removeprefix("base_model.model.").split(".ia3_l")[0]
                ours = f"{module}.ia3_l" if module.endswith("output.dense") else f"{module}.scale"
                values = wave(ours, parameter.numel(), base=1)
                parameter.copy_(values.reshape(parameter.shape))
                found[f"adapter/{ours}"] = values
        found["pooled"] = mean_of_tokens(adapted.base_model(*texts(12, 100)))
    return found, {"parameters": adapted.get_nb_trainable_parameters()[0]}


def linear(found, name, features, out_features, bias=True) -> nn.Linear:
    layer = nn.Linear(features, out_features, bias=bias).double()
    with torch.no_grad():
        for kind, parameter in layer.named_parameters():
            parameter.copy_(wave(f"{name}.{kind}", *parameter.shape))
            found[f"adapter/{name}.{kind}"] = parameter.clone()
    return layer


def serial(network):
    """Houlsby et al. 2019, figure 2: behind the output projections of attention and perceptron, before they are added."""
    found = {}
    for index, layer in enumerate(network.encoder.layer):
        for place, module in (("attention.output.dense", layer.attention.output.dense), ("output.dense", layer.output.dense)):
            name = f"encoder.layer.{index}.{place}"
            down = linear(found, f"{name}.down", 32, WIDTH)
            up = linear(found, f"{name}.up", WIDTH, 32)
            module.register_forward_hook(
                lambda _m, _i, output, down=down, up=up: output + up(nn.functional.gelu(down(output)))
            )
    with torch.no_grad():
        found["pooled"] = mean_of_tokens(network(*texts(12, 100)))
    return found, {}


def parallel(network):
    """He et al. 2022, table 1: a narrow perceptron beside that of the block, here with the block's activation."""
    found = {}
    for index, layer in enumerate(network.encoder.layer):
        name = f"encoder.layer.{index}.output.dense"
        down = linear(found, f"{name}.down", 32, WIDTH)
        up = linear(found, f"{name}.up", WIDTH, 32, bias=False)
        seen = {}
        layer.intermediate.dense.register_forward_hook(
            lambda _m, inputs, _o, seen=seen: seen.__setitem__("input", inputs[0])
        )
        layer.output.dense.register_forward_hook(
            lambda _m, _i, output, seen=seen, down=down, up=up: output
            + SCALE * up(nn.functional.gelu(down(seen["input"])))
        )
    with torch.no_grad():
        found["pooled"] = mean_of_tokens(network(*texts(12, 100)))
    return found, {}


def prompted(network, depth):
    """Jia et al. 2022, equations 4 to 7: prompts behind the tokens; new ones at each of `depth` layers."""
    prompts = [wave(f"prompts.{index}", PROMPTS, 32) for index in range(depth)]
    found = {f"adapter/prompts.{index}": prompt for index, prompt in enumerate(prompts)}
    with torch.no_grad():
        x = network.vit.embeddings(nchw(waves(32, 32)))
        length = x.shape[1]
        for index, layer in enumerate(network.vit.layers):
            if index < depth:
                x = torch.cat([x[:, :length], prompts[index].expand(2, -1, -1)], 1)
            x = layer(x)
        found["pooled"] = network.vit.layernorm(x)[:, 0]
    return found, {}
