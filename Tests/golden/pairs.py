"""Vectors and similarities of small networks for pictures and texts, as transformers builds, names and runs them.

One file a network, `pairs/NAME.safetensors`, made as those of parity.py are, with the input of a picture of 64 x 64 and
of two texts of 12 tokens, numbers below 83. It holds

    images, texts    [2, D]    what is compared, of length 1
    similarities     [2, 2]    scaled, of each picture to each text
"""

import json

import torch
import transformers

from .backbones import waves
from .cases import nchw
from .files import TESTS, versions, write_tensors
from .networks import fill
from .parity import TYPES, hugging_face, texts

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 80}
WORDS = {"max_position_embeddings": 12, "vocab_size": 83, "bos_token_id": 0, "pad_token_id": 1}


def clip():
    configuration = transformers.CLIPConfig(
        text_config=SIZES | WORDS | {"eos_token_id": 30}, vision_config=SIZES | {"image_size": 64, "patch_size": 16},
        projection_dim=20,
    )
    return transformers.CLIPModel(configuration), configuration


def siglip():
    configuration = transformers.SiglipConfig(
        text_config=SIZES | WORDS | {"eos_token_id": 2}, vision_config=SIZES | {"image_size": 64, "patch_size": 16}
    )
    return transformers.SiglipModel(configuration), configuration


def write():
    paths = []
    for name, make in (("clip", clip), ("siglip", siglip)):
        network, configuration = make()
        tensors = "\n".join(
            f"{tensor} {TYPES[value.dtype]} {','.join(map(str, value.shape))}"
            for tensor, value in network.state_dict().items()
        )
        network = network.double().eval()
        fill(network)
        ids, mask = texts(12, 83)
        words = {"input_ids": ids} | ({"attention_mask": mask} if name == "clip" else {})
        with torch.no_grad():
            output = network(pixel_values=nchw(waves(64, 64)), **words)
        found = {
            "images": output.image_embeds, "texts": output.text_embeds, "similarities": output.logits_per_image,
        }  # fmt: skip
        metadata = {
            "config.json": json.dumps(hugging_face(configuration)), "kind": "picture", "input": "[2, 64, 64, 3]",
            "tensors": tensors, **versions("torch", "transformers"),
        }  # fmt: skip
        path = TESTS / "PandoBackbonesTests" / "Golden" / "pairs" / f"{name}.safetensors"
        paths.append(write_tensors(path, found, metadata))
    return paths
