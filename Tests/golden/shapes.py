"""Shapes, indices, matrix products of any rank and Einstein sums: `shapes.safetensors`."""

import torch
import torch.nn.functional as F

from .cases import Cases, write_cases


def write():
    cases = Cases(seed=32)
    padding(cases)
    moves(cases)
    indexing(cases)
    matrices(cases)
    products(cases)
    return write_cases("shapes", cases)


def padding(cases: Cases) -> None:
    for before, after in (((0, 1, 2), (0, 2, 1)), ((0, 0, 3), (0, 0, 0)), ((0, 0, 0), (0, 1, 0))):
        flat = [count for axis in (2, 1, 0) for count in (before[axis], after[axis])]
        for mode in ("constant", "reflect", "replicate", "circular"):
            # Only constant padding reaches the batch axis in PyTorch; the others take the last axes of [N, C, …].
            used = flat if mode == "constant" else flat[:4]
            value = {"value": 1.5} if mode == "constant" else {}
            cases.add(
                f"pad_{mode}_{before}_{after}".replace(", ", ""), "pad",
                lambda x: F.pad(x if mode == "constant" else x[None], used, mode, **value).reshape(
                    [x.shape[axis] + before[axis] + after[axis] for axis in range(3)]),
                [cases.normal(2, 3, 4)], {"before": list(before), "after": list(after), "mode": mode},
            )  # fmt: skip
    cases.add(
        "pad_all", "pad", lambda x: F.pad(x, (1, 0, 0, 2), value=1.5), [cases.normal(0, 2)],
        {"before": [0, 1], "after": [2, 0], "mode": "constant"},
    )  # fmt: skip


def moves(cases: Cases) -> None:
    for axes in ([0], [1, -1], [0, 1, 2]):
        cases.add(f"flip_{axes}", "flip", lambda x: x.flip(axes), [cases.normal(2, 3, 4)], {"axes": axes})
    cases.add("flip_empty", "flip", lambda x: x.flip(0), [cases.normal(0, 3)], {"axes": [0]})
    for shifts, axes in (([1], [0]), ([-2, 5], [1, 2]), ([0], [2])):
        cases.add(
            f"roll_{shifts}", "roll", lambda x: x.roll(shifts, axes), [cases.normal(2, 3, 4)],
            {"shifts": shifts, "axes": axes},
        )  # fmt: skip
    for counts in ([2, 1, 3], [2, 3, 1, 1], [1, 0, 2]):
        cases.add(f"repeat_{counts}", "repeat", lambda x: x.repeat(counts), [cases.normal(2, 3, 2)], {"counts": counts})
    for axis in (0, -1):
        cases.add(
            f"repeatInterleave_{axis}", "repeatInterleave", lambda x: x.repeat_interleave(3, axis),
            [cases.normal(2, 3)], {"axis": axis, "count": 3},
        )  # fmt: skip
    for start, end, step in ((1, 7, 2), (0, 7, 3), (2, 2, 1), (0, 6, 5)):
        cases.add(
            f"slice_{start}_{end}_{step}", "slice", lambda x: x[:, start:end:step], [cases.normal(2, 7, 3)],
            {"axis": 1, "from": start, "to": end, "step": step},
        )  # fmt: skip
    cases.add("stack", "stack", lambda *x: torch.stack(x, 1), [cases.normal(2, 3) for _ in range(3)], {"axis": 1})
    cases.add("stackLast", "stack", lambda *x: torch.stack(x, -1), [cases.normal(2, 3) for _ in range(2)], {"axis": -1})
    cases.add(
        "split", "split", lambda x: torch.cat([p * (i + 1) for i, p in enumerate(x.split([1, 0, 4], 1))], 1),
        [cases.normal(2, 5)], {"sizes": [1, 0, 4], "axis": 1},
    )  # fmt: skip
    cases.add(
        "unstack", "unstack", lambda x: sum(p * (i + 1) for i, p in enumerate(x.unbind(1))), [cases.normal(2, 3, 4)],
        {"axis": 1},
    )  # fmt: skip


def indexing(cases: Cases) -> None:
    for axis, shape in ((0, (3, 4)), (1, (2, 6)), (-1, (2, 6))):
        cases.add(
            f"gather_{axis}", "gather", lambda i, x: x.gather(axis, i),
            [cases.integers(5 if axis % 2 == 0 else 4, *shape), cases.normal(5, 4) if axis == 0 else cases.normal(3, 4)],
            {"axis": axis},
        )  # fmt: skip
        cases.add(
            f"scatterAdd_{axis}", "scatterAdd", lambda i, x, y: x.scatter_add(axis, i, y),
            [
                cases.integers(5 if axis % 2 == 0 else 4, *shape),
                cases.normal(5, 4) if axis == 0 else cases.normal(3, 4),
                cases.normal(*shape),
            ],
            {"axis": axis},
        )  # fmt: skip
        cases.add(
            f"indexSelect_{axis}", "indexSelect", lambda i, x: x.index_select(axis, i),
            [torch.tensor([2, 0, 2, 1]), cases.normal(3, 4, 5)], {"axis": axis},
        )  # fmt: skip
    cases.add_value(
        "oneHot", "oneHot", [torch.tensor([[2, 0], [1, 2]])], F.one_hot(torch.tensor([[2, 0], [1, 2]]), 4).double(),
        {"classes": 4},
    )  # fmt: skip


def matrices(cases: Cases) -> None:
    for offset in (-2, -1, 0, 1, 3):
        for shape in ((3, 4), (2, 4, 3)):
            name = f"{'x'.join(map(str, shape))}_{offset}"
            attributes = {"offset": offset}
            cases.add(f"tril_{name}", "tril", lambda x: x.tril(offset), [cases.normal(*shape)], attributes)
            cases.add(f"triu_{name}", "triu", lambda x: x.triu(offset), [cases.normal(*shape)], attributes)
            cases.add(
                f"diagonal_{name}", "diagonal", lambda x: x.diagonal(offset, -2, -1), [cases.normal(*shape)], attributes
            )
        cases.add(
            f"diagEmbed_{offset}", "diagEmbed", lambda x: torch.diag_embed(x, offset), [cases.normal(2, 3)],
            {"offset": offset},
        )  # fmt: skip


def products(cases: Cases) -> None:
    for left, right in (((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((4, 2, 3), (3,)), ((3,), (2, 3, 4)), ((0,), (0,))):
        cases.add(
            f"matmul_{left}_{right}".replace(", ", "x").replace(",", ""), "matmul", torch.matmul,
            [cases.normal(*left), cases.normal(*right)],
        )  # fmt: skip
    cases.add("outer", "outer", torch.outer, [cases.normal(3), cases.normal(4)])
    cases.add("dot", "dot", torch.dot, [cases.normal(5), cases.normal(5)])
    cases.add("inner", "inner", torch.inner, [cases.normal(2, 3, 4), cases.normal(5, 4)])
    for notation, shapes in (
        ("ij,jk->ik", ((2, 3), (3, 4))),
        ("ij,jk", ((2, 3), (3, 4))),
        ("bij,bjk->bik", ((2, 3, 4), (2, 4, 5))),
        ("bhqd,bkhd->bhqk", ((2, 2, 3, 4), (2, 5, 2, 4))),
        ("ij->ji", ((2, 3),)),
        ("ii->i", ((3, 3),)),
        ("ii", ((3, 3),)),
        ("ij->", ((2, 3),)),
        ("i,i->i", ((4,), (4,))),
        ("i,j->ij", ((2,), (3,))),
        ("ij,kl->ik", ((2, 3), (4, 5))),
        ("ijk,jil->kl", ((2, 3, 4), (3, 2, 5))),
        ("...ij,...jk->...ik", ((2, 1, 3, 4), (5, 4, 2))),
        ("b...d,d->b...", ((2, 3, 4, 5), (5,))),
        ("...i,...i", ((3, 4), (3, 4))),
        ("ij,jk,kl->il", ((2, 3), (3, 4), (4, 5))),
        ("i,ij,j->", ((2,), (2, 3), (3,))),
        ("iij,jk->ik", ((3, 3, 2), (2, 4))),
        ("ij,ij->ij", ((1, 3), (2, 3))),
        ("ij,jk->ik", ((2, 0), (0, 3))),
    ):
        name = f"einsum {notation} {shapes}".replace(" ", "_")
        cases.add(
            name, "einsum", lambda *x: torch.einsum(notation, *x), [cases.normal(*shape) for shape in shapes],
            {"notation": notation},
        )  # fmt: skip
