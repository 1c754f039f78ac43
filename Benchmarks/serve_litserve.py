#!/usr/bin/env python3
"""A peer to be served against: LitServe, which batches, before OpenVINO.

    .bench/bin/python3 Benchmarks/serve_litserve.py BUNDLE [--port 8002] [--batch N] [--workers N]
                                                   [--hint throughput|latency] [--precision f32|bf16]

POST /predict takes an encoded picture as the body and answers as `pando serve` does, always all tasks; GET /health says
when the workers are ready. The network is converted from PyTorch with a batch of any size.
"""

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import litserve
import numpy
import openvino
import torch
from fastapi import Body, HTTPException
from PIL import UnidentifiedImageError

sys.path.insert(0, str(Path(__file__).parent))
from peer_measuring import cores  # noqa: E402
from serve_model import Bundle  # noqa: E402


class Pictures(litserve.LitAPI):
    def __init__(self, options: argparse.Namespace, **settings):
        super().__init__(**settings)
        self.options = options

    def setup(self, device):
        options = self.options
        torch.set_num_threads(1)
        self.bundle = Bundle(options.bundle)
        side = self.bundle.preprocessing.side
        with torch.inference_mode():
            model = openvino.convert_model(self.bundle.network, example_input=torch.zeros(1, 3, side, side))
        model.reshape([-1, 3, side, side])
        threads = max(1, cores() // options.workers)
        self.model = openvino.Core().compile_model(model, "CPU", {
            "PERFORMANCE_HINT": options.hint.upper(), "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": options.precision,
        })  # fmt: skip
        self.pool = ThreadPoolExecutor(threads)
        for count in range(1, options.batch + 1):
            self.model(numpy.zeros((count, 3, side, side), numpy.float32))

    def decode_request(self, request: Annotated[bytes, Body(media_type="image/jpeg")]):
        return request

    def batch(self, pictures):
        """Decoded on all cores: Pillow lets go of the interpreter meanwhile."""
        try:
            return numpy.stack(list(self.pool.map(self.bundle.preprocessing, pictures)))
        except (UnidentifiedImageError, OSError) as error:
            raise HTTPException(400, str(error)) from error

    def predict(self, pixels):
        if isinstance(pixels, bytes):  # without batching nobody calls `batch`
            pixels = self.batch([pixels])
        outputs = self.model(pixels)
        return [numpy.array(outputs[index]) for index in range(len(outputs))], len(pixels)

    def unbatch(self, predicted):
        outputs, count = predicted
        return [(outputs, row) for row in range(count)]

    def encode_response(self, one):
        outputs, row = one if isinstance(one[1], int) and self.max_batch_size > 1 else (one[0], 0)
        return {"predictions": [{"input": "picture 1",
                                 "tasks": self.bundle.answers(outputs, row, self.bundle.asked(None), 5)}]}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--port", type=int, default=8002)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--wait", type=float, default=0.002, help="seconds until a batch goes, full or not")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--hint", choices=("throughput", "latency"), default="throughput")
    parser.add_argument("--precision", choices=("f32", "bf16"), default="f32")
    options = parser.parse_args()
    options.bundle = options.bundle.resolve()
    batching = {"max_batch_size": options.batch, "batch_timeout": options.wait} if options.batch > 1 else {}
    api = Pictures(options, **batching)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=options.workers, timeout=30)
    server.run(host="127.0.0.1", port=options.port, generate_client_file=False, log_level="warning")


if __name__ == "__main__":
    main()
