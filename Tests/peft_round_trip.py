#!/usr/bin/env python3
"""Takes LoRA adapters from Hugging Face PEFT to Pando and back, with the packages themselves.

Needs PyTorch, transformers, peft and timm, so it is no part of the tests, which hold the same against stored files. Run from
the root of the package after `./run bench` has made `.bench` and `swift build -c release` the program:

    .bench/bin/python Tests/peft_round_trip.py

For each network: a base is saved by transformers, an adapter with random factors by PEFT. Then

    to Pando    `pando import BASE --adapter ADAPTER` gives the weights of PEFT's merge_and_unload, and
    to PEFT     `pando adapter convert` and `pando adapter new` write folders that PeftModel.from_pretrained takes, with
                the outputs of the adapter before, and of the base.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file

PANDO = Path(__file__).parents[1] / ".build" / "release" / "pando"
SIZES = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)


def bert():
    return transformers.BertModel(transformers.BertConfig(vocab_size=100, max_position_embeddings=32, **SIZES))


def vit():
    return transformers.ViTModel(transformers.ViTConfig(image_size=32, patch_size=8, **SIZES), add_pooling_layer=False)


def clip():
    return transformers.CLIPVisionModel(
        transformers.CLIPVisionConfig(image_size=32, patch_size=8, **SIZES)
    )


# A name, the network, whose names its modules have, and PEFT's LoraConfig.
CASES = [
    ("bert", bert, "transformers", dict(r=4, target_modules=["query", "value"])),
    ("bert, DoRA, rsLoRA", bert, "transformers", dict(r=4, target_modules=["query", "dense"], use_dora=True, use_rslora=True)),
    ("vit", vit, "transformers 5", dict(
        r=4, lora_alpha=3, target_modules=["q_proj", "v_proj"], rank_pattern={"layers.1.attention.q_proj": 2}
    )),
    ("vit, DoRA", vit, "transformers 5", dict(r=4, target_modules=["q_proj", "k_proj", "v_proj"], use_dora=True)),
    ("clip", clip, "transformers (CLIP)", dict(r=4, target_modules=["q_proj", "v_proj", "fc1"], bias="lora_only")),
]  # fmt: skip


def pando(*arguments) -> None:
    subprocess.run([PANDO, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def run(network: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return network.eval()(inputs).last_hidden_state


def rows(tensors: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """The rows of all matrices and the elements of all vectors, in an order that names and fusing do not change."""
    found = [
        row
        for tensor in map(torch.squeeze, tensors.values())
        if tensor.is_floating_point()
        for row in tensor.reshape(-1, tensor.shape[-1] if tensor.dim() > 1 else 1)
    ]
    return sorted(found, key=lambda row: (len(row), float(row.double().sum())))


def check(make, names: str, lora: dict) -> float:
    torch.manual_seed(0)
    base = make()
    inputs = torch.arange(24).reshape(2, 12) if make is bert else torch.linspace(-1, 1, 2 * 3 * 32 * 32).reshape(2, 3, 32, 32)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        base.save_pretrained(folder / "base")
        adapted = get_peft_model(base, LoraConfig(**lora))
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                torch.nn.init.normal_(parameter, 0.5 if parameter.dim() == 1 else 0, 0.1)
        adapted.save_pretrained(folder / "adapter")
        expected = run(adapted, inputs)

        pando(
            "adapter", "convert", folder / "adapter", "--backbone", folder / "base", "--names", names,
            "-o", folder / "converted",
        )  # fmt: skip
        again = type(base).from_pretrained(folder / "base")
        again = PeftModel.from_pretrained(again, folder / "converted")
        worst = float((run(again, inputs) - expected).abs().max())

        pando("adapter", "new", "--backbone", folder / "base", "--names", names, "--rank", 2, "-o", folder / "fresh")
        plain = type(base).from_pretrained(folder / "base")
        before = run(plain, inputs)
        fresh = PeftModel.from_pretrained(plain, folder / "fresh")
        worst = max(worst, float((run(fresh, inputs) - before).abs().max()))

        pando("import", folder / "base", "--adapter", folder / "adapter", "-o", folder / "merged")
        ours = rows(load_file(folder / "merged" / "model.safetensors"))
        theirs = rows(adapted.merge_and_unload().state_dict())
        for one, other in zip(ours, theirs, strict=True):
            worst = max(worst, float((one - other).abs().max()))
    return worst


def main() -> None:
    failed = False
    for name, make, names, lora in CASES:
        worst = check(make, names, lora)
        failed |= worst > 1e-4
        print(f"{name:24} largest difference {worst:.1e}{'  TOO LARGE' if worst > 1e-4 else ''}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
