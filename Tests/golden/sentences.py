"""Sentence embeddings and token states of all-MiniLM-L6-v2.

`sentences.json` lists the texts and their token ids (special tokens included, cut at 128 as tokenizer.json says).
`sentences.safetensors` holds

    embeddings        [texts, 384]   mean over the tokens of the last layer, divided by its Euclidean length
    layers.L/first    [texts, 16]    first 16 features of token 0 after layer L (L = 0: the embeddings' sum)
    layers.L/last     [texts, 16]    the same of each text's last token
    layers.L/mean     [2, 384]       mean over the tokens of the texts 1 and 9

Each text was run by itself, so an implementation that pads and masks a batch must come to the same numbers.
"""

import torch
from tokenizers import Tokenizer
from transformers import BertModel

from .files import TESTS, WEIGHTS, versions, write_json, write_tensors

TEXTS = [
    "",
    "A red apple on a wooden table.",
    "a red apple",
    "The quick brown fox jumps over the lazy dog, twice; then it sleeps!",
    "Öl für die Mühle, crème brûlée & jalapeño",
    "東京タワー tower",
    "🙂 smiling face",
    "x",
    "unaffable electroencephalographically speaking",
    "Clip art of a house with a chimney, a garden fence, two trees, and a very small dog that looks at a bird. " * 3,
    "number 3.14159, price $19.99, mail someone@example.org, path /usr/bin/env",
    " ".join(f"word{i}" for i in range(200)),
]
LONG = (1, 9)


def write():
    folder = WEIGHTS / "all-MiniLM-L6-v2"
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    model = BertModel.from_pretrained(folder).eval().double()
    made_by = versions("torch", "transformers", "tokenizers")

    rows, embeddings, first, last, means = [], [], [], [], []
    for text in TEXTS:
        ids = tokenizer.encode(text).ids
        rows.append({"text": text, "ids": ids})
        with torch.no_grad():
            states = model(torch.tensor([ids]), output_hidden_states=True).hidden_states
        embedding = states[-1][0].mean(0)
        embeddings.append(embedding / embedding.norm())
        first.append([state[0, 0, :16] for state in states])
        last.append([state[0, -1, :16] for state in states])
        means.append([state[0].mean(0) for state in states])

    tensors = {"embeddings": torch.stack(embeddings)}
    for layer in range(len(first[0])):
        tensors[f"layers.{layer}/first"] = torch.stack([text[layer] for text in first])
        tensors[f"layers.{layer}/last"] = torch.stack([text[layer] for text in last])
        tensors[f"layers.{layer}/mean"] = torch.stack([means[text][layer] for text in LONG])
    golden = TESTS / "PandoBackbonesTests" / "Golden"
    return [
        write_tensors(golden / "sentences.safetensors", tensors, made_by),
        write_json(golden / "sentences.json", {"versions": made_by}, "texts", rows),
    ]
