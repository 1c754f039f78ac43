"""What reference processors make of pictures: transformers' Pillow processors and timm's evaluation transforms.

A picture is drawn by a formula that `PreprocessingParityTests.swift` has too, so none is stored. Of each result about
120 values are stored, as float16: every one at a stride that meets all rows, columns and channels.
"""

import base64

import numpy as np
import torch
from PIL import Image

from .files import TESTS, versions, write_json

SIZES = [(97, 61), (40, 75), (23, 23), (301, 33), (16, 9), (64, 480)]
SAMPLES = 120
HALF = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
CLIP = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}

# Each a preprocessor_config.json, with sizes made smaller so that results are.
PROCESSORS = {
    "vit": {"image_processor_type": "ViTImageProcessor", "size": {"height": 56, "width": 48}, "resample": 2, **HALF},
    "vit legacy": {"feature_extractor_type": "ViTFeatureExtractor", "size": 32, "resample": 2, **HALF},
    "swin": {"image_processor_type": "ViTImageProcessor", "size": {"height": 56, "width": 56}, "resample": 3, **IMAGENET},
    "vit nearest": {"image_processor_type": "ViTImageProcessor", "size": 41, "resample": 0, **HALF},
    "vit lanczos": {"image_processor_type": "ViTImageProcessorFast", "size": 41, "resample": 1, **HALF},
    "vit box": {"image_processor_type": "ViTImageProcessor", "size": 41, "resample": 4, **HALF},
    "vit hamming": {"image_processor_type": "ViTImageProcessor", "size": 41, "resample": 5, **HALF},
    "vit plain": {
        "image_processor_type": "ViTImageProcessor", "size": 20, "resample": 2, "do_rescale": False,
        "do_normalize": False,
    },
    "vit unscaled": {
        "image_processor_type": "ViTImageProcessor", "size": 20, "resample": 2, "do_rescale": False,
        "image_mean": 127.5, "image_std": 127.5,
    },
    "clip": {
        "image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 48},
        "crop_size": {"height": 48, "width": 48}, "do_center_crop": True, "resample": 3, "do_convert_rgb": True, **CLIP,
    },
    "clip legacy": {
        "feature_extractor_type": "CLIPFeatureExtractor", "size": 37, "crop_size": 32, "do_center_crop": True,
        "resample": 3, **CLIP,
    },
    "clip unresized": {
        "image_processor_type": "CLIPImageProcessor", "do_resize": False, "do_center_crop": True,
        "crop_size": {"height": 47, "width": 50}, "resample": 3, **CLIP,
    },
    "clip wide crop": {
        "image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 31}, "do_center_crop": True,
        "crop_size": {"height": 44, "width": 50}, "resample": 3, **CLIP,
    },
    "dinov2": {
        "image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 64},
        "crop_size": {"height": 56, "width": 56}, "do_center_crop": True, "resample": 3, **IMAGENET,
    },
    "siglip": {
        "image_processor_type": "SiglipImageProcessor", "size": {"height": 48, "width": 48}, "resample": 3, **HALF,
    },
    "siglip 2": {
        "image_processor_type": "SiglipImageProcessor", "size": {"height": 48, "width": 48}, "resample": 2, **HALF,
    },
    "convnext": {
        "image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 56}, "crop_pct": 0.875,
        "resample": 3, **IMAGENET,
    },
    "convnext legacy": {
        "feature_extractor_type": "ConvNextFeatureExtractor", "size": 40, "crop_pct": 0.95, "resample": 3, **IMAGENET,
    },
    "convnext 384": {
        "image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 384}, "crop_pct": 0.875,
        "resample": 3, **IMAGENET,
    },
    "deit": {
        "image_processor_type": "DeiTImageProcessor", "size": 64, "crop_size": 56, "do_center_crop": True,
        "resample": 3, **IMAGENET,
    },
    "mobilenet v2": {
        "image_processor_type": "MobileNetV2ImageProcessor", "size": {"shortest_edge": 64},
        "crop_size": {"height": 56, "width": 56}, "do_center_crop": True, "resample": 2, **HALF,
    },
    "efficientnet": {
        "image_processor_type": "EfficientNetImageProcessor", "size": {"height": 56, "width": 56},
        "crop_size": {"height": 48, "width": 48}, "do_center_crop": False, "resample": 0, "rescale_offset": False,
        "include_top": True, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.47853944, 0.4732864, 0.47434163],
    },
    "efficientnet offset": {
        "image_processor_type": "EfficientNetImageProcessor", "size": {"height": 40, "width": 44}, "resample": 3,
        "rescale_factor": 1 / 127.5, "rescale_offset": True, "do_normalize": False, "include_top": False, **IMAGENET,
    },
}

# Each a pretrained_cfg.
TIMM = {
    "timm center": {"input_size": [3, 56, 56], "interpolation": "bicubic", "crop_pct": 0.875, "crop_mode": "center"},
    "timm odd": {"input_size": [3, 47, 47], "interpolation": "bilinear", "crop_pct": 0.9},
    "timm whole": {"input_size": [3, 48, 48], "interpolation": "bicubic", "crop_pct": 1.0, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
    "timm defaults": {"input_size": [3, 32, 32]},
    "timm squash": {"input_size": [3, 45, 56], "interpolation": "bicubic", "crop_pct": 0.95, "crop_mode": "squash"},
    "timm border": {"input_size": [3, 47, 60], "interpolation": "bilinear", "crop_pct": 1.0, "crop_mode": "border"},
    "timm border cut": {"input_size": [3, 47, 47], "interpolation": "bicubic", "crop_pct": 0.8, "crop_mode": "border"},
    "timm oblong": {"input_size": [3, 33, 52], "interpolation": "bicubic", "crop_pct": 0.9, "crop_mode": "center"},
    "timm lanczos": {"input_size": [3, 40, 40], "interpolation": "lanczos", "crop_pct": 0.875, "fixed_input_size": True},
}


def picture(width: int, height: int) -> Image.Image:
    """A smooth slope, fine stripes and noise, one in each channel and mixed: `PreprocessingParityTests.swift` has it too."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    noise = (x * 7919 + y * 104729 + x * y * 31) % 251
    red = (x * 255 // max(width - 1, 1) + noise // 8) % 256
    green = np.where((x // 3 + y // 2) % 2 == 0, 230, 20)
    blue = noise
    return Image.fromarray(np.stack([red, green, blue], -1).astype(np.uint8))


def stride_through(count: int) -> int:
    """A stride that leaves about SAMPLES values and shares no factor with the channels."""
    stride = max(1, count // SAMPLES) | 1
    return stride if stride % 3 else stride + 2


def processor(config: dict):
    from transformers.models import bit, clip, convnext, deit, efficientnet, mobilenet_v2, siglip, vit

    kind = config.get("image_processor_type", config.get("feature_extractor_type"))
    kind = kind.removesuffix("Fast").replace("FeatureExtractor", "ImageProcessor")
    for package in (bit, clip, convnext, deit, efficientnet, mobilenet_v2, siglip, vit):
        found = getattr(package, kind + "Pil", None)
        if found is not None:
            return found(**{key: value for key, value in config.items() if not key.endswith("_type")})
    raise LookupError(kind)


def transform(config: dict):
    from timm.data import create_transform, resolve_data_config

    return create_transform(**resolve_data_config({}, pretrained_cfg=config))


def write():
    rows = []
    for name, config in {**PROCESSORS, **TIMM}.items():
        is_timm = name.startswith("timm")
        apply = transform(config) if is_timm else processor(config)
        results = []
        for width, height in SIZES:
            image = picture(width, height)
            if is_timm:
                result = apply(image)
            else:
                result = torch.from_numpy(np.asarray(apply(image, return_tensors="np")["pixel_values"][0], np.float32))
            values = result.permute(1, 2, 0).reshape(-1).double().numpy()
            stride = stride_through(len(values))
            results.append({
                "size": [width, height], "shape": [result.shape[1], result.shape[2]], "stride": stride,
                "samples": base64.b64encode(values[::stride].astype("<f2").tobytes()).decode(),
            })
        reader = "timm" if is_timm else "transformers"
        rows.append({"name": name, "reader": reader, "config": config, "results": results})
    folder = TESTS / "PandoDataTests" / "Fixtures"
    head = {"versions": versions("transformers", "timm", "torchvision", "pillow", "numpy")}
    return [write_json(folder / "preprocessing.json", head, "cases", rows)]
