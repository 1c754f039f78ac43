#!/usr/bin/env python3
"""Measures the peers: PyTorch and OpenVINO at the work that Pando's own benchmarks do.

    .bench/bin/python3 Benchmarks/peers.py [--json] [--images FOLDER-OR-LIST] [--peer NAME]...
    .bench/bin/python3 Benchmarks/peers.py --serve NAME [--images FOLDER-OR-LIST]

Each peer runs in a process of its own, one after the other, on all cores that this process may use. A row is
{work, precision, batch, unit, peer, theirs, spread, version, how, rates, memory, memory_how}; `theirs` is a rate (more
is better), the median of `rates` after a warm-up. Where a peer has several ways (one request or one a core, channels
last or first, fused optimizer or not), each is tried and the fastest counts, and `how` says which. `memory` is the
peak of anonymous memory that is resident while the work is made ready and run, above what was resident before: the
least of any way, which `memory_how` names. Works:

    forward NETWORK          to the pooled vector: 224 x 224 pixels, or 128 tokens; f32 and bf16
    head training            linear 1280 to 92, AdamW, binary cross entropy, batch 64, features in memory
    training mlp             256 to 256 to 256 to 10, AdamW, cross entropy, batch 64
    training NETWORK         whole networks, 224 x 224, AdamW, cross entropy over 1000 classes, batch 32
    adapt NETWORK METHOD     lora (rank 8), full or probe: 50 classes, AdamW; 32 tokens or 224 x 224 pixels
    extraction NETWORK       files to features, batch 32: decode, long side to 224, pad white, forward
    tokenize KIND            the lines of this package's sources to token numbers, one thread

With `--serve` one peer reads works from standard input, {work, precision, batch, seconds} a line, and answers each with
its row, of one round of about so many seconds, so that whoever asks can measure something else in between. A work is
made ready when it is first asked for, and kept until another one is.

`--images` is a folder, of which every n-th PNG in path order is taken (--sample says how many), or a text file with
a path a line. A peer that fails gives a row {peer, error} and the others go on; the exit status is 1 only when
no peer gave a figure.
"""

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
PEERS = {
    "pytorch": "peer_pytorch_forward",
    "openvino": "peer_openvino_forward",
    "pytorch-training": "peer_pytorch_training",
    "pytorch-networks": "peer_pytorch_networks",
    "pytorch-extraction": "peer_pytorch_extraction",
    "pytorch-peft": "peer_peft",
    "tokenizers": "peer_tokenizers",
}
LIMIT_SECONDS = 900
ROUND_SECONDS = 0.5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of a table")
    parser.add_argument("--images", type=Path, default=Path("/usr/share/openclipart/png"))
    parser.add_argument("--texts", type=Path, help="JSON lines that text networks are adapted to; made up if left out")
    parser.add_argument("--sample", type=int, default=240, help="how many images of a folder (default 240)")
    parser.add_argument("--peer", action="append", choices=PEERS, help="only this one; may be repeated")
    parser.add_argument("--serve", choices=PEERS, help="measure on demand in this process")
    options = parser.parse_args()
    if options.sample < 1:
        parser.error("--sample takes a number from 1 on")
    if options.serve:
        serve(options)
        return 0
    if os.getloadavg()[0] > 0.5:
        print("peers: other processes are running here; figures suffer, PyTorch's most", file=sys.stderr)
    measured = 0
    for peer in options.peer or PEERS:
        for row in rows_of(peer, options):
            measured += "theirs" in row
            show(row, options.json)
    return 0 if measured else 1


def serve(options: argparse.Namespace) -> None:
    """Answers what is asked for on standard input; a lone `all` asks for every work."""
    from peer_measuring import Contest, Settings, spread

    peer = importlib.import_module(PEERS[options.serve])
    settings = Settings(options.images, options.sample, options.texts)
    present, contest = None, None
    for work, seconds in asked_for(peer.WORKS):
        if work != present:
            contest = None  # what was made ready for the last one goes first
            present, contest = work, Contest(peer.ways(work, settings), seconds)
        rates = contest.round(seconds)
        row = {"work": work.name, "precision": work.precision, "batch": work.batch, "unit": work.unit,
               "peer": peer.NAME, "theirs": statistics.median(rates), "spread": spread(rates), "version": peer.VERSION,
               "how": contest.best.how, "rates": rates, "memory": contest.memory[0],
               "memory_how": contest.memory[1]}  # fmt: skip
        print(json.dumps(row), flush=True)


def asked_for(works):
    known = {(work.name, work.precision, work.batch): work for work in works}
    for line in sys.stdin:
        if line.strip() == "all":
            yield from ((work, ROUND_SECONDS) for work in works)
            continue
        asked = json.loads(line)
        yield known[asked["work"], asked["precision"], asked["batch"]], asked["seconds"]


def rows_of(peer: str, options: argparse.Namespace):
    """The rows of one peer, from a child process; what it says of trouble ends in a last row with `error`."""
    command = [sys.executable, __file__, "--serve", peer, "--images", options.images, "--sample", str(options.sample)]
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )  # fmt: skip
    try:
        output, trouble = child.communicate("all\n", timeout=LIMIT_SECONDS)
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
        rate = f"{row['theirs']:>9.4g} {row['unit']:<9} ±{row['spread']:.0%}"
        print(f"{what} {rate} {row['peer']} {row['version']} ({row['how']})", flush=True)


if __name__ == "__main__":
    sys.exit(main())
