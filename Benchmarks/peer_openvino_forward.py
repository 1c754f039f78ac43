"""OpenVINO, converted from the PyTorch networks, hinted at latency or at throughput (a part of the batch a core)."""

import functools
from functools import partial

import openvino
import torch

from peer_measuring import Settings, Way, Work, cores
from peer_networks import FORWARD, inputs, name_of, network_named

NAME, VERSION, WORKS = "OpenVINO", openvino.__version__.split("-")[0], FORWARD
CORE = openvino.Core()


def ways(work: Work, _settings: Settings):
    parts = cores() if work.batch % cores() == 0 else 1
    return [partial(way, work, "LATENCY", 1), partial(way, work, "THROUGHPUT", parts)]


@functools.lru_cache(maxsize=1)
def converted(name: str):
    with torch.inference_mode():
        return openvino.convert_model(network_named(name), example_input=inputs(name, 1))


def way(work: Work, hint: str, parts: int) -> Way:
    """The batch cut into parts that run at the same time."""
    examples = inputs(name_of(work), work.batch).numpy()
    size = work.batch // parts
    model = converted(name_of(work)).clone()
    model.reshape([size, *examples.shape[1:]])
    options = {
        "INFERENCE_PRECISION_HINT": work.precision,
        "INFERENCE_NUM_THREADS": cores(),
        "PERFORMANCE_HINT": hint,
    } | ({"NUM_STREAMS": parts} if parts > 1 else {})
    compiled = CORE.compile_model(model, "CPU", options)
    requests = [compiled.create_infer_request() for _ in range(parts)]
    for index, request in enumerate(requests):
        request.set_input_tensor(openvino.Tensor(examples[index * size : (index + 1) * size].copy()))

    def run():
        for request in requests:
            request.start_async()
        for request in requests:
            request.wait()

    return Way(f"{hint.lower()}, {parts} {'request' if parts == 1 else 'requests'}", work.batch, run)
