"""Holds exported models against ONNX's checker and ONNX Runtime.

    pando export out/clipart --onnx clipart.onnx --example clipart.safetensors
    python3 Tests/onnx_export_check.py clipart.onnx clipart.safetensors

The example holds pictures and what the bundle answers for them. Needs onnx, onnxruntime, safetensors and numpy. Prints
each output's largest difference as a share of the root mean square of what was expected, and exits with 1 above 1e-4.
"""

import json
import sys

import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import load_file

LIMIT = 1e-4


def check(path: str, example: str) -> bool:
    onnx.checker.check_model(path, full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    expected = load_file(example)
    pictures = expected.pop("pictures")
    names = [output.name for output in session.get_outputs()]
    assert sorted(names) == sorted(expected), f"the model gives {names}, the example holds {sorted(expected)}"
    size = session.get_inputs()[0].shape[0]
    worst = 0.0
    for count in [len(pictures)] if isinstance(size, int) else [1, len(pictures)]:
        for name, found in zip(names, session.run(names, {"pictures": pictures[:count]})):
            wanted = expected[name][:count]
            assert found.shape == wanted.shape, f"{name}: shape {found.shape}, expected {wanted.shape}"
            error = float(np.abs(found - wanted).max() / np.sqrt((wanted.astype(np.float64) ** 2).mean()))
            labels = metadata.get(f"tasks.{name}.labels")
            named = f", {len(json.loads(labels))} labels" if labels else ""
            print(f"{name:12} batch {count}: {list(found.shape)}{named}, largest difference {error:.1e} of the RMS")
            worst = max(worst, error) if error == error else float("inf")
    print(f"{path}: the checker is content; largest difference {worst:.1e} ({onnxruntime.__version__})")
    return worst <= LIMIT


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(0 if check(*sys.argv[1:]) else 1)
