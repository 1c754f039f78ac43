"""Adapters as PEFT writes them, and what the adapted networks compute.

A folder a case, `peft/NAME/`: `adapter_config.json` and `adapter_model.safetensors` as PEFT wrote them, and
`golden.safetensors` with

    pooled, logits   [2, …]    of the adapted network; logits where it has any of its own
    TAP/mean         [C]       of the second example, after the last block

whose metadata tells the adapted network as in parity.py: `config.json`, `kind`, `input`, `tensors`. The base weights are
what `fill` of networks.py computes for their names; so are the adapters', so that none is zero.
"""

import json
import re
import shutil
from dataclasses import dataclass, field

import timm
import torch
import torchvision
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from .backbones import waves
from .cases import nchw
from .files import TESTS, versions, write_tensors
from .networks import fill
from .parity import TYPES, hugging_face, ours, texts, timm_config

FOLDER = TESTS / "PandoBranchesTests" / "Golden" / "peft"

VIT = transformers.ViTConfig(
    hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=32, patch_size=8,
    num_labels=5,
)
CLIP = transformers.CLIPVisionConfig(
    hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=32, patch_size=8,
    projection_dim=16,
)
BERT = transformers.BertConfig(
    vocab_size=100, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
    max_position_embeddings=32,
)


def vit():
    return transformers.ViTForImageClassification(VIT), hugging_face(VIT)


def clip():
    return transformers.CLIPVisionModelWithProjection(CLIP), hugging_face(CLIP)


def bert():
    return transformers.BertModel(BERT), hugging_face(BERT)


def timm_vit():
    arguments = {"img_size": 32, "num_classes": 5}
    network = timm.create_model("vit_tiny_patch16_224", **arguments)
    return network, timm_config("vit_tiny_patch16_224", **arguments)


def resnet():
    network = torchvision.models.resnet._resnet(
        torchvision.models.resnet.BasicBlock, [1, 1, 1, 1], None, False, num_classes=5
    )
    return network, ours(
        "resnet", "resnet10", stemChannels=64, widths=[64, 128, 256, 512], blocks=[1, 1, 1, 1], isBottleneck=False,
        stridesFirstStage=False, stridesFirstConvolution=False, activation="relu", classCount=5,
    )  # fmt: skip


@dataclass
class Case:
    make: callable
    lora: dict
    tap: tuple[str, str]
    """Our name of the last block, and the library's."""
    pooled: callable
    logits: callable = None
    text: bool = False
    renamed: list[tuple[str, str]] = field(default_factory=list)
    """Rules that turn the names in PEFT's files into older ones."""


def first_token(output, last):
    return output.pooler_output if getattr(output, "pooler_output", None) is not None else last[:, 0]


VIT_TAP = ("blocks.1", "vit.layers.1")
# What transformers 4 called the same modules.
OLDER_VIT = [
    (r"\blayers\.(\d+)\.", r"encoder.layer.\1."),
    (r"attention\.q_proj", "attention.attention.query"),
    (r"attention\.k_proj", "attention.attention.key"),
    (r"attention\.v_proj", "attention.attention.value"),
    (r"attention\.o_proj", "attention.output.dense"),
    (r"mlp\.fc1", "intermediate.dense"),
    (r"mlp\.fc2", "output.dense"),
    (r'"q_proj"', '"query"'),
    (r'"k_proj"', '"key"'),
    (r'"v_proj"', '"value"'),
]

CASES = {
    "vit": Case(
        vit, dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], modules_to_save=["classifier"]), VIT_TAP,
        None, lambda output: output.logits,
    ),
    "vit_older_names": Case(
        vit, dict(r=2, lora_alpha=8, target_modules=["q_proj", "k_proj"]), VIT_TAP, None,
        lambda output: output.logits, renamed=OLDER_VIT,
    ),
    "vit_dora": Case(
        vit,
        dict(
            r=4, lora_alpha=6, use_dora=True, use_rslora=True, target_modules=r".*\.(q_proj|v_proj|fc1)",
            rank_pattern={r"layers\.1\..*q_proj": 2}, alpha_pattern={"fc1": 3}, bias="lora_only",
            layers_to_transform=None,
        ),
        VIT_TAP, None, lambda output: output.logits,
    ),
    "vit_timm": Case(
        timm_vit, dict(r=2, lora_alpha=3, target_modules=["qkv", "fc2"], layers_to_transform=[0, 11], layers_pattern="blocks",
                       exclude_modules=["blocks.0.mlp.fc2"]),
        ("blocks.11", "blocks.11"), lambda output, last: None, lambda output: output,
    ),
    "clip": Case(
        clip, dict(r=4, lora_alpha=4, target_modules=["q_proj", "v_proj", "out_proj"], layers_to_transform=[1],
                   layers_pattern="layers"),
        ("blocks.1", "vision_model.encoder.layers.1"), lambda output, last: None,
    ),
    "bert": Case(
        bert, dict(r=4, lora_alpha=16, target_modules=["query", "value"], lora_bias=True),
        ("layers.2", "encoder.layer.1"), lambda output, last: None, text=True,
    ),
    "bert_all_linear": Case(
        bert, dict(r=2, lora_alpha=2, target_modules="all-linear", exclude_modules="pooler.dense"),
        ("layers.2", "encoder.layer.1"), lambda output, last: None, text=True,
    ),
    "resnet": Case(
        resnet, dict(r=2, lora_alpha=4, target_modules=r"conv1|layer1\.0\.conv2|layer2\.0\.downsample\.0"),
        ("layer4.0", "layer4.0"), lambda output, last: last.mean((2, 3)), lambda output: output,
    ),
    "resnet_dora": Case(
        resnet, dict(r=2, lora_alpha=4, target_modules=r"layer[12]\.0\.conv1", use_dora=True),
        ("layer4.0", "layer4.0"), lambda output, last: last.mean((2, 3)), lambda output: output,
    ),
}  # fmt: skip


def write():
    shutil.rmtree(FOLDER, ignore_errors=True)
    return [path for name, case in CASES.items() for path in run(name, case)]


def run(name: str, case: Case):
    folder = FOLDER / name
    network, config = case.make()
    tensors = "\n".join(
        f"{key} {TYPES[tensor.dtype]} {','.join(map(str, tensor.shape))}"
        for key, tensor in network.state_dict().items()
    )
    fill(network)
    network = network.eval()
    adapted = get_peft_model(network, LoraConfig(**case.lora))
    with torch.no_grad():
        for key, parameter in adapted.named_parameters():
            if parameter.requires_grad:
                index = torch.arange(parameter.numel(), dtype=torch.float64)
                wave = torch.sin(0.37 * (index * index) + 0.1 * sum(key.encode())) * 0.2
                base = parameter.double().reshape(-1) if "magnitude" in key else 0
                parameter.copy_((base + wave).float().reshape(parameter.shape))
    adapted.save_pretrained(folder)
    (folder / "README.md").unlink()
    adapted = adapted.double().eval()

    seen = {}
    for key, module in adapted.base_model.model.named_modules():
        if key == case.tap[1]:
            module.register_forward_hook(
                lambda _m, _i, output: seen.__setitem__("last", output[0] if isinstance(output, tuple) else output)
            )
    inputs = texts(12, 100) if case.text else (nchw(waves(32, 32)),)
    with torch.no_grad():
        output = adapted.base_model(*inputs)
    last = seen["last"]
    found = {}
    if case.logits:
        found["logits"] = case.logits(output)
    pooled = case.pooled(output, last) if case.pooled else None
    if pooled is not None:
        found["pooled"] = pooled
    example = last[1].permute(1, 2, 0) if last.dim() == 4 else last[1]
    if case.text:
        example = example[: int(inputs[1][1].sum())]
    found[f"{case.tap[0]}/mean"] = example.mean(tuple(range(example.dim() - 1)))
    metadata = {
        "config.json": json.dumps(config),
        "kind": "text" if case.text else "picture",
        "input": json.dumps([2, 12, 100] if case.text else [2, 32, 32, 3]),
        "tensors": tensors,
        **versions("torch", "transformers", "peft", "timm", "torchvision"),
    }
    if case.renamed:
        rename(folder, case.renamed)
    golden = write_tensors(folder / "golden.safetensors", found, metadata)
    return [golden, folder / "adapter_model.safetensors", folder / "adapter_config.json"]


def rename(folder, rules):
    def older(text: str) -> str:
        for pattern, replacement in rules:
            text = re.sub(pattern, replacement, text)
        return text

    config = folder / "adapter_config.json"
    config.write_text(older(config.read_text()))
    file = folder / "adapter_model.safetensors"
    save_file({older(key): tensor for key, tensor in load_file(file).items()}, file, metadata={"format": "pt"})
