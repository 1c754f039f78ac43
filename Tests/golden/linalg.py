"""Decompositions, linear equations and determinants: `linalg.safetensors`."""

import torch

from .cases import Cases, write_cases


def write():
    cases = Cases(seed=33)
    for shape in ((1, 1), (3, 3), (5, 5), (2, 2, 4, 4), (0, 0)):
        size = shape[-1]
        name = "x".join(map(str, shape))
        matrix = cases.normal(*shape)
        definite = (matrix @ matrix.mT + torch.eye(size).double()).float().double()
        # Symmetric before the factor is taken, as gradients of its lower triangle alone are a matter of convention.
        cases.add(f"cholesky_{name}", "cholesky", torch.linalg.cholesky, [definite])
        cases.add_value(f"eigenvalues_{name}", "eigenvalues", [definite], torch.linalg.eigvalsh(definite), {})
        cases.add(f"determinant_{name}", "determinant", torch.linalg.det, [matrix])
        cases.add(f"logDeterminant_{name}", "logDeterminant", lambda x: torch.linalg.slogdet(x)[1], [matrix])
        regular = matrix + 3 * torch.eye(size).double()
        cases.add(f"inverse_{name}", "inverse", torch.linalg.inv, [regular])
        right = cases.normal(*shape[:-1], 2)
        cases.add(f"solve_{name}", "solve", torch.linalg.solve, [regular, right])
        for lower in (True, False):
            cases.add(
                f"solveTriangular_{name}_{lower}", "solveTriangular",
                lambda a, b: torch.linalg.solve_triangular(a.tril() if lower else a.triu(), b, upper=not lower),
                [regular, right], {"lower": lower},
            )  # fmt: skip
    cases.add("solve_broadcast", "solve", torch.linalg.solve, [regular_pair(cases), cases.normal(3, 1, 3, 4)])
    for shape in ((4, 6), (6, 4), (1, 3), (2, 3, 2), (0, 3)):
        matrix = cases.normal(*shape)
        cases.add_value(
            f"singularValues_{'x'.join(map(str, shape))}", "singularValues", [matrix], torch.linalg.svdvals(matrix), {}
        )
    return write_cases("linalg", cases)


def regular_pair(cases: Cases) -> torch.Tensor:
    return cases.normal(2, 3, 3) + 3 * torch.eye(3).double()
