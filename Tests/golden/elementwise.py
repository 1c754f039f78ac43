"""Functions of single elements, comparisons, reductions, running sums and orders: `elementwise.safetensors`."""

import torch
import torch.nn.functional as F

from .cases import Cases, write_cases

AXES = [
    ((2, 3, 5), (0,), False),
    ((2, 3, 5), (1,), True),
    ((2, 3, 5), (-1,), False),
    ((2, 3, 5), (0, -1), False),
    ((2, 3, 5), (0, 1, 2), True),
    ((4, 1, 3), (1,), False),
    ((1, 1), (1,), True),
]


def write():
    cases = Cases(seed=31)
    activations(cases)
    functions(cases)
    pairs(cases)
    masks(cases)
    reductions(cases)
    norms(cases)
    running(cases)
    orders(cases)
    return write_cases("elementwise", cases)


def activations(cases: Cases) -> None:
    table = {
        "leakyReLU": (lambda x: F.leaky_relu(x, 0.1), {"slope": 0.1}),
        "elu": (lambda x: F.elu(x, 1.5), {"alpha": 1.5}),
        "selu": (F.selu, {}),
        "celu": (lambda x: F.celu(x, 0.75), {"alpha": 0.75}),
        "hardTanh": (F.hardtanh, {}),
        "geluTanh": (lambda x: F.gelu(x, approximate="tanh"), {}),
        "mish": (F.mish, {}),
        "hardSwish": (F.hardswish, {}),
        "hardSigmoid": (F.hardsigmoid, {}),
        "softplus": (lambda x: F.softplus(x, beta=2.5, threshold=100), {"beta": 2.5}),
        "expm1": (torch.expm1, {}),
        "erf": (torch.erf, {}),
        "sign": (torch.sign, {}),
        "floor": (torch.floor, {}),
        "ceil": (torch.ceil, {}),
        "round": (torch.round, {}),
    }
    wide = torch.tensor([-87.0, -30.0, -6.5, -2.75, -0.25, 0.25, 2.5, 3.5, 6.5, 30.0, 80.0]).double()
    for name, (function, attributes) in table.items():
        cases.add(name, name, function, [cases.normal(3, 7, scale=1.7, shift=0.01)], attributes)
        cases.add(f"{name}_small", name, function, [cases.normal(9, scale=1e-3)], attributes)
        if name != "expm1":
            cases.add(f"{name}_wide", name, function, [wide], attributes)
        cases.add(f"{name}_empty", name, function, [cases.normal(0, 4)], attributes)
    for name, shape, slopes in (("channels", (2, 3, 4), (4,)), ("one", (2, 3), (1,))):
        cases.add(
            f"prelu_{name}", "prelu", lambda x, w: torch.where(x > 0, x, w * x),
            [cases.normal(*shape), cases.normal(*slopes)],
        )  # fmt: skip


def functions(cases: Cases) -> None:
    for scale in (1.0, 1e-4):
        cases.add(f"log1p_{scale}", "log1p", torch.log1p, [cases.positive(3, 5) * scale])
    cases.add("log1p_negative", "log1p", torch.log1p, [-cases.positive(7) / 2.5])
    cases.add("expm1_large", "expm1", torch.expm1, [cases.normal(7, shift=12)])
    cube = lambda x: torch.sign(x) * torch.abs(x) ** (1 / 3)
    cases.add("cbrt", "cbrt", cube, [cases.distinct(4, 5)])
    cases.add("cbrt_far", "cbrt", cube, [torch.tensor([1e20, 3e25, 2e28]).double()])
    cases.add("rsqrt", "rsqrt", torch.rsqrt, [cases.positive(3, 5)])
    cases.add("reciprocal", "reciprocal", torch.reciprocal, [cases.positive(3, 5)])


def pairs(cases: Cases) -> None:
    shapes = {"same": ((3, 4), (3, 4)), "row": ((3, 4), (4,)), "outer": ((5, 1), (1, 3)), "scalar": ((2, 3), ())}
    for name, (left, right) in shapes.items():
        cases.add(f"powTensor_{name}", "powTensor", torch.pow, [cases.positive(*left), cases.normal(*right)])
        cases.add(
            f"remainder_{name}", "remainder", torch.remainder,
            [cases.normal(*left, scale=3), cases.positive(*right)],
        )  # fmt: skip
        cases.add(
            f"lerp_{name}", "lerp", lambda x, y, w: x + w * (y - x),
            [cases.normal(*left), cases.normal(*right), cases.positive(*left)],
        )  # fmt: skip
        bounds = [cases.distinct(*left), cases.normal(*right) * 0.1 - 0.5, cases.normal(*right) * 0.1 + 0.5]
        cases.add(f"clampTensor_{name}", "clampTensor", torch.clamp, bounds)
    cases.add("remainder_negative", "remainder", torch.remainder, [cases.normal(3, 4, scale=3), -cases.positive(4)])
    cases.add("clampLow", "clampLow", lambda x: x.clamp(min=-0.5), [cases.distinct(4, 5)])
    cases.add("clampHigh", "clampHigh", lambda x: x.clamp(max=0.5), [cases.distinct(4, 5)])


def masks(cases: Cases) -> None:
    odd = torch.tensor([[1.0, 3.0, -2.0], [1e30, 0.0, -1e-30]]).double()
    other = torch.tensor([1.0, 0.0, -2.0]).double()
    for name in ("eq", "ne", "lt", "le", "gt", "ge"):
        cases.add_value(name, name, [odd, other], getattr(torch, name)(odd, other), {})
        cases.add_value(f"{name}_number", f"{name}Number", [odd], getattr(torch, name)(odd, 1.0), {})
        whole = [cases.integers(4, 3, 4), cases.integers(4, 4)]
        cases.add_value(f"{name}_whole", name, whole, getattr(torch, name)(*whole), {})
    for name in ("logical_and", "logical_or", "logical_xor"):
        both = [cases.integers(2, 3, 4).bool(), cases.integers(2, 4).bool()]
        cases.add_value(name, name, both, getattr(torch, name)(*both), {})
    mask = cases.integers(2, 3, 4).bool()
    cases.add_value("logical_not", "logical_not", [mask], ~mask, {})
    cases.add("maskedFill", "maskedFill", lambda x, m: x.masked_fill(m, 2.5), [cases.normal(2, 3, 4), mask])
    cases.add("maskedSelect", "maskedSelect", torch.masked_select, [cases.normal(2, 3, 4), mask])


def reductions(cases: Cases) -> None:
    def product(x, axes, keep):
        for axis in sorted((axis % x.dim() for axis in axes), reverse=True):
            x = x.prod(axis, keepdim=keep)
        return x

    table = {
        "min": lambda x, axes, keep: x.amin(axes, keepdim=keep),
        "product": product,
        "norm1": lambda x, axes, keep: torch.linalg.vector_norm(x, 1, axes, keep),
    }
    for operation, function in table.items():
        for shape, axes, keep in AXES:
            attributes = {"axes": list(axes), "keepAxes": keep}
            values = cases.normal(*shape) if operation == "product" else cases.distinct(*shape)
            cases.add(title(operation, shape, axes), operation, lambda x: function(x, axes, keep), [values], attributes)
    zeros = torch.tensor([[2.0, 0.0, 3.0], [0.0, 0.0, 5.0], [1.0, 2.0, 3.0]]).double()
    cases.add("product_zeros", "product", lambda x: x.prod(1), [zeros], {"axes": [1], "keepAxes": False})
    ties = torch.tensor([[2.0, 2.0, 1.0], [0.0, 5.0, 5.0]]).double()
    for operation in ("min", "max"):
        function = getattr(torch, f"a{operation}")
        cases.add(
            f"{operation}_ties", operation, lambda x: function(x, 1), [ties], {"axes": [1], "keepAxes": False}
        )
    for operation, function in {"variance": torch.var, "deviation": torch.std}.items():
        for correction in (0, 1):
            for shape, axes, keep in AXES[:5]:
                name = title(f"{operation}{correction}", shape, axes)
                attributes = {"axes": list(axes), "keepAxes": keep, "correction": correction}
                cases.add(
                    name, operation, lambda x: function(x, axes, correction=correction, keepdim=keep),
                    [cases.normal(*shape)], attributes,
                )  # fmt: skip
    for operation in ("argmax", "argmin"):
        for shape, axis in (((3, 5), -1), ((3, 5), 0), ((2, 3, 4), 1), ((1, 1), 0)):
            values = cases.distinct(*shape)
            name = title(operation, shape, (axis,))
            cases.add_value(name, operation, [values], getattr(torch, operation)(values, axis), {"axis": axis})
    for operation, function in {"any": torch.any, "all": torch.all}.items():
        for shape, axis in (((3, 5), -1), ((3, 5), 0), ((2, 3, 2), 1), ((0, 4), 0)):
            values = cases.integers(2, *shape).bool()
            cases.add_value(
                title(operation, shape, (axis,)), operation, [values], function(values, axis), {"axis": axis}
            )


def title(operation: str, shape: tuple, axes: tuple) -> str:
    return f"{operation}_{'x'.join(map(str, shape))}_over_{'_'.join(map(str, axes))}"


def norms(cases: Cases) -> None:
    for name, order in {"2": 2.0, "half": 0.5, "3": 3.0, "infinity": float("inf"), "lowest": float("-inf")}.items():
        for shape, axes, keep in AXES[:5]:
            attributes = {"axes": list(axes), "keepAxes": keep, "order": name}
            cases.add(
                title(f"norm{name}", shape, axes), "norm",
                lambda x: torch.linalg.vector_norm(x, order, axes, keep), [cases.distinct(*shape)], attributes,
            )  # fmt: skip
    rows = torch.tensor([[0.0, 0.0, 0.0], [3.0, 0.0, -4.0]]).double()
    cases.add("norm2_zero", "norm", lambda x: x.norm(2, 1), [rows], {"axes": [1], "keepAxes": False, "order": "2"})


def running(cases: Cases) -> None:
    for shape, axis in (((3, 5), -1), ((3, 5), 0), ((2, 3, 4), 1), ((4, 1), 1), ((0, 3), 0)):
        for operation in ("cumsum", "cumprod"):
            function = getattr(torch, operation)
            cases.add(
                title(operation, shape, (axis,)), operation, lambda x: function(x, axis), [cases.normal(*shape)],
                {"axis": axis},
            )  # fmt: skip
        for operation in ("cummax", "cummin"):
            function = getattr(torch, operation)
            cases.add(
                title(operation, shape, (axis,)), operation, lambda x: function(x, axis).values,
                [cases.distinct(*shape)], {"axis": axis},
            )  # fmt: skip
    zeros = torch.tensor([[2.0, 0.0, 3.0, 0.0, 5.0]]).double()
    cases.add("cumprod_zeros", "cumprod", lambda x: x.cumprod(1), [zeros], {"axis": 1})


def orders(cases: Cases) -> None:
    for shape, axis in (((3, 5), -1), ((3, 5), 0), ((2, 3, 4), 1), ((4, 1), 1)):
        for descending in (False, True):
            name = title(f"sort{descending}", shape, (axis,))
            values = cases.distinct(*shape)
            attributes = {"axis": axis, "descending": descending}
            cases.add(
                name, "sort", lambda x: x.sort(dim=axis, descending=descending, stable=True).values, [values], attributes
            )
            cases.extra(name, "indices", values.sort(dim=axis, descending=descending, stable=True).indices)
        for operation in ("median", "quantile"):
            function = (lambda x: x.median(axis).values) if operation == "median" else (lambda x: x.quantile(0.3, axis))
            cases.add(
                title(operation, shape, (axis,)), operation, function, [cases.distinct(*shape)], {"axis": axis}
            )
    ties = cases.integers(3, 2, 9).double()
    cases.add_value(
        "argsort_ties", "argsort", [ties], ties.sort(dim=-1, stable=True).indices, {"axis": -1, "descending": False}
    )
    cases.add_value(
        "argsort_ties_descending", "argsort", [ties], ties.sort(dim=-1, descending=True, stable=True).indices,
        {"axis": -1, "descending": True},
    )  # fmt: skip
    for largest in (True, False):
        for count, axis in ((2, -1), (3, 0), (0, 0)):
            name = f"topK_{count}_over_{axis}_{largest}"
            values = cases.distinct(3, 5)
            attributes = {"axis": axis, "count": count, "largest": largest}
            cases.add(name, "topK", lambda x: x.topk(count, axis, largest).values, [values], attributes)
            cases.extra(name, "indices", values.topk(count, axis, largest).indices)
