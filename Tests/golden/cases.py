"""Collects cases: runs an operation in float64 with PyTorch and keeps inputs, value and gradients."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .files import TESTS, versions, write_json, write_tensors


def nchw(x: Tensor) -> Tensor:
    return x.permute(0, 3, 1, 2)


def nhwc(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)


class Cases:
    def __init__(self, seed: int):
        self.generator = torch.Generator().manual_seed(seed)
        self.tensors: dict[str, Tensor] = {}
        self.listing: list[dict] = []

    def normal(self, *shape: int, scale: float = 1.0, shift: float = 0.0) -> Tensor:
        """Gaussian numbers, exact in float32."""
        return (torch.randn(shape, generator=self.generator) * scale + shift).double()

    def positive(self, *shape: int) -> Tensor:
        """Uniform in [0.2, 2.2), exact in float32."""
        return (torch.rand(shape, generator=self.generator) * 2 + 0.2).float().double()

    def distinct(self, *shape: int) -> Tensor:
        """Shuffled multiples of 0.25 around zero, never 0: no ties for a maximum, no kink for a rectifier."""
        count = 1
        for size in shape:
            count *= size
        steps = torch.randperm(count, generator=self.generator) - count // 2
        return (steps.double() * 0.25 + 0.125).reshape(shape)

    def integers(self, bound: int, *shape: int) -> Tensor:
        return torch.randint(0, bound, shape, generator=self.generator)

    def add(
        self,
        name: str,
        operation: str,
        function: Callable[..., Tensor],
        inputs: Sequence[Tensor],
        attributes: dict | None = None,
        frozen: Sequence[int] = (),
    ) -> None:
        """Adds one case. `frozen`: positions of floating inputs that get no gradient (class weights, targets)."""
        self._list(name, operation, attributes, len(inputs))
        leaves = []
        for position, tensor in enumerate(inputs):
            leaf = tensor.detach().clone()
            if leaf.is_floating_point() and position not in frozen:
                leaf.requires_grad_()
            leaves.append(leaf)
        output = function(*leaves)
        cotangent = torch.randn(output.shape, generator=self.generator).double()
        (output * cotangent).sum().backward()
        self._keep(name, inputs, output)
        self.tensors[f"{name}/cotangent"] = cotangent
        for position, leaf in enumerate(leaves):
            if leaf.requires_grad:
                self.tensors[f"{name}/grad{position}"] = leaf.grad

    def add_value(self, name: str, operation: str, inputs: Sequence[Tensor], output: Tensor, attributes: dict) -> None:
        """Adds one case without gradients."""
        self._list(name, operation, attributes, len(inputs))
        self._keep(name, inputs, output)

    def extra(self, name: str, result: str, tensor: Tensor) -> None:
        self.tensors[f"{name}/{result}"] = tensor

    def _list(self, name: str, operation: str, attributes: dict | None, inputs: int) -> None:
        if any(case["name"] == name for case in self.listing):
            raise ValueError(f"two cases are called {name!r}")
        self.listing.append(
            {"name": name, "operation": operation, "inputs": inputs, "attributes": attributes or {}}
        )

    def _keep(self, name: str, inputs: Sequence[Tensor], output: Tensor) -> None:
        for position, tensor in enumerate(inputs):
            self.tensors[f"{name}/input{position}"] = tensor
        self.tensors[f"{name}/output"] = output


def write_cases(name: str, cases: Cases):
    """Writes the cases as `Tests/PandoTensorTests/Golden/NAME.safetensors` and `NAME.json`."""
    folder = TESTS / "PandoTensorTests" / "Golden"
    made_by = versions("torch", "torchvision")
    return [
        write_tensors(folder / f"{name}.safetensors", cases.tensors, made_by),
        write_json(folder / f"{name}.json", {"versions": made_by}, "cases", cases.listing),
    ]
