"""PyTorch with PEFT: steps of adapting a pretrained network to one task. AdamW, cross entropy, a linear head.

The data are there before memory is counted. In bf16 either everything runs under autocast, or the frozen
network is in bf16 as well. Nothing is dropped out.
"""

import json
from functools import partial

import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import AutoTokenizer, BertModel

from peer_measuring import PRECISIONS, Settings, Way, Work, cores
from peer_networks import SIDE, VOCABULARY, WEIGHTS, vision_transformer

TOKENS, CLASSES, EXAMPLES = 32, 50, 512
NETWORKS = {
    # Examples at once, unit, methods, and the layers that LoRA updates.
    "all-MiniLM-L6-v2": (64, "texts/s", ("lora", "full"), ["query", "value"]),
    "vit_small": (32, "steps/s", ("lora", "full", "probe"), ["qkv"]),
}
NAME, VERSION = "PyTorch + PEFT", torch.__version__
WORKS = [
    Work(f"adapt {name} {method}", precision, batch, unit)
    for name, (batch, unit, methods, _) in NETWORKS.items()
    for precision in PRECISIONS
    for method in methods
]


class MeanOfTokens(nn.Module):
    """A text encoder's last states, averaged over the tokens that are no padding."""

    def __init__(self, encoder: nn.Module):
        super().__init__()
        self.encoder = encoder

    def forward(self, ids, mask):
        states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask.to(states.dtype).unsqueeze(-1)
        return (states * weights).sum(1) / weights.sum(1)


def ways(work: Work, settings: Settings):
    _, name, method = work.name.split()
    kinds = ["eager"] if work.precision == "f32" else ["autocast"] + ["bf16 network, autocast"] * (method != "full")
    data = texts(settings) if name == "all-MiniLM-L6-v2" else pictures(work.batch)
    return [partial(way, work, data, kind) for kind in kinds]


def loaded(name: str, kind: str) -> nn.Module:
    torch.manual_seed(0)
    if name == "all-MiniLM-L6-v2":
        encoder = BertModel.from_pretrained(WEIGHTS / name, local_files_only=True, add_pooling_layer=False)
        network = MeanOfTokens(encoder)
    else:
        network = vision_transformer(name)
    return network.to(torch.bfloat16 if kind.startswith("bf16") else torch.float32).eval().requires_grad_(False)


def texts(settings: Settings):
    """Token numbers, masks and classes: of the file's training texts, or made up."""
    if settings.texts is None:
        ids = torch.randint(1000, VOCABULARY, (EXAMPLES, TOKENS))
        return (ids, torch.ones_like(ids)), torch.randint(CLASSES, (EXAMPLES,))
    rows = [json.loads(line) for line in settings.texts.read_text().splitlines()]
    rows = [row for row in rows if row["split"] == "train"]
    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS / "all-MiniLM-L6-v2", local_files_only=True)
    encoded = tokenizer(
        [row["text"] for row in rows], padding="max_length", truncation=True, max_length=TOKENS, return_tensors="pt"
    )
    classes = sorted({row["section"] for row in rows})
    targets = torch.tensor([classes.index(row["section"]) for row in rows])
    return (encoded["input_ids"], encoded["attention_mask"]), targets


def pictures(count: int):
    return (torch.randn(count, 3, SIDE, SIDE),), torch.randint(CLASSES, (count,))


def way(work: Work, data, kind: str) -> Way:
    torch.set_num_threads(cores())
    _, name, method = work.name.split()
    network = loaded(name, kind)
    if method == "full":
        network.requires_grad_(True)
    elif method == "lora":
        options = LoraConfig(r=8, lora_alpha=8, target_modules=NETWORKS[name][3])
        get_peft_model(network, options)
    inputs, targets = data
    head = nn.Linear(384, CLASSES)
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW([*trained, *head.parameters()], 1e-3, fused=True)
    loss = nn.CrossEntropyLoss()

    def step():
        rows = torch.randperm(len(targets))[: work.batch]
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=kind != "eager"):
            with torch.set_grad_enabled(bool(trained)):
                parts = [part[rows] for part in inputs]
                if kind.startswith("bf16"):
                    parts = [part.to(torch.bfloat16) if part.is_floating_point() else part for part in parts]
                vectors = network(*parts)
            error = loss(head(vectors.float()), targets[rows])
        error.backward()
        optimizer.step()

    return Way(kind, work.batch if work.unit == "texts/s" else 1, step, warm_up=2)
