"""OpenVINO, converted from the PyTorch networks: one request on all cores, or one stream a core."""

import functools

import openvino
import torch

from peer_measuring import FORWARD, Measurement, Settings, Work, cores, measured, network_of

NAME, VERSION, WORKS = "OpenVINO", openvino.__version__.split("-")[0], FORWARD
CORE = openvino.Core()


def measure(work: Work, settings: Settings) -> Measurement:
    model = converted(network_of(work)).clone()
    model.reshape([work.batch, 3, 224, 224])
    images = torch.randn(work.batch, 3, 224, 224).numpy()
    options = {"INFERENCE_PRECISION_HINT": work.precision, "INFERENCE_NUM_THREADS": cores()}
    ways = [one_request(model, options, images, settings)]
    if work.batch > 1 and work.batch % cores() == 0:
        ways.append(streams(model, options, images, settings))
    return max(ways, key=lambda way: way.rate)


@functools.cache
def converted(network):
    with torch.inference_mode():
        return openvino.convert_model(network, example_input=torch.randn(1, 3, 224, 224))


def one_request(model, options, images, settings) -> Measurement:
    request = CORE.compile_model(model, "CPU", {**options, "PERFORMANCE_HINT": "LATENCY"}).create_infer_request()
    request.set_input_tensor(openvino.Tensor(images))
    return measured(request.infer, len(images), "one request", settings, total=2.0)


def streams(model, options, images, settings) -> Measurement:
    """The batch cut into one part a core, the parts running at the same time."""
    parts = cores()
    size = len(images) // parts
    smaller = model.clone()
    smaller.reshape([size, *images.shape[1:]])
    compiled = CORE.compile_model(smaller, "CPU", {**options, "NUM_STREAMS": parts})
    requests = [compiled.create_infer_request() for _ in range(parts)]
    for index, request in enumerate(requests):
        request.set_input_tensor(openvino.Tensor(images[index * size : (index + 1) * size].copy()))

    def run():
        for request in requests:
            request.start_async()
        for request in requests:
            request.wait()

    return measured(run, len(images), "a stream a core", settings, total=2.0)
