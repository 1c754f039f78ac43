"""PyTorch, eager: in float32; in bf16 under autocast, or with the network itself in bf16. Pictures channels last."""

import copy
from functools import partial

import torch

from peer_measuring import Settings, Way, Work, cores
from peer_networks import FORWARD, inputs, is_convolutional, name_of, network_named

NAME, VERSION, WORKS = "PyTorch", torch.__version__, FORWARD


def ways(work: Work, _settings: Settings):
    torch.set_num_threads(cores())
    reduced = work.precision == "bf16"
    return [partial(way, work, kind) for kind in (("autocast", "bf16 network") if reduced else ("eager",))]


def way(work: Work, kind: str) -> Way:
    name = name_of(work)
    network, examples = network_named(name), inputs(name, work.batch)
    if is_convolutional(name):
        network, examples = (value.to(memory_format=torch.channels_last) for value in (network, examples))
    if kind == "bf16 network":
        network = copy.deepcopy(network).to(torch.bfloat16)
        if examples.is_floating_point():
            examples = examples.to(torch.bfloat16)

    def run():
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=kind == "autocast"):
            return network(examples)

    return Way(kind + (", channels last" if is_convolutional(name) else ""), work.batch, run)
