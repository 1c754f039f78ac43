"""The convolutional networks of torchvision, timm and transformers; see parity.py."""

from functools import partial

import timm
import torchvision
import transformers
from torch import Tensor

from .parity import Case as AnyCase
from .parity import hugging_face, ours, timm_config

CLASSES = 10
Case = partial(AnyCase, channels=32)


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


def identity(output):
    return output


def logits(output):
    return output.logits


def mobile_timm(name: str, picture=(64, 64), **arguments):
    """timm's networks of inverted residual blocks, tapped under the names of `blocks`."""

    def taps(blocks: str, ends: tuple[str, str]):
        def find(network):
            flat = [block for stage in network.blocks for block in stage]
            stem, head = network.bn1, network.bn2 if hasattr(network, "bn2") else flat.pop()
            return {ends[0]: stem, **{blocks.format(i): b for i, b in enumerate(flat)}, ends[1].format(len(flat) + 1): head}

        return find

    efficient = "efficientnet" in name
    found = taps("_blocks.{}", ("stem", "head")) if efficient else taps_from_one(taps)
    return Case(
        f"timm_{name}", lambda: timm.create_model(name, num_classes=CLASSES, **arguments),
        timm_config(name), found, lambda _output, taps: list(taps.values())[-1].mean((2, 3)), identity, picture,
    )  # fmt: skip


def taps_from_one(taps):
    def find(network):
        named = taps("{}", ("features.0", "features.{}"))(network)
        return {f"features.{int(name) + 1}" if name.isdigit() else name: module for name, module in named.items()}

    return find


def mobile_torchvision(name: str, picture=(64, 64)):
    def taps(network):
        if not name.startswith("efficientnet"):
            return {f"features.{i}": block for i, block in enumerate(network.features)}
        blocks = [block for stage in network.features[1:-1] for block in stage]
        return {"stem": network.features[0], **{f"_blocks.{i}": b for i, b in enumerate(blocks)}, "head": network.features[-1]}

    return Case(
        f"torchvision_{name}", lambda: getattr(torchvision.models, name)(num_classes=CLASSES),
        timm_config(name), taps, lambda _output, taps: list(taps.values())[-1].mean((2, 3)), identity, picture,
    )  # fmt: skip


def mobiles():
    yield mobile_torchvision("mobilenet_v2")
    yield mobile_torchvision("mobilenet_v3_small")
    yield mobile_torchvision("mobilenet_v3_large")
    yield mobile_torchvision("efficientnet_b0")
    yield mobile_timm("mobilenetv2_050", (67, 45))
    yield mobile_timm("mobilenetv2_110d")
    yield mobile_timm("mobilenetv3_small_050")
    yield mobile_timm("tf_mobilenetv3_small_075", (67, 45))
    yield mobile_timm("mobilenetv3_large_075")
    yield mobile_timm("tf_efficientnet_b0", (67, 45))
    yield mobile_timm("efficientnet_b1")
    yield mobile_timm("efficientnet_lite0", (67, 45))
    yield mobile_timm("tf_efficientnet_lite1", (67, 45))

    def hf_taps(network):
        body = network.mobilenet_v2
        blocks = {f"features.{i + 2}": block for i, block in enumerate(body.layer)}
        return {
            "features.0": body.conv_stem.first_conv, "features.1": body.conv_stem, **blocks, "features.18": body.conv_1x1,
        }  # fmt: skip

    for name, sizes in {
        "plain": {"depth_multiplier": 0.35},
        "wide": {"depth_multiplier": 0.5, "finegrained_output": False, "first_layer_is_expansion": False},
        "symmetric": {"depth_multiplier": 0.25, "tf_padding": False, "expand_ratio": 3.5, "hidden_act": "silu"},
    }.items():
        configuration = transformers.MobileNetV2Config(num_labels=CLASSES + 1, **sizes)
        yield Case(
            f"transformers_mobilenet_v2_{name}",
            lambda configuration=configuration: transformers.MobileNetV2ForImageClassification(configuration),
            hugging_face(configuration), hf_taps, mean("features.18"), logits, (67, 45),
        )  # fmt: skip

    def efficient_taps(network):
        body = network.efficientnet
        blocks = {f"_blocks.{i}": block for i, block in enumerate(body.encoder.blocks)}
        return {"stem": body.embeddings, **blocks, "head": body.encoder.top_activation}

    configuration = transformers.EfficientNetConfig(
        width_coefficient=0.5, depth_coefficient=1.1, hidden_dim=640, image_size=64, num_labels=CLASSES,
        depthwise_padding=[5], num_block_repeats=[1, 2, 2, 1, 1, 2, 1],
    )  # fmt: skip
    yield Case(
        "transformers_efficientnet", lambda: transformers.EfficientNetForImageClassification(configuration),
        hugging_face(configuration), efficient_taps, mean("head"), logits, (64, 96),
    )  # fmt: skip


def regnets():
    def timm_taps(network):
        blocks = {f"s{s}.{name}": b for s in range(1, 5) for name, b in getattr(network, f"s{s}").named_children()}
        return blocks

    def torchvision_taps(network):
        return stages("s{}.b{}", [[None, *stage] for stage in network.trunk_output])

    def hf_taps(network):
        return stages("s{}.b{}", [[None, *stage.layers] for stage in network.regnet.encoder.stages])

    def present(taps):
        return lambda network: {name: module for name, module in taps(network).items() if module is not None}

    last = lambda _output, taps: list(taps.values())[-1].mean((2, 3))  # noqa: E731
    for name in ("regnetx_002", "regnety_002"):
        yield Case(
            f"timm_{name}", lambda name=name: timm.create_model(name, num_classes=CLASSES), timm_config(name), timm_taps,
            last, identity,
        )  # fmt: skip
    for name in ("regnet_x_400mf", "regnet_y_400mf"):
        yield Case(
            f"torchvision_{name}", lambda name=name: getattr(torchvision.models, name)(num_classes=CLASSES),
            timm_config(name), present(torchvision_taps), last, identity,
        )  # fmt: skip
    for name, sizes in {
        "x": {"layer_type": "x", "hidden_sizes": [16, 24, 48, 40], "groups_width": 8, "hidden_act": "silu"},
        "y": {"layer_type": "y", "hidden_sizes": [24, 32, 48, 64], "groups_width": 16, "downsample_in_first_stage": False},
    }.items():  # fmt: skip
        configuration = transformers.RegNetConfig(embedding_size=18, depths=[1, 2, 2, 1], num_labels=CLASSES, **sizes)
        yield Case(
            f"transformers_regnet_{name}",
            lambda configuration=configuration: transformers.RegNetForImageClassification(configuration),
            hugging_face(configuration), present(hf_taps), last, logits,
        )  # fmt: skip


def convnexts():
    def timm_taps(network):
        return stages("stages.{}.blocks.{}", [stage.blocks for stage in network.stages], first=0)

    def hf_taps(network):
        body = network.convnext if hasattr(network, "convnext") else network.convnextv2
        return stages("stages.{}.blocks.{}", [stage.layers for stage in body.encoder.stages], first=0)

    def torchvision_taps(network):
        return stages("stages.{}.blocks.{}", network.features[1::2], first=0)

    def normed(norm):
        """The pooled vector is the normalised mean over the last tap's map."""
        return lambda _output, taps: norm["layer"](list(taps.values())[-1].mean((2, 3)))

    def case(name, make, config, taps, layer, logits, picture=(64, 64)):
        norm = {}

        def made():
            network = make()
            norm["layer"] = lambda x: layer(network)(x.reshape(*x.shape, 1, 1)).flatten(1) if "2d" in type(
                layer(network)).__name__.lower() else layer(network)(x)
            return network

        return Case(name, made, config, taps, normed(norm), logits, picture)

    for name in ("convnext_atto", "convnextv2_atto"):
        yield case(
            f"timm_{name}", lambda name=name: timm.create_model(name, num_classes=CLASSES), timm_config(name), timm_taps,
            lambda network: network.head.norm, identity,
        )  # fmt: skip
    widths, depths = [16, 24, 40, 48], [1, 2, 2, 1]
    yield case(
        "timm_convnext_wide", lambda: timm.models.ConvNeXt(depths=(1, 1, 1, 1), dims=(96, 16, 24, 16), num_classes=CLASSES),
        ours("convnext", "convnext", patchSize=4, widths=[96, 16, 24, 16], depths=[1, 1, 1, 1], normalizesResponses=False,
             hasLayerScale=True, activation="gelu", epsilon=1e-6, classCount=CLASSES),
        timm_taps, lambda network: network.head.norm, identity,
    )  # fmt: skip
    settings = torchvision.models.convnext.CNBlockConfig
    pairs = list(zip(widths, [*widths[1:], None], depths))
    yield case(
        "torchvision_convnext", lambda: torchvision.models.ConvNeXt([settings(*pair) for pair in pairs], num_classes=CLASSES),
        ours("convnext", "convnext", patchSize=4, widths=widths, depths=depths, normalizesResponses=False,
             hasLayerScale=True, activation="gelu", epsilon=1e-6, classCount=CLASSES),
        torchvision_taps, lambda network: network.classifier[0], identity, (64, 96),
    )  # fmt: skip
    for version in ("", "V2"):
        family = getattr(transformers, f"ConvNext{version}ForImageClassification")
        configuration = getattr(transformers, f"ConvNext{version}Config")(
            hidden_sizes=widths, depths=depths, num_labels=CLASSES, hidden_act="gelu" if version else "silu")
        yield case(
            f"transformers_convnext{version.lower()}",
            lambda family=family, configuration=configuration: family(configuration), hugging_face(configuration), hf_taps,
            lambda network: (network.convnext if hasattr(network, "convnext") else network.convnextv2).layernorm, logits,
        )  # fmt: skip


def swins():
    def blocks(layers):
        return stages("layers.{}.blocks.{}", [layer.blocks for layer in layers], first=0)

    sizes = {"width": 12, "depths": [2, 2, 1], "headCounts": [1, 2, 4], "windowSize": 4, "expansion": 3.0}
    common = {"patchSize": 4, "hasProjectionBias": True, "activation": "gelu", "epsilon": 1e-5, "padsPictures": False,
              "shiftsTogether": False, "pictureSize": 64, "classCount": CLASSES}  # fmt: skip
    config = ours("swin", "swin", **sizes, **common)

    def torchvision_taps(network):
        return stages("layers.{}.blocks.{}", network.features[1::2], first=0)

    norm = {}

    def made_by(make):
        def made():
            norm["network"] = make()
            return norm["network"]

        return made

    def pooled(_output, taps):
        return norm["network"].norm(list(taps.values())[-1]).mean((1, 2))

    for name, picture in {"tiled": (64, 64), "padded": (72, 40)}.items():
        yield Case(
            f"torchvision_swin_{name}",
            made_by(lambda: torchvision.models.SwinTransformer(
                [4, 4], 12, [2, 2, 1], [1, 2, 4], [4, 4], mlp_ratio=3.0, num_classes=CLASSES)),
            config, torchvision_taps, pooled, identity, picture, channels_last=True,
        )  # fmt: skip
    yield Case(
        "timm_swin",
        made_by(lambda: timm.models.SwinTransformer(
            img_size=64, embed_dim=12, depths=(2, 2, 1), num_heads=(1, 2, 4), window_size=4, mlp_ratio=3.0,
            num_classes=CLASSES)),
        config, lambda network: blocks(network.layers), pooled, identity, (64, 64), channels_last=True,
    )  # fmt: skip

    class Original(timm.models.SwinTransformer):
        """Names as in the first release, which older versions of timm kept: downsampling ends a stage."""

        def state_dict(self, *arguments, **options):
            state = super().state_dict(*arguments, **options)
            for name in list(state):
                parts = name.split(".")
                if parts[2:3] == ["downsample"]:
                    parts[1] = str(int(parts[1]) - 1)
                state[".".join(parts).replace("head.fc", "head")] = state.pop(name)
            return state

    yield Case(
        "original_swin",
        made_by(lambda: Original(
            img_size=64, embed_dim=12, depths=(2, 2, 1), num_heads=(1, 2, 4), window_size=4, mlp_ratio=3.0,
            num_classes=CLASSES)),
        config, lambda network: blocks(network.layers), pooled, identity, (64, 64), channels_last=True,
    )  # fmt: skip

    class Renamed(transformers.SwinForImageClassification):
        """Names as before transformers 5, which files on disk still have."""

        def state_dict(self, *arguments, **options):
            renames = {
                "attention.q_proj": "attention.self.query", "attention.k_proj": "attention.self.key",
                "attention.v_proj": "attention.self.value", "attention.o_proj": "attention.output.dense",
                "attention.relative_position_bias.": "attention.self.", "mlp.fc1": "intermediate.dense",
                "mlp.fc2": "output.dense",
            }  # fmt: skip
            state = super().state_dict(*arguments, **options)
            for name in list(state):
                renamed = name
                for new, old in renames.items():
                    renamed = renamed.replace(new, old)
                state[renamed] = state.pop(name)
            return state

    configuration = transformers.SwinConfig(
        image_size=64, embed_dim=12, depths=[2, 2, 1], num_heads=[1, 2, 4], window_size=4, num_labels=CLASSES)
    yield Case(
        "transformers4_swin", made_by(lambda configuration=configuration: Renamed(configuration)), hugging_face(configuration),
        lambda network: blocks(network.swin.encoder.layers),
        lambda _output, taps: norm["network"].swin.layernorm(list(taps.values())[-1]).mean(1), logits,
    )  # fmt: skip

    for name, picture in {"tiled": (64, 64), "padded": (86, 101)}.items():
        configuration = transformers.SwinConfig(
            image_size=64, embed_dim=12, depths=[2, 2, 1], num_heads=[1, 2, 4], window_size=4 if name == "tiled" else 5,
            mlp_ratio=2.5, num_labels=CLASSES, hidden_act="gelu", qkv_bias=name == "tiled",
        )  # fmt: skip
        yield Case(
            f"transformers_swin_{name}",
            made_by(lambda configuration=configuration: transformers.SwinForImageClassification(configuration)),
            hugging_face(configuration), lambda network: blocks(network.swin.encoder.layers),
            lambda _output, taps: norm["network"].swin.layernorm(list(taps.values())[-1]).mean(1), logits, picture,
        )  # fmt: skip


CASES = [*resnets(), *mobiles(), *regnets(), *convnexts(), *swins()]
