"""Exports a network with random weights as torch.onnx writes it: `export_onnx.py NETWORK FILE`."""

import sys

import torch


def network(name: str) -> torch.nn.Module:
    if name == "resnet50":
        from torchvision.models import resnet50

        return resnet50()
    import timm

    return timm.create_model({"vit_small": "vit_small_patch16_224", "vit_base": "vit_base_patch16_224"}[name])


def main(name: str, file: str) -> None:
    module = network(name).eval()
    for parameter in module.parameters():  # no layer is left at zero, which would fold away
        if parameter.dim() > 1 and not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)
    torch.onnx.export(
        module, torch.zeros(2, 3, 224, 224), file, input_names=["pictures"], output_names=["logits"], opset_version=17,
        dynamic_axes={"pictures": {0: "N"}, "logits": {0: "N"}}, dynamo=False,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
