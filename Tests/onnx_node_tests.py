#!/usr/bin/env python3
"""Writes ONNX's own tests of single operators to a folder: a model, inputs and outputs for each.

`./run test` calls it, once, with the Python of `.onnx-tests`, where it has installed `onnx`:

    .onnx-tests/bin/python3 Tests/onnx_node_tests.py .onnx-tests/node

Tests of sequences, optional values and texts are left out, as are those of training and of classical machine learning:
no frozen backbone has them. The Swift tests in `PandoONNXTests` read the folder.
"""

import shutil
import sys
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
import numpy as np  # noqa: E402
import onnx  # noqa: E402
from onnx import numpy_helper  # noqa: E402
from onnx.backend.test.case.node import collect_testcases  # noqa: E402


def values(items: list, infos: list, folder: Path, kind: str) -> bool:
    """Writes one file for each value; False if one is no tensor of numbers."""
    for index, (item, info) in enumerate(zip(items, infos)):
        if not info.type.HasField("tensor_type") or info.type.tensor_type.elem_type == onnx.TensorProto.STRING:
            return False
        tensor = item if isinstance(item, onnx.TensorProto) else numpy_helper.from_array(np.asarray(item), info.name)
        (folder / f"{kind}_{index}.pb").write_bytes(tensor.SerializeToString())
    return True


def main() -> None:
    target = Path(sys.argv[1])
    stamp = target / "complete"
    if stamp.exists() and stamp.read_text() == onnx.__version__:
        print(f"{target}: there already")
        return
    shutil.rmtree(target, ignore_errors=True)
    count = 0
    for case in collect_testcases(None):
        if case.kind != "node" or any(opset.domain not in ("", "ai.onnx") for opset in case.model.opset_import):
            continue
        folder = target / case.name
        folder.mkdir(parents=True)
        graph = case.model.graph
        inputs, outputs = case.data_sets[0]
        if values(inputs, graph.input, folder, "input") and values(outputs, graph.output, folder, "output"):
            (folder / "model.onnx").write_bytes(case.model.SerializeToString())
            count += 1
        else:
            shutil.rmtree(folder)
    stamp.write_text(onnx.__version__)
    print(f"{count} tests of onnx {onnx.__version__} in {target}")


if __name__ == "__main__":
    main()
