"""Optimizer trajectories and learning rates.

An optimizer case has input0 = the parameter before the first step, input1 = its gradient at each of ten steps
[10, …], output = the parameter after each step [10, …]. A learning-rate case has output = the rate at step 0, 1, ….
"""

import torch

from .cases import Cases

STEPS = 10


def add(cases: Cases) -> None:
    adam = [
        ("plain", {"learningRate": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weightDecay": 0.0}),
        ("decayed", {"learningRate": 0.05, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-6, "weightDecay": 0.1}),
    ]
    for name, a in adam:
        trajectory(
            cases, f"adamW_{name}", "adamW", a,
            lambda parameter: torch.optim.AdamW(
                [parameter], a["learningRate"], (a["beta1"], a["beta2"]), a["epsilon"], a["weightDecay"]
            ),
        )  # fmt: skip
    descent = [
        ("plain", {"learningRate": 0.1, "momentum": 0.0, "nesterov": False, "weightDecay": 0.0}),
        ("momentum", {"learningRate": 0.1, "momentum": 0.9, "nesterov": False, "weightDecay": 0.01}),
        ("nesterov", {"learningRate": 0.05, "momentum": 0.8, "nesterov": True, "weightDecay": 0.001}),
    ]
    for name, a in descent:
        trajectory(
            cases, f"sgd_{name}", "sgd", a,
            lambda parameter: torch.optim.SGD(
                [parameter], a["learningRate"], a["momentum"], weight_decay=a["weightDecay"], nesterov=a["nesterov"]
            ),
        )  # fmt: skip
    for name, warm_up, total, lowest in (("short", 3, 12, 0.0), ("floor", 5, 20, 0.01), ("none", 0, 8, 0.0)):
        learning_rates(cases, name, warm_up, total, lowest)


def trajectory(cases: Cases, name: str, operation: str, attributes: dict, make, shape=(2, 3)) -> None:
    parameter = torch.nn.Parameter(cases.normal(*shape))
    start, gradients = parameter.detach().clone(), cases.normal(STEPS, *shape)
    optimizer, path = make(parameter), []
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimizer.step()
        path.append(parameter.detach().clone())
    cases.add_value(name, operation, [start, gradients], torch.stack(path), attributes)


def learning_rates(cases: Cases, name: str, warm_up: int, total: int, lowest: float) -> None:
    """Linear from base / warmUp to base over the first warmUp steps, then a half cosine down to `lowest` at `total`."""
    base = 0.4
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], base)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total - warm_up, lowest)
    scheduler = cosine
    if warm_up:
        linear = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / warm_up, 1, warm_up - 1)
        scheduler = torch.optim.lr_scheduler.SequentialLR(optimizer, [linear, cosine], [warm_up])
    rates = []
    for _ in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    cases.add_value(
        f"warmUpCosine_{name}", "warmUpCosine", [], torch.tensor(rates).double(),
        {"base": base, "warmUpSteps": warm_up, "totalSteps": total, "lowest": lowest},
    )  # fmt: skip
