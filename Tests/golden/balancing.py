"""Weights of balancing methods from tasks' gradients, from their papers' equations: `balancing.safetensors`.

inputs: the gradients `[K, D]`, and the losses `[K]`. Where a paper states a problem and not its solution, SciPy solves it.
"""

import numpy as np
import torch
from scipy.optimize import minimize

from .cases import Cases, write_cases


def write():
    cases = Cases(seed=71)
    for size in (2, 3, 5):
        for kind in ("mixed", "conflicting", "uneven"):
            gradients = cases.normal(size, 12)
            if kind == "conflicting":
                gradients = gradients - 0.9 * gradients.mean(0) * (1 + 1 / size)
            if kind == "uneven":
                gradients = gradients * torch.logspace(-2, 1, size).double()[:, None]
            gradients = gradients.float().double()
            losses = cases.positive(size)
            for operation, weights in methods(cases, gradients, losses).items():
                weights, attributes = weights
                cases.add_value(
                    f"{operation}_{kind}{size}", operation, [gradients, losses], torch.as_tensor(weights), attributes
                )
    return write_cases("balancing", cases)


def methods(cases, gradients, losses):
    orders = []
    for task in range(len(gradients)):
        others = [other for other in range(len(gradients)) if other != task]
        orders.append([others[place] for place in torch.randperm(len(others), generator=cases.generator)])
    flat = [other for order in orders for other in order]
    return {
        "gls": (geometric(losses), {}),
        "uncertainty": (uncertainty(losses, rate=0.05, steps=3), {"rate": 0.05, "steps": 3}),
        "gradnorm": (gradnorm(gradients, losses, rate=0.1), {"rate": 0.1}),
        "mgda": (shortest(gradients), {"normalization": "none"}),
        "mgdaNormalized": (normalized_shortest(gradients, losses), {"normalization": "loss+"}),
        "pcgrad": (pcgrad(gradients, orders), {"orders": flat}),
        "gradvac": (gradvac(gradients, orders), {"orders": flat}),
        "cagrad": (cagrad(gradients, 0.5), {"c": 0.5}),
        "nash": (nash(gradients), {}),
        "imtl": (impartial(gradients), {}),
        "aligned": (aligned(gradients), {}),
    }


def geometric(losses):
    leaf = losses.clone().requires_grad_()
    leaf.prod().pow(1 / len(leaf)).backward()
    return leaf.grad


def uncertainty(losses, rate, steps):
    """The weights after some steps on the same losses."""
    s = torch.full_like(losses, -0.5, requires_grad=True)
    for _ in range(steps):
        (losses / (2 * s.exp()) + s / 2).sum().backward()
        with torch.no_grad():
            s -= rate * s.grad.clip(-1, 1)
        s.grad = None
    return (1 / (2 * s.exp())).detach()


def gradnorm(gradients, losses, rate):
    """The weights after one step from equal ones, with first losses of 1, 2, ..."""
    count = len(losses)
    s = torch.zeros(count).double().requires_grad_()
    norms = gradients.norm(dim=1)
    weighted = count * s.softmax(0) * norms
    shares = losses / torch.arange(1, count + 1)
    mean = weighted.mean().detach()
    goal = mean * (shares / shares.mean()) ** 1.5
    ((weighted - goal).abs().sum() / mean).backward()
    return count * (s - rate * s.grad).softmax(0).detach()


def on_simplex(function, count):
    """The lowest point over positive weights of sum 1, tried from several starts."""
    starts = [np.full(count, 1 / count)] + [np.eye(count)[k] * 0.9 + 0.1 / count for k in range(count)]
    options = {"ftol": 1e-16, "maxiter": 2000}
    found = [
        minimize(
            function, start, bounds=[(0, 1)] * count, constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
            method="SLSQP", options=options,
        )
        for start in starts
    ]  # fmt: skip
    return min(found, key=lambda result: result.fun).x


def shortest(gradients):
    """The support comes from SciPy, the weights on it from the linear equations that they solve."""
    gram = (gradients @ gradients.T).numpy()
    gram = gram / gram.diagonal().max()
    rough = on_simplex(lambda w: w @ gram @ w, len(gram))
    support = np.flatnonzero(rough > 1e-5)
    part = gram[np.ix_(support, support)]
    solved = np.linalg.solve(part + 1, np.ones(len(support)))
    weights = np.zeros(len(gram))
    weights[support] = solved / solved.sum()
    products = gram @ weights
    assert (weights >= -1e-12).all() and (products >= weights @ products - 1e-9).all(), "not the shortest mean"
    return weights


def normalized_shortest(gradients, losses):
    divisors = gradients.norm(dim=1) * losses
    return shortest(gradients / divisors[:, None]) / divisors.numpy()


def pcgrad(gradients, orders):
    """Projects the gradients themselves, then asks which weights make their sum."""
    total = torch.zeros(gradients.shape[1]).double()
    for task, order in enumerate(orders):
        own = gradients[task].clone()
        for other in order:
            product = own @ gradients[other]
            if product < 0:
                own -= product / gradients[other].square().sum() * gradients[other]
        total += own
    return weights_of(total, gradients)


def gradvac(gradients, orders):
    """The second step on the same gradients, after the goals moved by half of each cosine at the first."""
    goals = torch.zeros(len(gradients), len(gradients)).double()
    for _ in range(2):
        total = torch.zeros(gradients.shape[1]).double()
        for task, order in enumerate(orders):
            own = gradients[task].clone()
            for other in order:
                goal, length = goals[task, other].clone(), gradients[other].norm()
                cosine = own @ gradients[other] / own.norm() / length
                goals[task, other] = 0.5 * goal + 0.5 * cosine
                if cosine < goal:
                    turn = goal * (1 - cosine**2).sqrt() - cosine * (1 - goal**2).sqrt()
                    own = own + own.norm() * turn / (length * (1 - goal**2).sqrt()) * gradients[other]
            total += own
    return weights_of(total, gradients)


def weights_of(total, gradients):
    return torch.linalg.lstsq(gradients.T, total[:, None]).solution[:, 0]


def cagrad(gradients, c):
    gram = (gradients @ gradients.T).numpy()
    count = len(gram)
    mean = np.full(count, 1 / count)
    scale = gram.diagonal().mean()
    reach = c * np.sqrt(mean @ gram @ mean)
    worst = on_simplex(lambda w: (w @ gram @ mean + reach * np.sqrt(w @ gram @ w)) / scale, count)
    return (mean + reach / np.sqrt(worst @ gram @ worst) * worst) / (1 + c * c)


def nash(gradients):
    gram = (gradients @ gradients.T).numpy()
    gram = gram / np.linalg.norm(gram)
    weights = 1 / np.sqrt(gram.diagonal())
    for _ in range(500):  # damped Newton steps on the equation itself
        error = gram @ weights - 1 / weights
        step = np.linalg.solve(gram + np.diag(1 / weights**2), -error)
        part = 1.0
        while (weights + part * step <= 0).any():
            part /= 2
        weights = weights + part * 0.5 * step
    assert np.abs(gram @ weights * weights - 1).max() < 1e-9, "no agreement"
    return weights


def impartial(gradients):
    units = gradients / gradients.norm(dim=1, keepdim=True)
    # u_i · Σ a_j g_j is the same for all i, and Σ a_j = 1: as many linear equations as weights.
    products = units @ gradients.T
    equations = torch.cat([products[:1] - products[1:], torch.ones(1, len(units)).double()])
    right = torch.zeros(len(units)).double()
    right[-1] = 1
    weights = torch.linalg.solve(equations, right)
    return weights if (products @ weights)[0] > 0 else -weights


def aligned(gradients):
    u, s, v = torch.linalg.svd(gradients, full_matrices=False)
    return weights_of(s[-1] * (u @ v).sum(0), gradients)
