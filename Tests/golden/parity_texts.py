"""The text encoders of transformers; see parity.py."""

import transformers
from torch import Tensor

from .parity import Case, hugging_face

SIZES = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 80}
LENGTH = 12
VOCABULARY = 83


def pooler(output, _taps) -> Tensor:
    return output.pooler_output


def halves():
    """The halves for texts of CLIP and SigLIP."""
    positions = {"max_position_embeddings": LENGTH, "vocab_size": VOCABULARY, "bos_token_id": 0, "pad_token_id": 1}

    def blocks(network):
        return {f"blocks.{index}": layer for index, layer in enumerate(network.encoder.layers)}

    # The number 2: which token stands for the text was told otherwise in the earliest files.
    for name, end in (("clip_text", 30), ("clip_text_first", 2)):
        sizes = transformers.CLIPTextConfig(**SIZES, **positions, eos_token_id=end)
        yield Case(
            f"transformers_{name}", lambda sizes=sizes: transformers.CLIPTextModel(sizes), hugging_face(sizes), blocks,
            pooler, text=(LENGTH, VOCABULARY),
        )  # fmt: skip
    sizes = transformers.SiglipTextConfig(**SIZES, **positions, eos_token_id=2, projection_size=24)
    yield Case(
        "transformers_siglip_text", lambda: transformers.SiglipTextModel(sizes), hugging_face(sizes), blocks, pooler,
        text=(LENGTH, VOCABULARY), call=lambda network, ids, _mask: network(ids),
    )  # fmt: skip


CASES = [*halves()]
