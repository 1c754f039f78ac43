"""What the tests of a running server share: its address, its tasks, pictures for it.

PANDO_SERVE_URL       address of a server of a bundle over pictures, such as http://127.0.0.1:8080
PANDO_SERVE_PICTURES  folder with one or more pictures that this bundle can read
"""

import json
import os
import pathlib
import urllib.request

import pytest

PICTURE_SUFFIXES = {".png", ".jpg", ".jpeg"}


def pytest_sessionstart():
    """Loopback only, whatever proxies this machine is set up with."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        os.environ.pop(name, None)
        os.environ.pop(name.upper(), None)


def fetch(url, body=None, headers=None, method=None, timeout=30):
    """Status, headers and body of one request; a status of 4xx or 5xx is an answer like others."""
    request = urllib.request.Request(url, data=body, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


@pytest.fixture(scope="session")
def url():
    address = os.environ.get("PANDO_SERVE_URL", "").rstrip("/")
    assert address, "PANDO_SERVE_URL must be the address of a running server, such as http://127.0.0.1:8080"
    host = address.removeprefix("http://").rsplit(":", 1)[0]
    assert host in ("127.0.0.1", "localhost", "[::1]"), f"only loopback addresses are tested, not {host}"
    return address


@pytest.fixture(scope="session")
def about(url):
    """GET /tasks."""
    status, _, body = fetch(url + "/tasks")
    assert status == 200, f"GET /tasks answered {status}: {body[:300]!r}"
    about = json.loads(body)
    assert about["bundle"]["reads"] == "pictures", "these tests need a bundle over pictures"
    return about


@pytest.fixture(scope="session")
def picture_paths():
    folder = os.environ.get("PANDO_SERVE_PICTURES", "")
    assert folder, "PANDO_SERVE_PICTURES must be a folder with pictures"
    found = sorted(path for path in pathlib.Path(folder).iterdir() if path.suffix.lower() in PICTURE_SUFFIXES)
    assert found, f"no pictures (*.png, *.jpg, *.jpeg) in {folder}"
    return [path.resolve() for path in found]


@pytest.fixture(scope="session")
def picture(picture_paths):
    """The bytes of one picture."""
    return picture_paths[0].read_bytes()


def has_labels(task):
    """Whether a task answers with labels and their probabilities."""
    return task["kind"] not in ("regression", "retrieval")
