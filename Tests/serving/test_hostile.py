"""Clients that lie, stall, flood and vanish. After each of them the server answers as before.

PANDO_SERVE_CONNECTIONS  idle connections to hold at once (2000)
PANDO_SERVE_PATIENCE     seconds after which a request that does not come on must have been cut off (60)
PANDO_SERVE_PID          the server's process, to watch its memory (not watched without)
"""

import concurrent.futures
import gzip
import json
import os
import pathlib
import resource
import struct
import time

import numpy as np
import pytest

from conftest import fetch
from hostile import Dripper, Raw, ask, jpeg_header, nested, png, request, zeros

PATIENCE = float(os.environ.get("PANDO_SERVE_PATIENCE", "60"))
MOST_MEMORY_OF_A_REQUEST = 768 << 20  # bytes


def resident():
    """Bytes of memory that the server holds, or None where its process is not known."""
    process = os.environ.get("PANDO_SERVE_PID")
    if not process:
        return None
    status = pathlib.Path(f"/proc/{process}/status").read_text()
    return 1024 * int(status.split("VmRSS:")[1].split()[0])


@pytest.fixture(scope="module")
def expected(url, picture):
    """What an honest client is answered."""
    return honest(url, picture)


def honest(url, picture):
    status, _, body = fetch(url + "/predict?top=1", picture, timeout=20)
    assert status == 200, f"an honest client is answered {status}: {body[:300]!r}"
    return {name: answer[0]["label"] if isinstance(answer, list) and answer and "label" in answer[0] else type(answer).__name__
            for name, answer in json.loads(body)["predictions"][0]["tasks"].items()}


@pytest.fixture(scope="module", autouse=True)
def dripper(url):
    """Begun before all tests of this file, looked at by the last one, so that the wait costs no time."""
    drips = Dripper(url, [
        b"", b"G", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ",
        *[b"GET /tasks HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow-%d: " % index for index in range(8)],
        *[request("POST", "/predict", b"", "Content-Length: 100000") for _ in range(8)],
        request("POST", "/predict", b"", "Transfer-Encoding: chunked") + b"1000\r\n"])
    drips.begun = time.monotonic()
    yield drips
    drips.close()


@pytest.fixture(autouse=True)
def afterwards(url, picture, expected):
    before = resident()
    yield
    assert honest(url, picture) == expected, "an honest client is answered otherwise than before"
    if before is not None:
        assert resident() - before < MOST_MEMORY_OF_A_REQUEST, "the server has grown"


@pytest.fixture(scope="module")
def task(about):
    return about["tasks"][0]["name"]


def refused(answer, *statuses, may_close=True):
    """An error in the promised form, or, where the bytes are no request at all, a closed connection."""
    if answer is None:
        assert may_close, "the connection was closed without an answer"
        return
    assert (400 <= answer.status < 500 or answer.status == 501) and (not statuses or answer.status in statuses), answer
    assert answer.error or may_close, f"no sentence in {answer}"


def infer(url, task, body, *headers, timeout=10):
    if isinstance(body, dict):
        body = json.dumps(body).encode()
    return ask(url, request("POST", f"/v2/models/{task}/infer", body, *headers), "POST", timeout)


def infer_bytes(url, task, *elements, shape=None, tail=None, size=None, **changes):
    """Binary inference with the picture's tensor written by hand."""
    tail = b"".join(struct.pack("<I", len(element)) + element for element in elements) if tail is None else tail
    given = {"name": "image", "shape": [len(elements), 1] if shape is None else shape, "datatype": "BYTES",
             "parameters": {"binary_data_size": len(tail) if size is None else size}} | changes
    head = json.dumps({"inputs": [given]}).encode()
    return infer(url, task, head + tail, f"Inference-Header-Content-Length: {len(head)}")


# MARK: framing

def test_a_body_that_ends_too_early(url, task):
    for target in ("/predict", f"/v2/models/{task}/infer", "/search"):
        with Raw(url) as raw:
            raw.send(request("POST", target, b"x" * 10, "Content-Length: 1000"))
            raw.socket.shutdown(1)
            refused(raw.answer("POST"))


def test_a_body_longer_than_said(url):
    with Raw(url) as raw:
        raw.send(request("POST", "/predict", b"no picture, and GET /tasks HTTP/1.1\r\n\r\n", "Content-Length: 10"))
        refused(raw.answer("POST"), 400, 413, 415, 422)


@pytest.mark.parametrize("length", ["-1", "abc", "", "+5", "0x10", "5 5", "5,6", "99999999999999999999999",
                                    "18446744073709551616", "-9223372036854775808"])
def test_lengths_that_are_none(url, length):
    refused(ask(url, request("POST", "/predict", b"hello", f"Content-Length: {length}"), "POST"))


def test_a_length_beyond_all_bounds(url):
    with Raw(url) as raw:
        raw.send(request("POST", "/predict", b"x", "Content-Length: 100000000000"))
        refused(raw.answer("POST"), 413)
    with Raw(url) as raw:
        raw.send(request("POST", "/predict", b"", "Content-Length: 100000000000", "Expect: 100-continue"))
        answer = raw.answer("POST")
        assert answer is None or answer.status in (413, 417), answer


def test_a_body_without_end(url):
    with Raw(url, timeout=20) as raw:
        raw.send(request("POST", "/predict", b"", "Transfer-Encoding: chunked"))
        chunk, sent = b"100000\r\n" + b"x" * (1 << 20) + b"\r\n", 0
        while sent < 512 and raw.send(chunk):
            sent += 1
        assert sent < 512, "the server took 512 MB of one body"
        refused(raw.answer("POST"), 413)


@pytest.mark.parametrize("headers", [
    ("Content-Length: 5", "Content-Length: 6"), ("Content-Length: 5", "Transfer-Encoding: chunked"),
    ("Transfer-Encoding: chunked", "Content-Length: 5"), ("Transfer-Encoding: xchunked",),
    ("Transfer-Encoding: chunked, identity",), ("Content-Length : 5",), ("Content-Length: 5", " folded: 1")])
def test_two_opinions_on_where_the_body_ends(url, headers):
    """The way requests are smuggled past a proxy: never may the rest be answered as a second request."""
    with Raw(url) as raw:
        raw.send(request("POST", "/search", b"0\r\n\r\nGET /tasks HTTP/1.1\r\nHost: smuggled\r\n\r\n", *headers))
        refused(raw.answer("POST"))
        second = raw.answer()
        assert second is None or second.status >= 400, f"a smuggled request was answered: {second}"


@pytest.mark.parametrize("chunks", [b"zz\r\nhello\r\n0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n", b"5\r\nhello!!\r\n0\r\n\r\n",
                                    b"ffffffffffffffffff\r\nhello", b"5;" + b"x" * 200_000 + b"\r\nhello\r\n0\r\n\r\n"])
def test_broken_chunks(url, chunks):
    refused(ask(url, request("POST", "/predict", b"", "Transfer-Encoding: chunked") + chunks, "POST"))


@pytest.mark.parametrize("data", [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 300, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\r\n" * 3 + b"\0" * 64,
    b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nno colon here\r\n\r\n", b"GET / HTTP/1.1\r\nX: a\0b\r\n\r\n",
    os.urandom(4096) + b"\r\n\r\n"], ids=range(8))
def test_what_is_no_http(url, data):
    with Raw(url) as raw:
        raw.send(data)
        answer = raw.answer()
        assert answer is None or 400 <= answer.status < 506, answer
        assert raw.closed(), "the connection stays open after bytes that are no request"


def test_header_floods(url):
    many = "".join(f"X-{index}: {index}\r\n" for index in range(20_000))
    for head in (f"GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n", f"GET / HTTP/1.1\r\nHost: x\r\nX: {'x' * (4 << 20)}\r\n\r\n",
                 f"GET /{'x' * (4 << 20)} HTTP/1.1\r\nHost: x\r\n\r\n"):
        with Raw(url) as raw:
            if raw.send(head):
                refused(raw.answer(), 400, 413, 414, 431)


def test_headers_given_twice(url):
    for header in ("Host: b", "Content-Type: image/png", "X-Request-Id: two"):
        answer = ask(url, request("GET", "/tasks", b"", "X-Request-Id: one", "Content-Type: text/plain", header))
        assert answer is not None and answer.status in (200, 400), answer


@pytest.mark.parametrize("name", ["a\tb", "x" * 5000, "<script>alert(1)</script>", "a b", "naïve", "../..", "%0d%0aX-Evil: 1", "'\""])
def test_request_ids_that_are_not_sane(url, name):
    answer = ask(url, request("GET", "/v2/health/live", b"", f"X-Request-Id: {name}"))
    if answer is not None and answer.status < 400:
        own = answer.headers["X-Request-Id"]
        assert own and len(own) <= 256 and all(33 <= ord(letter) < 127 for letter in own), own
        assert "X-Evil" not in answer.headers


def test_http_1_0(url):
    with Raw(url) as raw:
        raw.send(b"GET /v2/health/live HTTP/1.0\r\n\r\n")
        answer = raw.answer()
        assert answer.status == 200, answer
        assert "chunked" not in (answer.headers["Transfer-Encoding"] or "")
        assert raw.closed(), "HTTP/1.0 without keep-alive, and the connection stays open"


def test_pipelined_requests_are_answered_in_order(url, picture):
    with Raw(url, timeout=30) as raw:
        raw.send(b"".join(request("GET", "/v2/health/live", b"", f"X-Request-Id: id-{index}") for index in range(50)))
        for index in range(50):
            answer = raw.answer()
            assert answer is not None and answer.status == 200 and answer.headers["X-Request-Id"] == f"id-{index}", answer
        raw.send(b"".join(request("POST", f"/predict?top={index + 1}", picture, f"X-Request-Id: p-{index}") for index in range(4)))
        for index in range(4):
            answer = raw.answer("POST")
            assert answer is not None and answer.status == 200 and answer.headers["X-Request-Id"] == f"p-{index}", answer


def test_methods_and_addresses_that_do_not_exist(url, task):
    for method, target in (("DELETE", "/predict"), ("GET", "/predict"), ("POST", "/tasks"), ("GET", f"/v2/models/{task}/infer"),
                           ("PUT", "/v2/repository/index"), ("GET", "/no/such/thing"), ("GET", "/v2/models/"),
                           ("GET", f"/v2/models/{task}/versions/abc"), ("POST", f"/v2/models/{task}/nothing")):
        answer = ask(url, request(method, target), method)
        assert answer is not None and answer.status in (400, 404, 405, 501), f"{method} {target}: {answer}"
        assert answer.error, f"{method} {target}: no sentence in {answer}"
    refused(ask(url, request("BREW", "/coffee"), "BREW"))
    answer = ask(url, request("HEAD", "/v2/health/live"), "HEAD")
    assert answer is not None and answer.status in (200, 404, 405) and answer.body == b"", answer


# MARK: addresses

@pytest.mark.parametrize("target", [
    "/gallery/../../../../etc/passwd", "/gallery/..%2f..%2f..%2fetc%2fpasswd", "/gallery/%2e%2e/%2e%2e/etc/passwd",
    "/gallery/-1", "/gallery/99999999999999999999999", "/gallery/1e3", "/gallery/0x1", "/gallery/%00", "/gallery/",
    "/gallery/0/../../../../etc/passwd", "/../../../../etc/passwd", "/..%2f..%2fetc/passwd", "//etc/passwd", "/page/../../page.html",
    "/v2/models/..%2f..%2f..%2fetc%2fpasswd", "/v2/models/%2e%2e", "/v2/models/%00", "/v2/models/%ff%fe",
    "/v2/models/" + "x" * 3000, "/v2/models/%zz/ready", "/page.css/../page.js/..%5c..%5cetc"])
def test_paths_lead_nowhere_else(url, target):
    answer = ask(url, request("GET", target))
    assert answer is None or (answer.status in (400, 404, 414) and b"root:" not in answer.body), answer


def test_models_are_not_loaded_from_paths(url):
    for name in ("..%2f..%2fetc", "%2fetc%2fpasswd", "..", "%00", "a%2f..%2fb"):
        for verb in ("load", "unload"):
            answer = ask(url, request("POST", f"/v2/repository/models/{name}/{verb}", b'{"parameters":{"file:../../evil":"QQ=="}}'), "POST")
            refused(answer, 400, 403, 404)


@pytest.mark.parametrize("query", [
    "top=-1", "top=0", "top=1e9", "top=99999999999999999999", "top=abc", "top=", "top", "compute=nan", "compute=inf", "compute=-1",
    "compute=2", "compute=1e400", "compute=abc", "timeout=-1", "timeout=abc", "timeout=99999999999999999999", "tasks=,", "tasks=no-such-task",
    "tasks=%00", "tasks=%zz", "tasks=%ff", "tasks=" + "x," * 2000, "&&&===", "no=such&no=such", "tasks=<b>x</b>"])
def test_queries_out_of_range(url, picture, query):
    answer = ask(url, request("POST", f"/predict?{query}", picture), "POST")
    assert answer is not None and (answer.status == 200 or 400 <= answer.status < 500), answer
    if answer.status == 200:
        json.loads(answer.body, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    else:
        assert answer.error and b"<b>" not in answer.headers.get("Content-Type", "").encode(), answer
        assert answer.headers.get_content_type() == "application/json"


def test_wrong_queries_are_said_to_be_wrong(url, picture):
    for query in ("top=abc", "top=-1", "compute=abc", "timeout=abc", "tasks=no-such-task"):
        answer = ask(url, request("POST", f"/predict?{query}", picture), "POST")
        refused(answer, 400, 404, 422, may_close=False)


# MARK: bodies

def test_bodies_that_are_no_picture(url, picture):
    broken = bytearray(picture)
    for index in range(40, len(broken), 37):
        broken[index] ^= 0x5A
    for body in (b"x", b"\0" * 1000, picture[:20], os.urandom(5000), b"GIF89a" + b"\xff" * 100, b"%PDF-1.4 no"):
        refused(ask(url, request("POST", "/predict", body), "POST"), may_close=False)
    # Some decoders make something of these; none may break on them, or read files that they name.
    drawing = (b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>"
               b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><text>&b;</text></svg>")
    for body in (bytes(broken), picture[: len(picture) // 2], drawing, b"<svg xmlns='x'/>" * 10):
        answer = ask(url, request("POST", "/predict", body), "POST")
        assert answer is not None and answer.status in (200, 400, 415, 422), answer
        assert b"root:" not in answer.body
    refused(ask(url, request("POST", "/predict", b"", "Content-Length: 0"), "POST"), may_close=False)


@pytest.mark.parametrize("bomb", [
    png(60_000, 60_000), png(2**31 - 1, 2**31 - 1), png(2**31 - 1, 1), png(1, 2**31 - 1), png(0, 0), jpeg_header(65_500, 65_500),
    b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + b"\0\0\0;", png(40_000, 40_000, zeros(40_000 * 5_001), 1, 0)],
    ids=["60000", "int", "wide", "tall", "nothing", "jpeg", "gif", "real rows"])
def test_pictures_larger_than_they_look(url, task, bomb):
    begin = time.monotonic()
    for answer in (ask(url, request("POST", "/predict", bomb), "POST", 20), infer_bytes(url, task, bomb)):
        refused(answer, 400, 413, 415, 422, may_close=False)
    assert time.monotonic() - begin < 10, "refusing it took too long"


def test_bodies_larger_than_they_look(url, task, picture):
    bomb = zeros(1 << 28, 31)
    assert len(bomb) < 1 << 19
    begin = time.monotonic()
    for coding, body in (("gzip", bomb), ("deflate", zeros(1 << 28)), ("gzip", gzip.compress(bomb))):
        for target in (f"/v2/models/{task}/infer", "/predict"):
            refused(ask(url, request("POST", target, body, f"Content-Encoding: {coding}"), "POST", 20), 400, 413, 415, 422)
    assert time.monotonic() - begin < 15, "refusing them took too long"
    for coding, body in (("gzip", b"no gzip"), ("gzip", gzip.compress(picture)[:-20]), ("deflate", b"\xff" * 50),
                         ("no-such-coding", b"x"), ("gzip, gzip, gzip", b"x")):
        refused(infer(url, task, body, f"Content-Encoding: {coding}"), 400, 415, may_close=False)


@pytest.mark.parametrize("depth", [200, 10_000, 1_000_000])
def test_json_deeper_than_any_stack(url, task, depth):
    for target, body in (("/predict", b'{"texts":' + nested(depth) + b"}"), ("/search", nested(depth)), ("/search", b'{"a":' * depth),
                         (f"/v2/models/{task}/infer", b'{"inputs":' + nested(depth) + b"}"),
                         (f"/v2/models/{task}/infer", b'{"inputs":[{"name":"pixels","datatype":"FP32","shape":[1,2,2,3],"data":' + nested(depth) + b"}]}")):
        refused(ask(url, request("POST", target, body, "Content-Type: application/json"), "POST"))


def test_json_that_is_none(url, task):
    for body in (b"", b"{", b"nul", b'{"a":1,}', b"\xff\xfe{}", b'"\\ud800"', b'{"inputs":1e999999}', b'{"inputs":[' + b"1," * 100_000 + b"1]}",
                 b"[]", b"null", b"7", b'{"inputs":[null]}', b'{"inputs":[{}]}', b'{"inputs":[{"name":7}]}', b'{"inputs":{}}',
                 b'{"inputs":[{"name":"image","datatype":"BYTES","shape":[1,1],"data":[null]}]}',
                 b'{"inputs":[{"name":"image","datatype":"BYTES","shape":[1,1],"data":[{"a":1}]}]}', b'{"inputs":[],"inputs":[]}'):
        refused(infer(url, task, body, "Content-Type: application/json") if body else
                ask(url, request("POST", f"/v2/models/{task}/infer", b"", "Content-Length: 0"), "POST"), may_close=False)
        if body not in (b"7",):
            refused(ask(url, request("POST", "/predict", body or b"{", "Content-Type: application/json"), "POST"), may_close=False)


@pytest.mark.parametrize("kind,body", [
    ("multipart/form-data", b"x"), ("multipart/form-data; boundary=", b"x"), ("multipart/form-data; boundary=" + "b" * 5000, b"x"),
    ("multipart/form-data; boundary=b", b""), ("multipart/form-data; boundary=b", b"--b"), ("multipart/form-data; boundary=b", b"--b--\r\n"),
    ("multipart/form-data; boundary=b", b"--b\r\n\r\nhello"), ("multipart/form-data; boundary=b", b"--b\r\n" + b"X: y\r\n" * 100_000 + b"\r\nhello\r\n--b--\r\n"),
    ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data; name=f; filename=a.png\r\n\r\n\r\n" * 20_000 + b"--b--\r\n"),
    ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"../../../etc/passwd\"\r\n\r\nno picture\r\n--b--\r\n"),
    ("text/plain", b"\xff\xfe\xfd"), ("text/plain; charset=no-such", b"hello"), ("application/json; charset=\xff", b"{}"), ("///;;;===", b"hello")],
    ids=range(14))
def test_forms_and_texts_that_are_none(url, kind, body):
    refused(ask(url, request("POST", "/predict", body, f"Content-Type: {kind}", f"Content-Length: {len(body)}"), "POST", 20))


# MARK: tensors

def test_numbers_that_are_none(url, about, task):
    metadata = json.loads(fetch(f"{url}/v2/models/{task}")[2])
    shape = next(entry["shape"] for entry in metadata["inputs"] if entry["name"] == "pixels")
    shape = [1] + [64 if size == -1 else size for size in shape[1:]]
    for value in (np.nan, np.inf, -np.inf, 3.4e38, 1e-45):
        pixels = np.zeros(shape, "<f4")
        pixels[0, 3, 3, 1] = value
        head = json.dumps({"inputs": [{"name": "pixels", "shape": shape, "datatype": "FP32",
                                       "parameters": {"binary_data_size": pixels.nbytes}}]}).encode()
        answer = infer(url, task, head + pixels.tobytes(), f"Inference-Header-Content-Length: {len(head)}")
        assert answer is not None and answer.status in (200, 400, 422), answer
        json.loads(answer.body, parse_constant=lambda name: pytest.fail(f"{name} in JSON, which has no such number"))


def test_tensors_that_do_not_fit_their_description(url, task, picture):
    good = struct.pack("<I", len(picture)) + picture
    wrong = {
        "an unknown type": dict(datatype="FP99"), "a type that is a number": dict(datatype=7), "no type": dict(datatype=None),
        "another type": dict(datatype="FP64"), "UINT8": dict(datatype="UINT8"), "no axes": dict(shape=[]), "no rows": dict(shape=[0, 1]),
        "negative rows": dict(shape=[-1, 1]), "two rows": dict(shape=[2, 1]), "overflow": dict(shape=[2**40, 2**40]),
        "more than an Int": dict(shape=[2**70, 1]), "half a row": dict(shape=[0.5, 1]), "a shape of words": dict(shape=["1", "1"]),
        "a shape that is a number": dict(shape=1), "too many axes": dict(shape=[1] * 1000), "a negative size": dict(size=-1),
        "too small a size": dict(size=10), "too large a size": dict(size=len(good) + 10), "an immense size": dict(size=2**63 - 1),
        "a size of words": dict(size="many"), "data and size": dict(data=["QQ=="]),
        "an element beyond the end": dict(tail=struct.pack("<I", len(picture) + 1) + picture),
        "an immense element": dict(tail=struct.pack("<I", 0xFFFFFFFF) + picture), "half a length": dict(tail=b"\1\0"),
        "bytes left over": dict(tail=good + b"xyz"), "nothing": dict(tail=b""), "a name that is a list": dict(name=[]),
        "no name": dict(name=None), "another name": dict(name="imagine")}
    for what, changes in wrong.items():
        changes = dict(changes)
        options = {key: changes.pop(key) for key in ("tail", "size", "shape") if key in changes}
        answer = infer_bytes(url, task, picture, **options, **changes)
        assert answer is not None and 400 <= answer.status < 500 and answer.error, f"{what}: {answer}"


def test_lengths_of_the_json_part(url, task, picture):
    tail = struct.pack("<I", len(picture)) + picture
    head = json.dumps({"inputs": [{"name": "image", "shape": [1, 1], "datatype": "BYTES",
                                   "parameters": {"binary_data_size": len(tail)}}]}).encode()
    for length in ("-1", "abc", "", "1", str(len(head) - 1), str(len(head) + 1), str(len(head) + len(tail)), "99999999999999999999", "1.5"):
        refused(infer(url, task, head + tail, f"Inference-Header-Content-Length: {length}"), 400, 413, 422, may_close=False)


def test_more_rows_than_a_request_may_have(url, task):
    answer = infer_bytes(url, task, *[b""] * 100_000)
    refused(answer, 400, 413, 422, may_close=False)


# MARK: crowds

def test_idle_connections_keep_nobody_out(url, picture, expected):
    count = int(os.environ.get("PANDO_SERVE_CONNECTIONS", "2000"))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 500
    if soft != resource.RLIM_INFINITY and soft < wanted:
        assert hard == resource.RLIM_INFINITY or hard >= wanted, f"the limit of open files is {hard}: too low for {count} connections"
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    held = []
    try:
        begin = time.monotonic()
        for index in range(count):
            held.append(Raw(url, timeout=20))
            if index % 2:
                held[-1].send(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n")
        assert time.monotonic() - begin < 30, f"opening {count} connections took too long"
        for _ in range(3):
            begin = time.monotonic()
            assert honest(url, picture) == expected
            assert time.monotonic() - begin < 5, f"beside {count} idle connections an answer takes too long"
        last = held[-1]
        last.send("\r\n" if count % 2 == 0 else "GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = last.answer()
        assert answer is not None and answer.status == 200, f"the last of {count} connections got {answer}"
    finally:
        for raw in held:
            raw.reset()


def test_clients_that_vanish_do_not_disturb_their_neighbours(url, task, picture, expected):
    def neighbour(_):
        return all(honest(url, picture) == expected for _ in range(8))

    def vanish(index):
        raw = Raw(url)
        whole = request("POST", f"/predict?top={index % 5 + 1}", picture)
        raw.send([whole, whole[: len(whole) // 2], whole[:60], request("POST", f"/v2/models/{task}/infer", b"{", "Content-Length: 5000")][index % 4])
        if index % 3 == 0:
            time.sleep(0.005)
        raw.reset() if index % 2 else raw.close()

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        neighbours = [pool.submit(neighbour, index) for index in range(3)]
        list(pool.map(vanish, range(120)))
        assert all(each.result(60) for each in neighbours)


def test_a_reader_that_does_not_read(url):
    """Asks for a lot, takes nothing: its neighbours are served, and it costs no memory to speak of."""
    with Raw(url) as raw:
        raw.socket.settimeout(2)
        wanted = request("GET", "/openapi.json") * 200
        try:
            for _ in range(20):
                raw.socket.sendall(wanted)
        except TimeoutError:
            pass  # the server has stopped reading, which is well done
        except OSError:
            return
        assert fetch(url + "/v2/health/live", timeout=5)[0] == 200
        raw.reset()


def test_more_at_once_than_can_be_served(url, picture, expected):
    """Everybody is answered: with an answer, or with a refusal that says when to come back."""
    def one(_):
        status, headers, body = fetch(url + "/predict?top=1", picture, timeout=40)
        assert status in (200, 429, 503), f"{status} {body[:200]!r}"
        assert status == 200 or (int(headers["Retry-After"]) > 0 and json.loads(body)["error"])
        return status

    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        statuses = list(pool.map(one, range(256)))
    assert statuses.count(200) > 0
    # The queue may take a moment to empty; then all is as before.
    time.sleep(0.5)


def test_whoever_drips_is_cut_off(dripper):
    """Stays last: the connections were opened before the first test of this file."""
    while dripper.open and time.monotonic() - dripper.begun < PATIENCE:
        time.sleep(0.2)
    assert not dripper.open, (f"{len(dripper.open)} of {len(dripper.connections)} connections that send a byte a second "
                              f"are still open after {PATIENCE:.0f} s: {sorted(dripper.open)}")
