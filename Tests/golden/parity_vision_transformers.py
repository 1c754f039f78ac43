"""The vision transformers of timm, torchvision and transformers; see parity.py."""

from collections.abc import Callable

import timm
import torch
import torchvision
import transformers
from torch import Tensor, nn

from .parity import Case, hugging_face, ours

CLASSES = 10
SIZES = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 80}
DINOV2 = {key: value for key, value in SIZES.items() if key != "intermediate_size"} | {"mlp_ratio": 3}


def blocks(layers) -> dict[str, nn.Module]:
    return {f"blocks.{index}": layer for index, layer in enumerate(layers)}


def from_norm(name: str, pooling: Callable[[Tensor], Tensor], **arguments):
    """Runs the network and pools what its last norm, the module `name`, gives: that, and the network's logits."""

    def call(network, pictures):
        kept = []
        hook = network.get_submodule(name).register_forward_hook(lambda _m, _i, output: kept.append(output))
        output = network(pictures, **arguments)
        hook.remove()
        return pooling(kept[0]), getattr(output, "logits", output)

    return call


def first(output, _taps=None) -> Tensor:
    return output[0]


def second(output) -> Tensor:
    return output[1]


def token(x: Tensor) -> Tensor:
    return x[:, 0]


def tokens(x: Tensor) -> Tensor:
    return x[:, :2].flatten(1)


def token_and_mean(prefix: int):
    return lambda x: torch.cat([x[:, 0], x[:, prefix:].mean(1)], 1)


def our_vit(name: str, **changes) -> dict:
    configuration = {
        "pictureSize": 64, "patchSize": 16, "hiddenSize": 32, "layerCount": 3, "headCount": 4, "intermediateSize": 80,
        "activation": "gelu", "isGated": False, "epsilon": 1e-6, "hasProjectionBias": True, "hasLayerScale": False,
        "hasClassToken": True, "hasDistillationToken": False, "registerCount": 0, "placesClassToken": True,
        "normalizesEmbeddings": False, "pooling": "classToken", "resampling": "antialiased", "pretraining": "augReg",
        "classCount": CLASSES,
    }  # fmt: skip
    return ours("vit", name, **(configuration | changes))


def timms():
    sizes = {"img_size": 64, "patch_size": 16, "embed_dim": 32, "depth": 3, "num_heads": 4, "mlp_ratio": 2.5}
    no_class_token = {"hasClassToken": False, "placesClassToken": False}
    for name, model, arguments, changes, pooling in [
        ("vit", "vit_tiny_patch16_224", {}, {}, token),
        ("deit_distilled", "deit_tiny_distilled_patch16_224", {},
         {"hasDistillationToken": True, "pooling": "classTokens"}, tokens),
        ("deit3", "deit3_small_patch16_224", {}, {"hasLayerScale": True, "placesClassToken": False}, token),
        ("dinov2_reg4", "vit_small_patch14_reg4_dinov2", {},
         {"hasLayerScale": True, "placesClassToken": False, "registerCount": 4, "classCount": 0}, token),
        ("dinov2_giant", "vit_giant_patch14_dinov2", {"mlp_ratio": 5.3125},  # 2 · 85 / 32
         {"hasLayerScale": True, "isGated": True, "activation": "silu", "intermediateSize": 85, "classCount": 0}, token),
        ("clip_quickgelu", "vit_base_patch32_clip_quickgelu_224", {},
         {"normalizesEmbeddings": True, "epsilon": 1e-5, "activation": "quick_gelu"}, token),
        ("siglip_gap", "vit_base_patch16_siglip_gap_224", {}, {**no_class_token, "pooling": "patchMean"},
         lambda x: x.mean(1)),
    ]:  # fmt: skip
        arguments = {**sizes, "num_classes": changes.get("classCount", CLASSES), "dynamic_img_size": True, **arguments}
        call = from_norm("norm", pooling)
        yield Case(
            f"timm_{name}", lambda model=model, arguments=arguments: timm.create_model(model, **arguments),
            our_vit(model, **changes), lambda network: blocks(network.blocks), first,
            second if arguments["num_classes"] else None, call=call, resized=(96 if name == "vit" else 48, call),
        )  # fmt: skip
    siglip = "vit_base_patch16_siglip_224"
    yield Case(
        "timm_siglip", lambda: timm.create_model(siglip, **sizes, num_classes=0),
        our_vit(siglip, **no_class_token, pooling="attention", classCount=0),
        lambda network: blocks(network.blocks), lambda output, _taps: output,
    )  # fmt: skip


def torchvisions():
    def make(side=64):
        return torchvision.models.VisionTransformer(
            image_size=side, patch_size=16, num_layers=3, num_heads=4, hidden_dim=32, mlp_dim=80, num_classes=CLASSES
        )

    call = from_norm("encoder.ln", token)

    def resized(network, pictures):
        weights = torchvision.models.vision_transformer.interpolate_embeddings(96, 16, network.state_dict())
        larger = make(96).double().eval()
        larger.load_state_dict(weights)
        return call(larger, pictures)

    yield Case(
        "torchvision_vit", make, our_vit("vit_b_16", resampling="cornersAligned", pretraining="torchvision"),
        lambda network: blocks(network.encoder.layers), first, second, call=call, resized=(96, resized),
    )  # fmt: skip


def hugging_faces():
    def state(output, _taps) -> Tensor:
        return output.last_hidden_state[:, 0]

    def pooler(output, _taps) -> Tensor:
        return output.pooler_output

    def plainly(network, pictures):
        return network(pictures)

    def resampled(network, pictures):
        return network(pictures, interpolate_pos_encoding=True)

    def case(name, make, configuration, layers, pooled, logits=None, **more):
        return Case(
            f"transformers_{name}", lambda: make(configuration), hugging_face(configuration),
            lambda network: blocks(network.get_submodule(layers)), pooled, logits, **more,
        )  # fmt: skip

    vit = transformers.ViTConfig(**SIZES, image_size=64, num_labels=CLASSES)
    yield case(
        "vit", transformers.ViTForImageClassification, vit, "vit.layers", first, second,
        call=from_norm("vit.layernorm", token),
        resized=(96, from_norm("vit.layernorm", token, interpolate_pos_encoding=True)),
    )  # fmt: skip
    plain = transformers.ViTConfig(**SIZES, image_size=[48, 48], patch_size=8, qkv_bias=False, hidden_act="gelu_new")
    yield case(
        "vit_plain", lambda sizes: transformers.ViTModel(sizes, add_pooling_layer=False), plain, "layers", state,
        picture=(48, 48),
    )  # fmt: skip
    deit = transformers.DeiTConfig(**SIZES, image_size=64, num_labels=CLASSES)
    yield case(
        "deit", transformers.DeiTForImageClassificationWithTeacher, deit, "deit.layers", first, second,
        call=from_norm("deit.layernorm", tokens),
        resized=(48, from_norm("deit.layernorm", tokens, interpolate_pos_encoding=True)),
    )  # fmt: skip
    for name, gated in (("dinov2", False), ("dinov2_giant", True)):
        sizes = transformers.Dinov2Config(**DINOV2, image_size=56, use_swiglu_ffn=gated, use_mask_token=False)
        yield case(name, transformers.Dinov2Model, sizes, "encoder.layer", state, picture=(56, 56), resized=(70, plainly))
    classifying = transformers.Dinov2Config(**DINOV2, image_size=56, use_mask_token=False, num_labels=CLASSES)
    yield case(
        "dinov2_classifier", transformers.Dinov2ForImageClassification, classifying, "dinov2.encoder.layer", first,
        second, picture=(56, 56), call=from_norm("dinov2.layernorm", token_and_mean(1)),
    )  # fmt: skip

    def with_registers(sizes):
        network = transformers.Dinov2WithRegistersModel(sizes)
        network.embeddings.mask_token = None  # what stands for hidden patches in pretraining
        return network

    registers = transformers.Dinov2WithRegistersConfig(**DINOV2, image_size=64, num_register_tokens=3)
    yield case("dinov2_registers", with_registers, registers, "encoder.layer", state, resized=(48, plainly))
    clip = transformers.CLIPVisionConfig(**SIZES, image_size=64, patch_size=16)
    yield case("clip_vision", transformers.CLIPVisionModel, clip, "encoder.layers", pooler, resized=(96, resampled))
    siglip = transformers.SiglipVisionConfig(**SIZES, image_size=64, patch_size=16)
    yield case("siglip_vision", transformers.SiglipVisionModel, siglip, "encoder.layers", pooler, resized=(48, resampled))


CASES = [*timms(), *torchvisions(), *hugging_faces()]
