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

from . import operations_layers, operations_losses, operations_math, operations_training
from .cases import Cases, write_cases


def write():
    cases = Cases(seed=20)
    for part in (operations_math, operations_layers, operations_losses, operations_training):
        part.add(cases)
    return write_cases("operations", cases)
