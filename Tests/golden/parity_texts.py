"""The text encoders of transformers; see parity.py."""

import torch
import transformers
from torch import Tensor

from .parity import Case, hugging_face, texts

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


def mean(output, _taps) -> Tensor:
    """The mean of the states of tokens that are no padding."""
    mask = texts(LENGTH, VOCABULARY)[1][..., None]
    return (output.last_hidden_state * mask).sum(1) / mask.sum(1)


def berts():
    def case(name, make, configuration, layers, pooled=mean):
        def taps(network):
            embeddings = network.get_submodule("embeddings")
            return {"layers.0": embeddings} | {
                f"layers.{index + 1}": layer for index, layer in enumerate(network.get_submodule(layers))
            }

        return Case(
            f"transformers_{name}", lambda: make(configuration), hugging_face(configuration), taps, pooled,
            text=(LENGTH, VOCABULARY),
        )  # fmt: skip

    words = {"vocab_size": VOCABULARY, "max_position_embeddings": 40}
    bert = transformers.BertConfig(**SIZES, **words)
    yield case("bert", transformers.BertModel, bert, "encoder.layer")
    plain = transformers.BertConfig(**SIZES, **words, hidden_act="relu", type_vocab_size=1, layer_norm_eps=1e-5)
    yield case(
        "bert_plain", lambda sizes: transformers.BertModel(sizes, add_pooling_layer=False), plain, "encoder.layer"
    )
    # A number for padding that no token has: within a text it would be skipped.
    roberta = transformers.RobertaConfig(**SIZES, **words, type_vocab_size=1, pad_token_id=VOCABULARY - 1)
    roberta.max_position_embeddings = VOCABULARY + LENGTH
    yield case("roberta", transformers.RobertaModel, roberta, "encoder.layer")
    xlm = transformers.XLMRobertaConfig(**SIZES, **words, type_vocab_size=1, pad_token_id=2)
    yield case(
        "xlm_roberta", lambda sizes: transformers.XLMRobertaModel(sizes, add_pooling_layer=False), xlm, "encoder.layer"
    )
    distilbert = transformers.DistilBertConfig(
        **words, dim=32, n_layers=3, n_heads=4, hidden_dim=80, tie_word_embeddings=False
    )
    yield case("distilbert", transformers.DistilBertModel, distilbert, "transformer.layer")


def llamas():
    def last(output, _taps) -> Tensor:
        """The state of the last token that is no padding."""
        index = texts(LENGTH, VOCABULARY)[1].sum(1) - 1
        return output.last_hidden_state[torch.arange(2), index]

    def case(name, make, configuration):
        return Case(
            f"transformers_{name}", lambda: make(configuration), hugging_face(configuration),
            lambda network: {f"layers.{index}": layer for index, layer in enumerate(network.layers)}, last,
            text=(LENGTH, VOCABULARY),
        )  # fmt: skip

    sizes = SIZES | {
        "vocab_size": VOCABULARY, "num_key_value_heads": 2, "tie_word_embeddings": True, "pad_token_id": None,
        "bos_token_id": None, "eos_token_id": None, "max_position_embeddings": 64,
    }  # fmt: skip
    yield case("llama", transformers.LlamaModel, transformers.LlamaConfig(**sizes))
    scaled = {
        "rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32,
    }  # fmt: skip
    yield case(
        "llama3", transformers.LlamaModel,
        transformers.LlamaConfig(**sizes, rope_parameters=scaled, head_dim=16, attention_bias=True, mlp_bias=True),
    )  # fmt: skip
    linear = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0}
    yield case("llama_linear", transformers.LlamaModel, transformers.LlamaConfig(**sizes, rope_parameters=linear))
    yield case("qwen2", transformers.Qwen2Model, transformers.Qwen2Config(**sizes))
    yield case("mistral", transformers.MistralModel, transformers.MistralConfig(**sizes, sliding_window=32))


CASES = [*halves(), *berts(), *llamas()]
