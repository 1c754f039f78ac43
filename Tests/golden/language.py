"""What small language models of transformers tell of the next token.

One file a network, `language/NAME.safetensors`, made as those of parity.py are. A decoder reads the texts of
parity.py, [2, 12] of numbers below 83; an encoder-decoder does, with their padding, and writes the texts
(5 i + 3) modulo 83, [2, 7]. It holds

    logits           [2, T, 83]    after each token, of what is read or written
    continuation     [tokens]      of the first text's first 5 tokens, or of nothing; 12 tokens at most, fewer where the text ends
    TAP/mean         [C]           of the encoder's second text, as in parity.py; TAP is our name
"""

import json

import torch
import transformers
from torch import Tensor

from .files import TESTS, versions, write_tensors
from .networks import fill
from .parity import TYPES, hugging_face, texts

LENGTH, VOCABULARY = 12, 83
TIED = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight")


class Stored:
    """The tensors of a network that its checkpoint holds: not those that are others under a second name."""

    def __init__(self, network, left_out: tuple[str, ...]):
        self.tensors = {name: value for name, value in network.state_dict().items() if name not in left_out}

    def state_dict(self) -> dict[str, Tensor]:
        return self.tensors


def write():
    sizes = {
        "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 80,
        "vocab_size": VOCABULARY, "num_key_value_heads": 2, "bos_token_id": None, "eos_token_id": [13, 40],
        "pad_token_id": None, "max_position_embeddings": 64,
    }  # fmt: skip
    paths = []
    for name, configuration, make in (
        ("llama", transformers.LlamaConfig(**sizes), transformers.LlamaForCausalLM),
        ("qwen2_tied", transformers.Qwen2Config(**sizes, tie_word_embeddings=True), transformers.Qwen2ForCausalLM),
    ):
        paths.append(decoder(name, configuration, make(configuration)))
    sizes = {
        "d_model": 32, "d_kv": 6, "d_ff": 80, "num_layers": 3, "num_decoder_layers": 2, "num_heads": 4,
        "vocab_size": VOCABULARY, "relative_attention_num_buckets": 8, "relative_attention_max_distance": 10,
        "decoder_start_token_id": 0, "pad_token_id": 0, "eos_token_id": 40,
    }  # fmt: skip
    paths.append(encoder_decoder("t5", transformers.T5Config(**sizes)))
    paths.append(
        encoder_decoder(
            "t5_gated", transformers.T5Config(**sizes, feed_forward_proj="gated-gelu", tie_word_embeddings=False)
        )
    )
    return paths


def decoder(name: str, configuration, network):
    tied = ("lm_head.weight",) if configuration.tie_word_embeddings else ()
    stored = Stored(network, tied)
    listing = tensors(stored)
    network = network.double().eval()
    fill(Stored(network, tied))
    ids, _mask = texts(LENGTH, VOCABULARY)

    with torch.no_grad():
        found = {"logits": network(ids).logits}

        def following(written: list[int]) -> Tensor:
            return network(torch.tensor([ids[0, :5].tolist() + written])).logits

        found["continuation"] = continuation(following, configuration.eos_token_id)
    return save(name, configuration, listing, found)


def encoder_decoder(name: str, configuration):
    network = transformers.T5ForConditionalGeneration(configuration)
    tied = TIED
    if configuration.scale_decoder_outputs:
        tied = (*TIED, "lm_head.weight")
    else:  # as in version 1.1, where the last layer has weights of its own
        network.lm_head = torch.nn.Linear(configuration.d_model, VOCABULARY, bias=False)
    listing = tensors(Stored(network, tied))
    network = network.double().eval()
    fill(Stored(network, tied))
    ids, mask = texts(LENGTH, VOCABULARY)
    written = (5 * torch.arange(14) + 3).remainder(VOCABULARY).reshape(2, 7)
    found: dict[str, Tensor] = {}

    def keep(tap: str):
        return lambda _m, _i, output: found.__setitem__(f"{tap}/mean", output[0][1, : int(mask[1].sum())].mean(0))

    hooks = [
        block.register_forward_hook(keep(f"encoder.block.{index}")) for index, block in enumerate(network.encoder.block)
    ]
    with torch.no_grad():
        found["logits"] = network(input_ids=ids, attention_mask=mask, decoder_input_ids=written).logits
        for hook in hooks:
            hook.remove()

        def following(tokens: list[int]) -> Tensor:
            return network(input_ids=ids[:1], decoder_input_ids=torch.tensor([[0, *tokens]])).logits

        found["continuation"] = continuation(following, [configuration.eos_token_id])
    if not configuration.scale_decoder_outputs:
        configuration.tie_word_embeddings = False
    return save(name, configuration, listing, found)


def continuation(logits, ends: list[int]) -> Tensor:
    written: list[int] = []
    while len(written) < 12:
        token = int(logits(written)[0, -1].argmax())
        if token in ends:
            break
        written.append(token)
    return torch.tensor(written)


def tensors(stored: Stored) -> str:
    return "\n".join(
        f"{name} {TYPES[value.dtype]} {','.join(map(str, value.shape))}" for name, value in stored.state_dict().items()
    )


def save(name: str, configuration, listing: str, found: dict[str, Tensor]):
    metadata = {
        "config.json": json.dumps(hugging_face(configuration)), "kind": "text",
        "input": json.dumps([2, LENGTH, VOCABULARY]), "tensors": listing, **versions("torch", "transformers"),
    }  # fmt: skip
    return write_tensors(TESTS / "PandoBackbonesTests" / "Golden" / "language" / f"{name}.safetensors", found, metadata)
