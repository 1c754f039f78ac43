"""Triton's own Python client, unchanged, against a running server."""

import concurrent.futures
import io
import json
import struct

import numpy as np
import pytest
import tritonclient.http as triton
from PIL import Image
from tritonclient.utils import InferenceServerException

from conftest import fetch, has_labels

KNOWN_EXTENSIONS = {"classification", "sequence", "model_repository", "model_repository(unload_dependents)",
                    "schedule_policy", "model_configuration", "system_shared_memory", "cuda_shared_memory",
                    "binary_tensor_data", "parameters", "statistics", "trace", "logging"}


@pytest.fixture(scope="module")
def client(url):
    client = triton.InferenceServerClient(url.removeprefix("http://"), concurrency=8, connection_timeout=20,
                                          network_timeout=20)
    yield client
    client.close()


@pytest.fixture(scope="module")
def names(about):
    return [task["name"] for task in about["tasks"]]


@pytest.fixture(scope="module")
def pictures(picture_paths):
    """Some pictures that differ, even if the folder has only one."""
    first = Image.open(picture_paths[0]).convert("RGB")
    found = [path.read_bytes() for path in picture_paths[:4]]
    for turned in (first.rotate(90), first.convert("L").convert("RGB"), Image.new("RGB", (64, 48), (200, 30, 30))):
        file = io.BytesIO()
        turned.save(file, "PNG")
        found.append(file.getvalue())
    return found


def image_input(*pictures):
    array = np.array([[picture] for picture in pictures], dtype=np.object_)
    given = triton.InferInput("image", list(array.shape), "BYTES")
    given.set_data_from_numpy(array)
    return [given]


@pytest.fixture(scope="module")
def pixels(client, names):
    """A batch of two as this bundle wants it."""
    metadata = client.get_model_metadata(names[0])
    shape = next(entry["shape"] for entry in metadata["inputs"] if entry["name"] == "pixels")
    shape = [2] + [64 if size == -1 else size for size in shape[1:]]
    assert shape[-1] == 3
    return np.random.default_rng(1).uniform(-1, 1, shape).astype(np.float32)


def pixel_input(array, binary=True):
    given = triton.InferInput("pixels", list(array.shape), "FP32")
    given.set_data_from_numpy(array, binary_data=binary)
    return [given]


def refusal(call, *arguments, **options):
    """The status and the text of the error that the call must raise."""
    with pytest.raises(InferenceServerException) as caught:
        call(*arguments, **options)
    status, text = caught.value.status(), caught.value.message()
    assert text and len(text) > 10 and "{" not in text[:1], f"no readable text: {text!r}"
    return int(status), text


def test_it_is_alive_and_ready(client, names):
    assert client.is_server_live() and client.is_server_ready()
    for name in [*names, "all"]:
        assert client.is_model_ready(name), f"{name} is not ready"
    assert not client.is_model_ready("no such model")


def test_it_says_what_it_is(client):
    metadata = client.get_server_metadata()
    assert metadata["name"] and metadata["version"]
    assert {"binary_tensor_data", "classification", "statistics"} <= set(metadata["extensions"]) <= KNOWN_EXTENSIONS


def test_models_say_what_they_take_and_give(client, about, names):
    for name in [*names, "all"]:
        metadata = client.get_model_metadata(name)
        assert metadata["name"] == name and metadata["versions"] and metadata["platform"]
        inputs = {entry["name"]: entry for entry in metadata["inputs"]}
        assert inputs["image"]["datatype"] == "BYTES" and inputs["image"]["shape"] == [-1, 1]
        assert inputs["pixels"]["datatype"] == "FP32" and len(inputs["pixels"]["shape"]) == 4
        outputs = {entry["name"]: entry for entry in metadata["outputs"]}
        assert set(outputs) == (set(names) if name == "all" else {name})
        for task in about["tasks"]:
            if task["name"] in outputs:
                output = outputs[task["name"]]
                assert output["datatype"] == "FP32" and output["shape"][0] == -1
                if has_labels(task):
                    assert output["shape"] == [-1, task["labels"]]
                elif task["kind"] == "regression":
                    assert output["shape"] == [-1, 1]
        same = client.get_model_metadata(name, model_version=metadata["versions"][0])
        assert same["inputs"] == metadata["inputs"] and same["outputs"] == metadata["outputs"]


def test_configurations(client, names):
    for name in [*names, "all"]:
        config = client.get_model_config(name)
        assert config["name"] == name
        assert {entry["name"] for entry in config["input"]} >= {"image"}
        assert {entry["name"] for entry in config["output"]} == (set(names) if name == "all" else {name})


def test_statistics_count_what_was_asked(client, names):
    def count():
        stats = client.get_inference_statistics(names[0])["model_stats"]
        assert [entry["name"] for entry in stats] == [names[0]]
        return stats[0]["inference_count"], stats[0]["inference_stats"]["success"]["count"], stats[0]["execution_count"]
    # Pictures that nobody asked about: answers may be used again for a moment.
    new = []
    for colour in ((10, 90, 200), (200, 90, 10), (90, 200, 10)):
        file = io.BytesIO()
        Image.new("RGB", (50, 50), colour).save(file, "PNG")
        new.append(file.getvalue())
    before = count()
    client.infer(names[0], image_input(*new[:2]))
    client.infer(names[0], image_input(new[2]))
    after = count()
    assert after[0] - before[0] == 3, "inference_count counts rows"
    assert after[1] - before[1] == 2, "success counts requests"
    assert 1 <= after[2] - before[2] <= 3, "execution_count counts batches"
    everything = client.get_inference_statistics()["model_stats"]
    assert {entry["name"] for entry in everything} >= {*names, "all"}


def test_pictures_as_bytes(client, about, names, pictures):
    for task in about["tasks"]:
        result = client.infer(task["name"], image_input(pictures[0]))
        output = result.as_numpy(task["name"])
        assert output.dtype == np.float32 and output.shape[0] == 1 and np.isfinite(output).all()
        if task["kind"] == "classification":
            assert output.sum() == pytest.approx(1, abs=1e-3) and (output >= 0).all()
        elif task["kind"] == "retrieval":
            assert np.linalg.norm(output) == pytest.approx(1, abs=1e-3)
        elif has_labels(task):
            assert ((output >= 0) & (output <= 1)).all()


def test_what_is_in_a_picture_counts(client, about, pictures):
    """Pictures of one size that differ get answers that differ; one picture in two files gets one answer."""
    first = Image.open(io.BytesIO(pictures[0])).convert("RGB")

    def file(image, **options):
        stream = io.BytesIO()
        image.save(stream, "PNG", **options)
        return stream.getvalue()

    plain, noise = Image.new("RGB", first.size, "white"), Image.effect_noise(first.size, 90).convert("RGB")
    for task in about["tasks"]:
        rows = client.infer(task["name"], image_input(
            file(first), file(first, compress_level=1), file(plain), file(noise))).as_numpy(task["name"])
        np.testing.assert_allclose(rows[0], rows[1], atol=5e-3, rtol=2e-2)
        for one, other in ((0, 2), (0, 3), (2, 3)):
            assert np.abs(rows[one] - rows[other]).max() > 1e-5, f"{task['name']} says the same of different pictures"


def test_it_answers_as_predict_does(client, about, url, pictures):
    for task in about["tasks"]:
        if task["kind"] == "retrieval":
            continue
        status, _, body = fetch(f"{url}/predict?tasks={task['name']}&top=1", pictures[0])
        assert status == 200
        given = json.loads(body)["predictions"][0]["tasks"][task["name"]]
        output = client.infer(task["name"], image_input(pictures[0])).as_numpy(task["name"])[0]
        expected = given if task["kind"] == "regression" else given[0]["score"]
        assert output.max() == pytest.approx(expected, rel=2e-2, abs=5e-3)


def test_all_tasks_from_one_request(client, names, pictures):
    together = client.infer("all", image_input(*pictures[:3]))
    assert {entry["name"] for entry in together.get_response()["outputs"]} == set(names)
    for name in names:
        alone = client.infer(name, image_input(*pictures[:3])).as_numpy(name)
        np.testing.assert_allclose(together.as_numpy(name), alone, atol=5e-3, rtol=2e-2)


def test_rows_of_a_batch_are_the_answers_to_its_pictures(client, names, pictures):
    together = client.infer(names[0], image_input(*pictures)).as_numpy(names[0])
    assert len(together) == len(pictures)
    for row, picture in zip(together, pictures):
        np.testing.assert_allclose(client.infer(names[0], image_input(picture)).as_numpy(names[0])[0], row,
                                   atol=5e-3, rtol=2e-2)


def test_requests_at_once_do_not_mix(client, url, names, pictures):
    expected = [client.infer("all", image_input(picture)).as_numpy(names[0])[0] for picture in pictures]

    def ask(worker):
        own = triton.InferenceServerClient(url.removeprefix("http://"), connection_timeout=30, network_timeout=30)
        try:
            for step in range(6):
                index = (worker + step) % len(pictures)
                result = own.infer("all", image_input(pictures[index]), request_id=f"{worker}.{step}")
                assert result.get_response()["id"] == f"{worker}.{step}"
                np.testing.assert_allclose(result.as_numpy(names[0])[0], expected[index], atol=5e-3, rtol=2e-2)
        finally:
            own.close()
        return True

    # One process a worker would be slow to start; the client's event loop is per thread.
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(8)))


def test_pixels_in_binary_and_in_json_agree(client, names, pixels):
    binary = client.infer(names[0], pixel_input(pixels)).as_numpy(names[0])
    assert len(binary) == 2 and np.isfinite(binary).all()
    outputs = [triton.InferRequestedOutput(names[0], binary_data=False)]
    mixed = client.infer(names[0], pixel_input(pixels), outputs=outputs)
    assert "data" in mixed.get_response()["outputs"][0]
    np.testing.assert_allclose(mixed.as_numpy(names[0]), binary, atol=1e-4, rtol=1e-3)
    plain = client.infer(names[0], pixel_input(pixels, binary=False), outputs=outputs).as_numpy(names[0])
    np.testing.assert_allclose(plain, binary, atol=1e-4, rtol=1e-3)


def test_json_data_may_be_nested(url, names, pixels):
    for data in (pixels[:1].tolist(), pixels[:1].ravel().tolist()):
        body = {"inputs": [{"name": "pixels", "datatype": "FP32", "shape": [1, *pixels.shape[1:]], "data": data}]}
        status, headers, answer = fetch(f"{url}/v2/models/{names[0]}/infer", json.dumps(body).encode(),
                                        {"Content-Type": "application/json"})
        assert status == 200, answer[:300]
        assert headers.get_content_type() == "application/json"
        outputs = json.loads(answer)["outputs"]
        assert [entry["name"] for entry in outputs] == [names[0]] and "data" in outputs[0]


@pytest.mark.parametrize("request_coding", [None, "gzip", "deflate"])
@pytest.mark.parametrize("response_coding", [None, "gzip", "deflate"])
def test_compressed_requests_and_answers(client, names, pictures, request_coding, response_coding):
    expected = client.infer(names[0], image_input(pictures[0])).as_numpy(names[0])
    result = client.infer(names[0], image_input(pictures[0]), request_compression_algorithm=request_coding,
                          response_compression_algorithm=response_coding)
    np.testing.assert_allclose(result.as_numpy(names[0]), expected, atol=5e-3, rtol=2e-2)


def test_only_the_outputs_asked_for(client, names, pictures):
    for name in names:
        result = client.infer("all", image_input(pictures[0]), outputs=[triton.InferRequestedOutput(name)])
        assert [entry["name"] for entry in result.get_response()["outputs"]] == [name]
    asked = [triton.InferRequestedOutput(name, binary_data=index % 2 == 0) for index, name in enumerate(names)]
    result = client.infer("all", image_input(pictures[0]), outputs=asked)
    assert [entry["name"] for entry in result.get_response()["outputs"]] == names
    for name in names:
        assert result.as_numpy(name) is not None


def test_the_best_classes_with_their_labels(client, about, url, pictures):
    task = next(filter(has_labels, about["tasks"]), None)
    if task is None:
        pytest.skip("no task with labels")
    count = min(3, task["labels"])
    for binary in (True, False):
        result = client.infer(task["name"], image_input(*pictures[:2]), outputs=[
            triton.InferRequestedOutput(task["name"], class_count=count, binary_data=binary)])
        found = result.as_numpy(task["name"])
        assert found.shape == (2, count)
        rows = [[(entry.decode() if isinstance(entry, bytes) else str(entry)).split(":", 2) for entry in row] for row in found]
        assert all(float(row[0][0]) >= float(row[-1][0]) for row in rows)
        status, _, body = fetch(f"{url}/predict?tasks={task['name']}&top={count}", pictures[0])
        expected = json.loads(body)["predictions"][0]["tasks"][task["name"]]
        assert [entry[2] for entry in rows[0]][:1] == [entry["label"] for entry in expected][:1]
    scores = client.infer(task["name"], image_input(pictures[0])).as_numpy(task["name"])[0]
    assert int(rows[0][0][1]) == int(scores.argmax())


def test_request_ids_come_back(client, url, names, pictures):
    result = client.infer(names[0], image_input(pictures[0]), request_id="an-id.7", headers={"X-Request-Id": "outer-7"})
    response = result.get_response()
    assert response["id"] == "an-id.7" and response["model_name"] == names[0] and response["model_version"]
    _, headers, _ = fetch(url + "/v2", headers={"X-Request-Id": "outer-7"})
    assert headers["X-Request-Id"] == "outer-7"
    _, headers, _ = fetch(url + "/v2")
    assert headers["X-Request-Id"], "an answer without an id"


def test_a_deadline_may_pass(client, names, pictures):
    client.infer(names[0], image_input(pictures[0]), timeout=20_000_000)
    try:
        client.infer(names[0], image_input(pictures[0]), timeout=1)
    except InferenceServerException as error:
        assert int(error.status()) == 504, error


def test_unknown_models_and_versions(client, names, pictures):
    for call in (client.get_model_metadata, client.get_model_config, client.get_inference_statistics):
        status, text = refusal(call, "no-such-model")
        assert status == 404 and "no-such-model" in text
    status, text = refusal(client.infer, "no-such-model", image_input(pictures[0]))
    assert status == 404 and "no-such-model" in text
    status, _ = refusal(client.infer, names[0], image_input(pictures[0]), model_version="98765")
    assert status == 404


def test_wrong_inputs_are_refused_with_a_reason(client, names, pictures, pixels):
    name = names[0]

    def given(input_name, shape, datatype, array):
        wanted = triton.InferInput(input_name, shape, datatype)
        wanted.set_data_from_numpy(array)
        return [wanted]

    one = np.array([[pictures[0]]], dtype=np.object_)
    wrong = {
        "an unknown name": given("imagine", [1, 1], "BYTES", one),
        "BYTES with three axes": given("image", [1, 1, 1], "BYTES", one[None]),
        "two pictures in a row": given("image", [1, 2], "BYTES", np.concatenate([one, one], 1)),
        "pixels as FP64": given("pixels", list(pixels.shape), "FP64", pixels.astype(np.float64)),
        "pixels as INT32": given("pixels", list(pixels.shape), "INT32", pixels.astype(np.int32)),
        "pixels with one channel": given("pixels", [*pixels.shape[:3], 1], "FP32", pixels[..., :1].copy()),
        "pixels without rows": given("pixels", list(pixels.shape[1:]), "FP32", pixels[0]),
        "numbers as a picture": given("image", [1, 1], "FP32", np.zeros([1, 1], np.float32)),
        "no picture": image_input(b"this is no picture"),
        "an empty picture": image_input(b""),
        "half a picture": image_input(pictures[0][: len(pictures[0]) // 3]),
        "both inputs": image_input(pictures[0]) + pixel_input(pixels[:1]),
        "no input": [],
    }
    for what, inputs in wrong.items():
        status, text = refusal(client.infer, name, inputs)
        assert 400 <= status < 500, f"{what}: {status} {text}"
    status, text = refusal(client.infer, name, image_input(pictures[0]),
                           outputs=[triton.InferRequestedOutput("no-such-output")])
    assert status in (400, 404) and "no-such-output" in text
    # Afterwards, as if nothing had happened:
    assert client.infer(name, image_input(pictures[0])).as_numpy(name) is not None


def test_one_bad_picture_is_named(client, names, pictures):
    status, text = refusal(client.infer, names[0], image_input(pictures[0], b"broken", pictures[0]))
    assert 400 <= status < 500 and any(mark in text for mark in ("1", "2", "second")), f"which picture? {text}"


def test_the_tensor_behind_the_json_is_little_endian_and_exact(url, names, pictures):
    body = json.dumps({"inputs": [{"name": "image", "shape": [1, 1], "datatype": "BYTES",
                                   "parameters": {"binary_data_size": 4 + len(pictures[0])}}],
                       "outputs": [{"name": names[0], "parameters": {"binary_data": True}}]}).encode()
    raw = struct.pack("<I", len(pictures[0])) + pictures[0]
    status, headers, answer = fetch(f"{url}/v2/models/{names[0]}/infer", body + raw,
                                    {"Inference-Header-Content-Length": str(len(body))})
    assert status == 200, answer[:300]
    assert headers.get_content_type() == "application/octet-stream"
    length = int(headers["Inference-Header-Content-Length"])
    output = json.loads(answer[:length])["outputs"][0]
    assert output["parameters"]["binary_data_size"] == len(answer) - length == 4 * np.prod(output["shape"])
    assert np.isfinite(np.frombuffer(answer[length:], "<f4")).all()


def test_the_repository(client, url, names):
    index = {entry["name"]: entry for entry in client.get_model_repository_index()}
    assert set(index) >= {*names, "all"}
    assert all(index[name]["state"] == "READY" for name in [*names, "all"])
    status, _, body = fetch(url + "/v2/repository/index", b"", method="POST")
    assert status == 200 and json.loads(body)
    status, _ = refusal(client.load_model, "no-such-model")
    assert 400 <= status < 500


def test_a_model_is_taken_out_and_put_back(client, about, url, names, pictures):
    name = names[-1]
    client.unload_model(name)
    try:
        assert not client.is_model_ready(name)
        index = {entry["name"]: entry["state"] for entry in client.get_model_repository_index()}
        assert index[name] == "UNAVAILABLE"
        status, text = refusal(client.infer, name, image_input(pictures[0]))
        assert status in (400, 404, 503) and name in text
        assert client.is_server_live()
        for other in names[:-1]:
            assert client.infer(other, image_input(pictures[0])).as_numpy(other) is not None
    finally:
        client.load_model(name)
    assert client.is_model_ready(name)
    assert client.infer(name, image_input(pictures[0])).as_numpy(name) is not None
