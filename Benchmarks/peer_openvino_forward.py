"""OpenVINO, converted from the PyTorch networks: one request on all cores, or one stream a core."""

import openvino
import torch

from peer_measuring import BATCHES, NETWORKS, cores, row, seconds


def rows(_images, _sample):
    core = openvino.Core()
    version = openvino.__version__.split("-")[0]
    for name, make in NETWORKS.items():
        with torch.inference_mode():
            converted = openvino.convert_model(make(), example_input=torch.randn(1, 3, 224, 224))
        for batch in BATCHES:
            images = torch.randn(batch, 3, 224, 224).numpy()
            converted.reshape([batch, 3, 224, 224])
            for precision in ("f32", "bf16"):
                options = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": cores()}
                ways = {"one request": one_request(core, converted, options, images)}
                if batch > 1 and batch % cores() == 0:
                    ways["a stream a core"] = streams(core, converted, options, images)
                how = min(ways, key=ways.get)
                yield row(f"forward {name}", precision, batch, "images/s", "OpenVINO", batch / ways[how], version, how)


def one_request(core, model, options, images) -> float:
    request = core.compile_model(model, "CPU", {**options, "PERFORMANCE_HINT": "LATENCY"}).create_infer_request()
    request.set_input_tensor(openvino.Tensor(images))
    return seconds(request.infer, total=2.0)


def streams(core, model, options, images) -> float:
    """The batch cut into one part a core, the parts running at the same time."""
    parts = cores()
    size = len(images) // parts
    smaller = model.clone()
    smaller.reshape([size, *images.shape[1:]])
    compiled = core.compile_model(smaller, "CPU", {**options, "NUM_STREAMS": parts})
    requests = [compiled.create_infer_request() for _ in range(parts)]
    for index, request in enumerate(requests):
        request.set_input_tensor(openvino.Tensor(images[index * size : (index + 1) * size].copy()))

    def run():
        for request in requests:
            request.start_async()
        for request in requests:
            request.wait()

    return seconds(run, total=2.0)
