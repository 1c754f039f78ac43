"""What both serving peers run: a Pando bundle over MobileNetV2, in PyTorch.

    .bench/bin/python3 Benchmarks/serve_model.py BUNDLE PICTURE...      answers, a JSON line each

The network is torchvision's with its own weights; each task's head, the labels and the preprocessing are read from the
bundle. The heads read the pooled vector followed by the mean of every stage's last map. Retrieval tasks say nothing of a
single picture and are left out, as Pando leaves them out.
"""

import io
import json
import sys
from pathlib import Path

import numpy
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn
from torchvision.models import mobilenet_v2

WEIGHTS = Path(__file__).parents[1] / ".prefix" / "weights" / "mobilenet_v2.pth"
# The last block of every stage but the first, by its place in torchvision's `features`.
STAGES = (3, 6, 10, 13, 16, 17)


class Preprocessing:
    """The longer side fits, the picture stands in the middle, the rest is filled; then mean and deviation."""

    def __init__(self, folder: Path):
        settings = json.loads((folder / "preprocessor_config.json").read_text())
        if not settings.get("do_pad") or settings["size"].keys() != {"longest_edge"}:
            raise SystemExit(f"{folder}: only pictures that are padded to a square are read here")
        self.side = settings["size"]["longest_edge"]
        self.fill = tuple(settings["pad_color"])
        self.resample = Image.Resampling(settings["resample"])
        mean, deviation = (numpy.array(settings[name], numpy.float32) for name in ("image_mean", "image_std"))
        self.scale = numpy.float32(settings["rescale_factor"]) / deviation
        self.shift = -mean / deviation

    def __call__(self, encoded: bytes) -> numpy.ndarray:
        """`[3, side, side]`"""
        with Image.open(io.BytesIO(encoded)) as picture:
            if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
                picture = picture.convert("RGBA")
                ground = Image.new("RGBA", picture.size, (255, 255, 255, 255))
                picture = Image.alpha_composite(ground, picture)
            picture = picture.convert("RGB")
        ratio = max(picture.size) / self.side
        size = tuple(max(1, round(side / ratio)) for side in picture.size)
        frame = Image.new("RGB", (self.side, self.side), self.fill)
        frame.paste(picture.resize(size, self.resample), tuple((self.side - side) // 2 for side in size))
        pixels = numpy.asarray(frame, numpy.float32) * self.scale + self.shift
        return numpy.ascontiguousarray(pixels.transpose(2, 0, 1))


class Predictor(nn.Module):
    """Standardised, then linear, with one hidden layer beside it where the bundle has one."""

    def __init__(self, tensors: dict[str, torch.Tensor]):
        super().__init__()
        for name, tensor in tensors.items():
            self.register_buffer(name.replace(".", "_"), tensor)
        self.has_hidden = "hidden.weight" in tensors

    def forward(self, features):
        x = (features - self.standardization_mean) * self.standardization_scale
        outputs = nn.functional.linear(x, self.linear_weight, self.linear_bias)
        if self.has_hidden:
            middle = nn.functional.linear(x, self.hidden_weight, self.hidden_bias).relu()
            outputs = outputs + nn.functional.linear(middle, self.output_weight, self.output_bias)
        return outputs


class Task:
    def __init__(self, folder: Path):
        self.name = folder.name
        self.kind = json.loads((folder / "task.json").read_text())["kind"]
        self.labels = json.loads((folder / "labels.json").read_text())
        self.tensors = load_file(folder / "head.safetensors")

    def answer(self, row: numpy.ndarray, top: int):
        """What is said of one picture."""
        if self.kind == "regression":
            return float(row[0])
        best = numpy.argsort(-row, kind="stable")[:top]
        return [{"label": self.labels[index], "score": float(row[index])} for index in best]


class Network(nn.Module):
    """Pictures `[N, 3, H, W]` to the outputs of every task, in their order."""

    def __init__(self, tasks: list[Task]):
        super().__init__()
        network = mobilenet_v2()
        network.load_state_dict(torch.load(WEIGHTS, weights_only=True))
        self.features = network.features
        self.heads = nn.ModuleList(Predictor(task.tensors) for task in tasks)
        self.kinds = [task.kind for task in tasks]
        self.numbers = [
            (float(task.tensors["target_mean"]), float(task.tensors["target_scale"])) if task.kind == "regression" else None
            for task in tasks
        ]

    def forward(self, pictures):
        means = []
        x = pictures
        for index, block in enumerate(self.features):
            x = block(x)
            if index in STAGES:
                means.append(x.mean((2, 3)))
        features = torch.cat([x.mean((2, 3)), *means], 1)
        outputs = []
        for head, kind, number in zip(self.heads, self.kinds, self.numbers):
            y = head(features)
            if kind == "classification":
                y = y.softmax(1)
            elif kind == "multilabel":
                y = y.sigmoid()
            else:
                mean, scale = number
                y = y * scale + mean
            outputs.append(y)
        return tuple(outputs)


class Bundle:
    def __init__(self, folder: Path):
        self.preprocessing = Preprocessing(folder / "backbone")
        order = json.loads((folder / "bundle.json").read_text())["tasks"]
        tasks = [Task(folder / "tasks" / name) for name in order]
        self.tasks = [task for task in tasks if task.kind != "retrieval"]
        self.network = Network(self.tasks).eval().requires_grad_(False)

    def asked(self, names: str | None) -> set[str]:
        known = {task.name for task in self.tasks}
        asked = set(names.split(",")) if names else known
        if not asked <= known:
            raise ValueError(f"unknown tasks {sorted(asked - known)}; there are {sorted(known)}")
        return asked

    def answers(self, outputs, row: int, asked: set[str], top: int) -> dict:
        return {
            task.name: task.answer(output[row], top) for task, output in zip(self.tasks, outputs) if task.name in asked
        }


def main() -> None:
    bundle = Bundle(Path(sys.argv[1]))
    for path in sys.argv[2:]:
        pixels = torch.from_numpy(bundle.preprocessing(Path(path).read_bytes()))[None]
        with torch.inference_mode():
            outputs = [output.numpy() for output in bundle.network(pixels)]
        print(json.dumps({"image": path, "tasks": bundle.answers(outputs, 0, bundle.asked(None), 3)}), flush=True)


if __name__ == "__main__":
    main()
