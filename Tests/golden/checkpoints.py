"""PyTorch checkpoints for the tests of the `.pth` reader: good ones, and ones that must be refused.

`PandoTensorTests/Golden/pth/`:

    NAME.pth                good; every tensor's value is in expected.safetensors under `NAME.pth/KEY`
    expected.safetensors    see above (nested keys joined with '.')
    hostile/NAME.pth        must be refused; hostile.json says why

Nothing here runs when a file is made: `os.system` is named in a pickle, never called.
"""

import io
import os
import pickle
import struct
import zipfile
from collections import OrderedDict

import torch
from torch import nn

from .files import TESTS, versions, write_json, write_tensors

FOLDER = TESTS / "PandoTensorTests" / "Golden" / "pth"
FORMS = {"zip": True, "stream": False}


def write():
    (FOLDER / "hostile").mkdir(parents=True, exist_ok=True)
    paths, expected = [], {}
    for name, (content, tensors) in good().items():
        for form, zipped in FORMS.items():
            path = FOLDER / f"{name}_{form}.pth"
            torch.save(content, path, _use_new_zipfile_serialization=zipped)
            expected.update({f"{path.name}/{key}": tensor for key, tensor in tensors.items()})
            paths.append(path)
    made_by = versions("torch")
    paths.append(write_tensors(FOLDER / "expected.safetensors", expected, made_by))
    reasons = []
    for name, (data, reason) in hostile().items():
        path = FOLDER / "hostile" / f"{name}.pth"
        path.write_bytes(data)
        reasons.append({"file": path.name, "reason": reason})
        paths.append(path)
    paths.append(write_json(FOLDER / "hostile.json", {"versions": made_by}, "files", reasons))
    return paths


def good() -> dict[str, tuple[object, dict[str, torch.Tensor]]]:
    """Content of each good checkpoint, and the tensors that a reader must find in it."""
    generator = torch.Generator().manual_seed(7)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    plain = OrderedDict(
        [("layer.weight", normal(2, 3)), ("layer.bias", normal(2)), ("scale", torch.tensor(0.25)), ("none", normal(0, 4))]
    )
    types = {
        "half": normal(3).half(),
        "bfloat16": normal(3).bfloat16(),
        "int64": torch.tensor([-(2**40), 0, 7]),
        "int32": torch.tensor([-5, 6], dtype=torch.int32),
        "uint8": torch.tensor([0, 255], dtype=torch.uint8),
        "bool": torch.tensor([True, False, True]),
    }
    whole = normal(4, 6)
    shared = {
        "whole": whole,
        "rows": whole[1:3],
        "column": whole[:, 2],
        "transposed": whole.T,
        "every_other": whole[::2, 1::2],
        "repeated": whole[0, :1].expand(5),
        "again": whole,
    }
    network = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))
    parameters = {"weight": nn.Parameter(normal(2, 2)), "frozen": nn.Parameter(normal(3), requires_grad=False)}
    nested = {
        "epoch": 12,
        "best": 0.75,
        "name": "größe",
        "flags": [True, False, None],
        "shape": (1, 2, 3, 4, 5),
        "state_dict": OrderedDict(plain),
        "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 1e-3, "params": [0]}]},
    }
    nested_tensors = {f"state_dict.{key}": value for key, value in plain.items()}
    nested_tensors["optimizer.state.0.step"] = nested["optimizer"]["state"][0]["step"]
    module = network.state_dict()  # carries a _metadata attribute, as every state_dict does
    return {
        "plain": (plain, dict(plain)),
        "types": (types, types),
        "shared": (shared, shared),
        "module": (module, dict(module)),
        "parameters": (parameters, {key: value.data for key, value in parameters.items()}),
        "nested": (nested, nested_tensors),
    }


class Calls:
    """Pickles as a call of `function(*arguments)`."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def hostile() -> dict[str, tuple[bytes, str]]:
    weight = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    command = "touch a-checkpoint-ran-this"
    zipped, stream = saved({"weight": weight}, True), saved({"weight": weight}, False)
    found: dict[str, tuple[bytes, str]] = {}
    for form, flag in FORMS.items():
        calls = saved({"weight": weight, "extra": Calls(os.system, command)}, flag)
        found[f"system_{form}"] = (calls, "its pickle names posix.system")
        calls = saved({"weight": weight, "extra": Calls(eval, "1 + 1")}, flag)
        found[f"eval_{form}"] = (calls, "its pickle names builtins.eval")
        model = saved(nn.Linear(2, 2), flag)
        found[f"whole_module_{form}"] = (model, "a pickled module (torch.nn.modules.linear.Linear), not a state_dict")
        double = saved({"weight": weight.double()}, flag)
        found[f"float64_{form}"] = (double, "float64, an element type that there is no tensor of")
    found["truncated_zip"] = (zipped[: len(zipped) * 2 // 3], "the zip directory at the end is cut off")
    found["truncated_stream"] = (stream[:-9], "the last storage is cut off")
    found["truncated_pickle"] = (stream[:60], "ends within a pickle")
    found["empty"] = (b"", "an empty file")
    found["text"] = (b"<html><body>404: Not Found</body></html>\n", "a web page under the name of a checkpoint")
    found["zip_without_pickle"] = (archive({"archive/version": b"3\n"}), "a zip without data.pkl")
    found["missing_storage"] = (rebuilt(zipped, "data/0", None), "the storage's record is not in the zip")
    found["short_storage"] = (rebuilt(zipped, "data/0", b"\0" * 20), "20 bytes where the tensor needs 24")
    found["deflated"] = (
        rebuilt(zipped, None, None, zipfile.ZIP_DEFLATED), "compressed records, which PyTorch never writes"
    )  # fmt: skip
    found["stream_length"] = (lying_length(stream), "the storage says it has 2^60 elements")
    for name, size, stride, offset, reason in (
        ("large_size", (100, 100), (100, 1), 0, "the tensor is larger than its storage"),
        ("large_offset", (2, 3), (3, 1), 1, "offset and size reach past the storage"),
        ("large_stride", (2, 3), (4, 1), 0, "the strides reach past the storage"),
        ("negative_offset", (2, 3), (3, 1), -2, "a negative offset"),
        ("negative_size", (-2, 3), (3, 1), 0, "a negative size"),
        ("negative_stride", (2, 3), (3, -1), 0, "a negative stride"),
        ("overflowing_size", (2**62, 2**62), (1, 1), 0, "the number of elements overflows"),
        ("overflowing_stride", (2, 3), (2**62, 2**62), 0, "the last element's place overflows"),
        ("rank_mismatch", (2, 3), (1,), 0, "two sizes but one stride"),
    ):
        found[name] = (rebuilt(zipped, "data.pkl", tensor_pickle(size, stride, offset)), reason)
    for name, program, reason in (
        ("stack_underflow", b"\x80\x02R.", "REDUCE on an empty stack"),
        ("unknown_opcode", b"\x80\x02\xff.", "an opcode that does not exist"),
        ("no_memo", b"\x80\x02h\x05.", "reads a memo entry that was never written"),
        ("deep", b"\x80\x02)" + b"\x85" * 20_000 + b".", "20,000 tuples inside each other"),
        ("long_string", b"\x80\x02X\xff\xff\xff\x7f.", "a string that says it has 2 GB"),
        ("bad_text", b"\x80\x02X\x02\0\0\0\xff\xfe.", "a string that is not UTF-8"),
        ("self_containing", b"\x80\x02]q\0h\0a.", "a list that contains itself"),
        ("no_tensor", b"\x80\x02}q\0X\x01\0\0\0aK\x01s.", "a dictionary without any tensor"),
    ):
        found[name] = (rebuilt(zipped, "data.pkl", program), reason)
    return found


def saved(content: object, zipped: bool) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


def archive(records: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as out:
        for name, data in records.items():
            out.writestr(zipfile.ZipInfo(name), data, compress_type=compression)
    return buffer.getvalue()


def rebuilt(zipped: bytes, record: str | None, data: bytes | None, compression: int = zipfile.ZIP_STORED) -> bytes:
    """The same zip with one record replaced, or left out when `data` is None."""
    records = {}
    with zipfile.ZipFile(io.BytesIO(zipped)) as source:
        for name in source.namelist():
            chosen = record is not None and name.endswith("/" + record)
            if not chosen:
                records[name] = source.read(name)
            elif data is not None:
                records[name] = data
    return archive(records, compression)


def lying_length(stream: bytes) -> bytes:
    """The stream form ends with each storage's element count (int64) and bytes: here one of 6 float32."""
    at = len(stream) - 24 - 8
    assert struct.unpack_from("<q", stream, at) == (6,), "the stream form changed"
    return stream[:at] + struct.pack("<q", 2**60) + stream[at + 8 :]


def tensor_pickle(size: tuple[int, ...], stride: tuple[int, ...], offset: int) -> bytes:
    """A data.pkl of {"weight": tensor}, whose only storage has 6 float32, with any size, stride and offset."""

    class Rebuilt:
        def __reduce__(self):
            arguments = (Storage(), offset, size, stride, False, OrderedDict())
            return torch._utils._rebuild_tensor_v2, arguments

    class Storage:
        pass

    class Writer(pickle.Pickler):
        def persistent_id(self, value):
            return ("storage", torch.FloatStorage, "0", "cpu", 6) if isinstance(value, Storage) else None

    buffer = io.BytesIO()
    Writer(buffer, protocol=2).dump({"weight": Rebuilt()})
    return buffer.getvalue()
