"""PyTorch, eager: channels last, and autocast to bf16."""

import torch

from peer_measuring import FORWARD, Measurement, Settings, Work, cores, measured, network_of

NAME, VERSION, WORKS = "PyTorch", torch.__version__, FORWARD


def measure(work: Work, settings: Settings) -> Measurement:
    torch.set_num_threads(cores())
    network = network_of(work).to(memory_format=torch.channels_last)
    images = torch.randn(work.batch, 3, 224, 224).to(memory_format=torch.channels_last)
    reduced = work.precision == "bf16"
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=reduced):
        how = "channels_last" + (", autocast" if reduced else "")
        return measured(lambda: network(images), work.batch, how, settings)
