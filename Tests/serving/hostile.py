"""Sockets, bodies and pictures that no honest client sends."""

import contextlib
import http.client
import io
import json
import socket
import struct
import threading
import urllib.parse
import zlib


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def __repr__(self):
        return f"{self.status} {self.body[:200]!r}"

    @property
    def error(self):
        """The sentence of an error, or None if the body is not the promised JSON."""
        try:
            return json.loads(self.body)["error"]
        except (ValueError, KeyError, TypeError):
            return None


class _Shared:
    """A socket for http.client that keeps one buffer over several answers."""

    def __init__(self, file):
        self.file = file

    def makefile(self, *_, **__):
        return self

    def __getattr__(self, name):
        return getattr(self.file, name)

    def close(self):
        pass


class Raw:
    """One connection, written to byte by byte."""

    def __init__(self, url, timeout=10):
        address = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection((address.hostname, address.port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.file.close()
            self.socket.close()

    def reset(self):
        """Ends the connection as a crashed client does: with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def send(self, data):
        """Sends; whether the server still took all of it."""
        try:
            self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def answer(self, method="GET"):
        """The next answer, or None if the server closed the connection instead. A server that does neither is an error."""
        response = http.client.HTTPResponse(_Shared(self.file), method=method)
        try:
            response.begin()
            return Answer(response.status, response.headers, response.read())
        except (http.client.BadStatusLine, http.client.IncompleteRead, ConnectionResetError, BrokenPipeError):
            return None
        except TimeoutError:
            raise AssertionError("the server neither answered nor closed the connection") from None

    def closed(self, within=10):
        """Whether the server closes this connection in that many seconds."""
        self.socket.settimeout(within)
        try:
            while self.socket.recv(65536):
                pass
            return True
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False


def ask(url, data, method="GET", timeout=10):
    """What the server says to these very bytes."""
    with Raw(url, timeout) as raw:
        raw.send(data)
        return raw.answer(method)


def request(method, target, body=b"", *headers, version="1.1"):
    """A request's bytes. `Content-Length` is added unless a header gives it or the coding."""
    lines = [f"{method} {target} HTTP/{version}", "Host: 127.0.0.1", *headers]
    if body and not any(line.lower().startswith(("content-length", "transfer-encoding")) for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def png(width, height, data=None, depth=8, colour=2):
    """A PNG that says it has this size; its rows may be missing."""
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
            + chunk(b"IDAT", zlib.compress(b"\0" * 100) if data is None else data) + chunk(b"IEND", b""))


def zeros(count, coding=zlib.MAX_WBITS):
    """`count` zeros, compressed; 31 makes it gzip."""
    packer, block, out = zlib.compressobj(9, zlib.DEFLATED, coding), b"\0" * (1 << 20), io.BytesIO()
    for _ in range(count >> 20):
        out.write(packer.compress(block))
    out.write(packer.compress(b"\0" * (count & ((1 << 20) - 1))))
    out.write(packer.flush())
    return out.getvalue()


def jpeg_header(width, height):
    """The beginning of a JPEG of this size, and nothing more."""
    return (b"\xff\xd8\xff\xc0\x00\x11\x08" + struct.pack(">HH", height, width)
            + b"\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01\xff\xd9")


def nested(depth):
    return b"[" * depth + b"]" * depth


class Dripper:
    """Connections that send a byte a second, in a thread of its own, until the server cuts them off."""

    def __init__(self, url, beginnings):
        self.connections = []
        for beginning in beginnings:
            raw = Raw(url)
            raw.send(beginning)
            self.connections.append(raw)
        self.open = set(range(len(self.connections)))
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.drip, daemon=True)
        self.thread.start()

    def drip(self):
        while self.open and not self.stop.wait(1):
            for index in sorted(self.open):
                raw = self.connections[index]
                raw.socket.settimeout(0.01)
                try:
                    while raw.socket.recv(4096):
                        pass
                    self.open.discard(index)
                    continue
                except TimeoutError:
                    pass
                except OSError:
                    self.open.discard(index)
                    continue
                if not raw.send(b"x"):
                    self.open.discard(index)

    def close(self):
        self.stop.set()
        self.thread.join(5)
        for raw in self.connections:
            raw.close()
