"""Element-wise operations, reductions, matrix products, normalised exponentials, indexing."""

import torch
import torch.nn.functional as F

from .cases import Cases


def add(cases: Cases) -> None:
    elementwise(cases)
    reductions(cases)
    products(cases)
    shapes(cases)


def elementwise(cases: Cases) -> None:
    any_real = {
        "relu": F.relu,
        "relu6": F.relu6,
        "gelu": F.gelu,
        "silu": F.silu,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "softplus": F.softplus,
        "exp": torch.exp,
        "abs": torch.abs,
        "negate": torch.neg,
        "square": torch.square,
    }
    for name, function in any_real.items():
        cases.add(name, name, function, [cases.normal(3, 7, scale=1.7, shift=0.01)])
    # Far from zero: what overflows when written carelessly, and both ends of relu6.
    wide = torch.tensor([-87.0, -30.0, -6.5, -0.5, 0.25, 5.75, 6.5, 30.0, 87.0]).double()
    for name in ("relu", "relu6", "gelu", "silu", "sigmoid", "tanh", "softplus"):
        cases.add(f"{name}_wide", name, any_real[name], [wide])
    for name, function in {"log": torch.log, "sqrt": torch.sqrt, "rsqrt": torch.rsqrt}.items():
        cases.add(name, name, function, [cases.positive(3, 7)])
    for exponent in (3.0, 0.5, -1.5):
        cases.add(f"pow_{exponent}", "pow", lambda x: x**exponent, [cases.positive(2, 5)], {"exponent": exponent})
    cases.add("clamp", "clamp", lambda x: x.clamp(-1, 1), [cases.distinct(4, 5)], {"low": -1.0, "high": 1.0})

    broadcasts = {
        "same": ((3, 4), (3, 4)),
        "row": ((3, 4), (4,)),
        "column": ((3, 4), (3, 1)),
        "outer": ((5, 1), (1, 3)),
        "middle": ((2, 1, 3), (4, 1)),
        "scalar": ((2, 3), ()),
        "one": ((1,), (2, 3)),
    }
    for operation in (torch.add, torch.sub, torch.mul, torch.div, torch.maximum, torch.minimum):
        for name, (left, right) in broadcasts.items():
            second = cases.positive(*right) if operation is torch.div else cases.normal(*right)
            cases.add(f"{operation.__name__}_{name}", operation.__name__, operation, [cases.normal(*left), second])
    condition = cases.integers(2, 3, 4).bool()
    cases.add("where", "where", torch.where, [condition, cases.normal(3, 4), cases.normal(3, 4)])


def reductions(cases: Cases) -> None:
    functions = {
        "sum": lambda x, axes, keep: x.sum(axes, keepdim=keep),
        "mean": lambda x, axes, keep: x.mean(axes, keepdim=keep),
        "max": lambda x, axes, keep: x.amax(axes, keepdim=keep),
        "variance": lambda x, axes, keep: x.var(axes, correction=0, keepdim=keep),
        "logSumExp": lambda x, axes, keep: x.logsumexp(axes, keepdim=keep),
    }
    shapes = [
        ((2, 3, 5), (0,), False),
        ((2, 3, 5), (1,), True),
        ((2, 3, 5), (-1,), False),
        ((2, 3, 5), (0, 2), False),
        ((2, 3, 5), (0, 1, 2), False),
        ((4, 1, 3), (1,), False),
        ((1, 1), (1,), True),
    ]
    for operation, function in functions.items():
        for shape, axes, keep in shapes:
            name = f"{operation}_{'x'.join(map(str, shape))}_over_{'_'.join(map(str, axes))}"
            cases.add(
                name,
                operation,
                lambda x: function(x, axes, keep),
                [cases.distinct(*shape)],
                {"axes": list(axes), "keepAxes": keep},
            )
    big = torch.tensor([[1000.0, 1000.5, 999.0], [-1000.0, -1001.0, -1000.25]]).double()
    cases.add(
        "logSumExp_big", "logSumExp", lambda x: x.logsumexp(1), [big], {"axes": [1], "keepAxes": False}
    )
    for operation, function in {"softmax": torch.softmax, "logSoftmax": torch.log_softmax}.items():
        for shape, axis in (((3, 5), -1), ((2, 3, 4), 1), ((4, 1), -1), ((1, 7), -1)):
            name = f"{operation}_{'x'.join(map(str, shape))}_over_{axis}"
            cases.add(name, operation, lambda x: function(x, axis), [cases.normal(*shape, scale=2)], {"axis": axis})
        cases.add(f"{operation}_big", operation, lambda x: function(x, -1), [big], {"axis": -1})


def products(cases: Cases) -> None:
    for name, left, right in (
        ("2d", (3, 5), (5, 4)),
        ("2d_one", (1, 1), (1, 1)),
        ("2d_row", (1, 7), (7, 3)),
        ("2d_column", (5, 1), (1, 6)),
        ("2d_odd", (17, 33), (33, 9)),
        ("batched", (3, 4, 5), (3, 5, 2)),
        ("batched_4d", (2, 3, 4, 5), (2, 3, 5, 3)),
        ("batched_shared", (3, 4, 5), (5, 2)),
        ("batched_broadcast", (2, 1, 3, 4), (1, 3, 4, 2)),
    ):
        cases.add(f"matmul_{name}", "matmul", torch.matmul, [cases.normal(*left), cases.normal(*right)])
    cases.add(
        "matmul_transposed",
        "matmulTransposed",
        lambda a, b: a @ b.transpose(-1, -2),
        [cases.normal(4, 6), cases.normal(5, 6)],
    )
    for name, rows, features, bias in (
        ("2d", (4, 7), 3, True),
        ("2d_no_bias", (4, 7), 3, False),
        ("3d", (2, 3, 7), 5, True),
        ("one", (1, 1), 1, True),
    ):
        inputs = [cases.normal(*rows), cases.normal(features, rows[-1])] + ([cases.normal(features)] if bias else [])
        cases.add(f"linear_{name}", "linear", F.linear, inputs, {"bias": bias})


def shapes(cases: Cases) -> None:
    cases.add(
        "concatenate", "concatenate", lambda *x: torch.cat(x, 1),
        [cases.normal(2, 1, 3), cases.normal(2, 4, 3), cases.normal(2, 2, 3)], {"axis": 1},
    )  # fmt: skip
    cases.add("transpose", "permute", lambda x: x.permute(2, 0, 1), [cases.normal(2, 3, 4)], {"axes": [2, 0, 1]})
    cases.add(
        "slice", "slice", lambda x: x[:, 1:4], [cases.normal(2, 6, 3)], {"axis": 1, "from": 1, "to": 4}
    )
    # Row 2 twice and row 0 never: a gradient that must add up, and one that stays zero.
    indices = torch.tensor([[2, 4, 2], [1, 3, 5]])
    cases.add("embedding", "embedding", F.embedding, [indices, cases.normal(6, 4)])
    cases.add(
        "l2Normalize", "l2Normalize", lambda x: F.normalize(x, dim=-1), [cases.normal(3, 5)],
        {"axis": -1, "epsilon": 1e-12},
    )  # fmt: skip
