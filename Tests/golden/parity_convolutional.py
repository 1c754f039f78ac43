"""The convolutional networks of torchvision, timm and transformers; see parity.py."""

import timm
import torchvision
import transformers
from torch import Tensor

from .parity import Case, hugging_face, timm_config

CLASSES = 10


def mean(tap: str):
    """The pooled vector is the mean over the last tap's map."""
    return lambda _output, taps: taps[tap].mean((2, 3))


def pooler(output, _taps) -> Tensor:
    return output.pooler_output.flatten(1)


def stages(pattern: str, layers, first: int = 1):
    return {
        pattern.format(number + first, index): block
        for number, stage in enumerate(layers)
        for index, block in enumerate(stage)
    }


def resnets():
    def taps(network):
        return stages("layer{}.{}", [getattr(network, f"layer{stage}") for stage in range(1, 5)])

    def hf_taps(network):
        return stages("layer{}.{}", [stage.layers for stage in network.resnet.encoder.stages])

    yield Case(
        "torchvision_resnet18", lambda: torchvision.models.resnet18(num_classes=CLASSES),
        timm_config("resnet18"), taps,
        mean("layer4.1"), lambda output: output,
    )  # fmt: skip
    yield Case(
        "timm_resnet26", lambda: timm.create_model("resnet26", num_classes=CLASSES),
        timm_config("resnet26", num_classes=CLASSES), taps, mean("layer4.1"), lambda output: output,
    )  # fmt: skip
    common = {"embedding_size": 16, "num_labels": CLASSES}
    for name, sizes in {
        "basic": {"layer_type": "basic", "hidden_sizes": [16, 24, 32, 48], "depths": [2, 1, 2, 1]},
        "bottleneck": {"layer_type": "bottleneck", "hidden_sizes": [32, 64, 96, 128], "depths": [1, 2, 1, 1]},
        "first_strided": {
            "layer_type": "bottleneck", "hidden_sizes": [32, 64, 96, 128], "depths": [1, 1, 2, 1],
            "downsample_in_first_stage": True, "downsample_in_bottleneck": True, "hidden_act": "gelu",
        },
    }.items():  # fmt: skip
        configuration = transformers.ResNetConfig(**common, **sizes)
        last = len(sizes["depths"]), sizes["depths"][-1] - 1
        yield Case(
            f"transformers_resnet_{name}",
            lambda configuration=configuration: transformers.ResNetForImageClassification(configuration),
            hugging_face(configuration), hf_taps, mean("layer{}.{}".format(*last)), lambda output: output.logits,
        )  # fmt: skip


CASES = [*resnets()]
