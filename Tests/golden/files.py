"""Where golden files go, and how they are written."""

import json
import platform
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors.torch import save_file

TESTS = Path(__file__).parents[1]
WEIGHTS = TESTS.parent / ".prefix" / "weights"


def versions(*packages: str) -> dict[str, str]:
    """The versions of what computed a file, for its metadata."""
    return {"python": platform.python_version(), **{package: version(package) for package in packages}}


def write_tensors(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> Path:
    """A safetensors file; float64 becomes float32, everything becomes contiguous."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = {
        name: (tensor.float() if tensor.dtype == torch.float64 else tensor).detach().contiguous().clone()
        for name, tensor in tensors.items()
    }
    save_file(stored, path, metadata={key: str(value) for key, value in metadata.items()})
    return path


def write_json(path: Path, head: dict[str, object], list_name: str, rows: list[dict]) -> Path:
    """A JSON object of `head` and one list, a row a line, so that a change of one case is a change of one line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{json.dumps(name)}: {json.dumps(value)}," for name, value in head.items()]
    body = ",\n".join(json.dumps(row, ensure_ascii=True) for row in rows)
    path.write_text("{\n" + "\n".join(lines) + f"\n{json.dumps(list_name)}: [\n{body}\n]\n}}\n")
    return path
