"""PyTorch, eager: channels last, and autocast to bf16."""

import torch

from peer_measuring import BATCHES, NETWORKS, cores, row, seconds


def rows(_images, _sample):
    torch.set_num_threads(cores())
    for name, make in NETWORKS.items():
        network = make().to(memory_format=torch.channels_last)
        for batch in BATCHES:
            images = torch.randn(batch, 3, 224, 224).to(memory_format=torch.channels_last)
            for precision in ("f32", "bf16"):
                with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                    time = seconds(lambda: network(images))
                how = "channels_last" + (", autocast" if precision == "bf16" else "")
                yield row(f"forward {name}", precision, batch, "images/s", "PyTorch", batch / time, torch.__version__, how)
