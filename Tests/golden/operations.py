"""Values and gradients of the engine's operations, losses and optimizers.

`operations.safetensors` holds, for every CASE of `operations.json`:

    CASE/input0, CASE/input1 …   the inputs
    CASE/output                  the value
    CASE/cotangent               g, of the output's shape
    CASE/grad0, CASE/grad1 …     d sum(output · g) / d input; absent for inputs that are not differentiated
    CASE/NAME                    further results a case names (running statistics, …)

Image tensors are [N, H, W, C], convolution weights PyTorch's [out, in / groups, kernelH, kernelW]. Cases without a
gradient (optimizers, learning rates) store inputs and output only.
"""

import torch

from . import operations_layers, operations_losses, operations_math, operations_training
from .cases import Cases
from .files import TESTS, versions, write_json, write_tensors


def write():
    cases = Cases(seed=20)
    for part in (operations_math, operations_layers, operations_losses, operations_training):
        part.add(cases)
    folder = TESTS / "PandoTensorTests" / "Golden"
    made_by = versions("torch", "torchvision")
    return [
        write_tensors(folder / "operations.safetensors", cases.tensors, made_by),
        write_json(folder / "operations.json", {"versions": made_by}, "cases", cases.listing),
    ]
