"""Small networks as both of PyTorch's exporters write them, and what ONNX Runtime computes of them.

Weights are random and few: what is tested is the graphs. Names of values are shortened and notes left out, so that
files stay small. Pictures and tokens follow a formula that `ExportTests.swift` computes too.
"""

import logging
import warnings
from pathlib import Path

import numpy as np

from .files import TESTS

FOLDER = TESTS / "PandoONNXTests/Golden"


def pictures(count: int, size: int) -> np.ndarray:
    places = np.arange(count * 3 * size * size, dtype=np.int64)
    return ((places * 7919 % 1000).astype(np.float32) / 500 - 1).reshape(count, 3, size, size)


def tokens(count: int, length: int) -> list[np.ndarray]:
    places = np.arange(count * length, dtype=np.int64).reshape(count, length)
    mask = np.ones_like(places)
    mask[1:, length - 3:] = 0
    return [places * 31 % 50, mask]


def networks():
    """Name, network, size of its pictures (0: text), and the exports of it: kind and operator set.

    Kind "fixed" takes one picture at a time, as exports do that nobody asked for more; it has no results of its own.
    """
    import timm
    import torchvision.models as tv
    from functools import partial
    from timm.models.convnext import ConvNeXt
    from timm.models.resnet import Bottleneck, ResNet
    from timm.models.swin_transformer import SwinTransformer
    from timm.models.vision_transformer import VisionTransformer
    from torchvision.models.mobilenetv3 import InvertedResidualConfig, MobileNetV3
    from transformers import BertConfig, BertModel

    yield "resnet", ResNet(Bottleneck, (1, 1, 1, 1), num_classes=10, channels=(4, 4, 8, 8), stem_width=4), 64, (
        ("script", 13), ("dynamo", 18))
    yield "vit", VisionTransformer(
        img_size=32, patch_size=8, embed_dim=12, depth=2, num_heads=3, num_classes=10), 32, (
        ("script", 13), ("script", 16), ("script", 17), ("dynamo", 18), ("dynamo", 21))
    yield "vit_torchvision", tv.VisionTransformer(32, 8, 2, 3, 12, 24, num_classes=10), 32, (
        ("script", 14), ("dynamo", 20))
    yield "swin", SwinTransformer(
        img_size=32, patch_size=4, window_size=4, embed_dim=8, depths=(2, 2), num_heads=(1, 2), num_classes=10), 32, (
        ("script", 15), ("dynamo", 19))
    yield "swin_torchvision", tv.SwinTransformer([4, 4], 8, [2], [2], [4, 4], num_classes=10), 32, (("dynamo", 20),)
    yield "convnext", ConvNeXt(depths=(1, 1, 1, 1), dims=(4, 8, 8, 12), num_classes=10), 64, (
        ("script", 13), ("script", 17), ("dynamo", 21))
    block = partial(InvertedResidualConfig, width_mult=1.0)
    yield "mobilenetv3", MobileNetV3(
        [block(16, 3, 16, 16, True, "RE", 2, 1), block(16, 3, 24, 16, False, "HS", 2, 1), block(16, 5, 24, 16, True, "HS", 1, 1)],
        32, num_classes=10), 32, (("script", 14), ("dynamo", 18), ("fixed", 17))
    yield "bert", BertModel(BertConfig(
        vocab_size=50, hidden_size=12, num_hidden_layers=2, num_attention_heads=3, intermediate_size=24,
        max_position_embeddings=16)), 0, (("script", 14), ("script", 17), ("dynamo", 20))


def export(network, inputs, names, kind: str, version: int, path: Path) -> None:
    import torch

    arguments = tuple(torch.from_numpy(item) for item in inputs)
    axes = {0: "batch"} if len(inputs) == 1 else {0: "batch", 1: "length"}
    if kind == "dynamo":
        torch.onnx.export(
            network, arguments, str(path), dynamo=True, opset_version=version, input_names=names, verbose=False,
            external_data=False,
            dynamic_shapes=tuple({axis: torch.export.Dim(name) for axis, name in axes.items()} for _ in inputs))
    elif kind == "script":
        torch.onnx.export(
            network, arguments, str(path), dynamo=False, opset_version=version, input_names=names,
            dynamic_axes={name: axes for name in names})
    else:
        torch.onnx.export(
            network, (arguments[0][:1],), str(path), dynamo=False, opset_version=version, input_names=names)


def shorten(path: Path) -> None:
    """Gives values short names and leaves out what no one reads."""
    import onnx

    model = onnx.load(path)
    graph = model.graph
    keep = {item.name for item in list(graph.input) + list(graph.output)} | {""}
    names: dict[str, str] = {}
    short = lambda name: name if name in keep else names.setdefault(name, f"v{len(names)}")
    for node in graph.node:
        node.input[:] = [short(name) for name in node.input]
        node.output[:] = [short(name) for name in node.output]
        node.name, node.doc_string = "", ""
        del node.metadata_props[:]
    for item in graph.initializer:
        item.name, item.doc_string = short(item.name), ""
        del item.metadata_props[:]
    del graph.value_info[:], graph.metadata_props[:], model.metadata_props[:]
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def write() -> list[Path]:
    import onnxruntime
    import torch
    import transformers
    from safetensors.numpy import save_file

    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    FOLDER.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(7)
    results: dict[str, np.ndarray] = {}
    paths: list[Path] = []
    for name, network, size, exports in networks():
        network = network.eval()
        for parameter in network.parameters():
            if parameter.ndim == 1:
                torch.nn.init.uniform_(parameter, 0.5, 1.5)
            else:
                torch.nn.init.normal_(parameter, std=1.5 / max(parameter[0].numel(), 1) ** 0.5)
        inputs = [pictures(2, size)] if size else tokens(2, 8)
        names = ["x"] if size else ["input_ids", "attention_mask"]
        if not size:
            network = Text(network)
        for kind, version in exports:
            path = FOLDER / f"{name}-{kind}-{version}.onnx"
            for module in network.modules():
                if hasattr(module, "fused_attn"):
                    # Step by step where exporters fail on attention as one operation.
                    module.fused_attn = version >= 14 and (name, kind) != ("swin", "dynamo")
            export(network, inputs, names, kind, version, path)
            shorten(path)
            paths.append(path)
            if kind == "fixed":
                continue
            session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
            outputs = session.run(None, dict(zip(names, inputs)))
            for output, value in zip(session.get_outputs(), outputs):
                results[f"{path.stem}/{output.name}"] = value
    target = FOLDER / "exports.safetensors"
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "onnxruntime": onnxruntime.__version__}
    save_file(results, str(target), metadata=versions)
    return paths + [target]


def Text(network):
    """The network with two inputs and two outputs, by position."""
    import torch

    class Wrapped(torch.nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, ids, mask):
            output = self.inner(input_ids=ids, attention_mask=mask)
            return output.last_hidden_state, output.pooler_output

    return Wrapped(network).eval()
