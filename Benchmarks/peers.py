#!/usr/bin/env python3
"""Measures the peers: PyTorch and OpenVINO at the work that Pando's own benchmarks do.

    .bench/bin/python3 Benchmarks/peers.py [--json] [--images FOLDER-OR-LIST] [--peer NAME]...
    .bench/bin/python3 Benchmarks/peers.py --serve NAME [--images FOLDER-OR-LIST]

Each peer runs in a process of its own, one after the other, on all cores that this process may use. A row is
{work, precision, batch, unit, peer, theirs, spread, version, how}; `theirs` is a rate (more is better), from the
median time over repeats after a warm-up. Where a peer has two ways (streams or not, fused optimizer or not), the
faster counts and `how` says which. Works:

    forward NETWORK          images to the pooled vector, 224 x 224, batch 1 and 32, f32 and bf16
    head training            linear 1280 to 92, AdamW, binary cross entropy, batch 64, features in memory
    extraction NETWORK       files to features, batch 32: decode, long side to 224, pad white, forward

With `--serve` one peer reads works from standard input, {work, precision, batch} a line, and answers each with its
row, so that whoever asks can measure something else in between.

`--images` is a folder, of which every n-th PNG in path order is taken (--sample says how many), or a text file with
a path a line. A peer that fails gives a row {peer, error} and the others go on; the exit status is 1 only when
no peer gave a figure.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
PEERS = {
    "pytorch": "peer_pytorch_forward",
    "openvino": "peer_openvino_forward",
    "pytorch-training": "peer_pytorch_training",
    "pytorch-extraction": "peer_pytorch_extraction",
}
LIMIT_SECONDS = 150


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of a table")
    parser.add_argument("--images", type=Path, default=Path("/usr/share/openclipart/png"))
    parser.add_argument("--sample", type=int, default=240, help="how many images of a folder (default 240)")
    parser.add_argument("--quick", action="store_true", help="shorter and less exact")
    parser.add_argument("--peer", action="append", choices=PEERS, help="only this one; may be repeated")
    parser.add_argument("--serve", choices=PEERS, help="measure on demand in this process")
    parser.add_argument("--within", choices=PEERS, help=argparse.SUPPRESS)  # the child's own option
    options = parser.parse_args()
    if options.sample < 1:
        parser.error("--sample takes a number from 1 on")
    if options.serve or options.within:
        measure_here(options)
        return 0
    if os.getloadavg()[0] > 0.5:
        print("peers: other processes are running here; figures suffer, PyTorch's most", file=sys.stderr)
    measured = 0
    for peer in options.peer or PEERS:
        for row in rows_of(peer, options):
            measured += "theirs" in row
            show(row, options.json)
    return 0 if measured else 1


def measure_here(options: argparse.Namespace) -> None:
    """Prints rows of one peer, measured in this process: of all its works, or of those asked for."""
    from peer_measuring import Settings

    peer = importlib.import_module(PEERS[options.serve or options.within])
    settings = Settings(options.images, options.sample, options.quick)
    for work in asked_for(peer.WORKS) if options.serve else peer.WORKS:
        result = peer.measure(work, settings)
        row = {"work": work.name, "precision": work.precision, "batch": work.batch, "unit": work.unit,
               "peer": peer.NAME, "theirs": round(result.rate, 2), "spread": round(result.spread, 4),
               "version": peer.VERSION, "how": result.how}  # fmt: skip
        print(json.dumps(row), flush=True)


def asked_for(works):
    known = {(work.name, work.precision, work.batch): work for work in works}
    for line in sys.stdin:
        asked = json.loads(line)
        yield known[asked["work"], asked["precision"], asked["batch"]]


def rows_of(peer: str, options: argparse.Namespace):
    """The rows of one peer, from a child process; what it says of trouble ends in a last row with `error`."""
    command = [sys.executable, __file__, "--within", peer, "--images", options.images, "--sample", str(options.sample)]
    command += ["--quick"] if options.quick else []
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        output, trouble = child.communicate(timeout=LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        output, trouble = child.communicate()
        trouble += f"\nstopped after {LIMIT_SECONDS} s"
    for line in output.splitlines():
        if line.startswith("{"):
            yield json.loads(line)
    if child.returncode:
        yield {"peer": peer, "error": (trouble.strip().splitlines() or ["it ended without a word"])[-1]}


def show(row: dict, as_json: bool) -> None:
    if as_json:
        print(json.dumps(row), flush=True)
    elif "error" in row:
        print(f"{row['peer']}: {row['error']}", flush=True)
    else:
        what = f"{row['work']:<28} {row['precision']:<5} batch {row['batch']:<3}"
        rate = f"{row['theirs']:>9.1f} {row['unit']:<9} ±{row['spread']:.0%}"
        print(f"{what} {rate} {row['peer']} {row['version']} ({row['how']})", flush=True)


if __name__ == "__main__":
    sys.exit(main())
