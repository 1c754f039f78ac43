#!/usr/bin/env python3
"""Writes the golden files: values from PyTorch and its neighbours that the Swift tests are held against.

Run from the root of the package, after `./run bench` has made `.bench` (once, for the peers) and `./run setup`
has made `.prefix` (the weights):

    .bench/bin/pip install --no-deps efficientnet_lite_pytorch timm
    .bench/bin/python Tests/make_golden.py                 # all of them
    .bench/bin/python Tests/make_golden.py operations      # or some: operations elementwise shapes linalg backbones sentences checkpoints wordpiece tokenization networks parity parity_sizes pairs language preprocessing exports

The files are committed; run this again only to add a case. Versions of everything that computed the values are in
each file's metadata. Sums and products were computed in float64 from inputs that are exact in float32 and then
rounded once, so a stored value is closer to the truth than any float32 implementation.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
PARTS = (
    "operations", "elementwise", "shapes", "linalg", "sequence", "spatial", "training", "attention", "networks",
    "parity", "parity_sizes", "pairs", "language", "backbones", "sentences", "checkpoints", "wordpiece",
    "tokenization", "preprocessing", "exports", "peft", "adapters", "inline", "balancing",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one or more of {', '.join(PARTS)} (default: all)")
    chosen = parser.parse_args().parts or list(PARTS)
    unknown = [part for part in chosen if part not in PARTS]
    if unknown:
        parser.error(f"unknown part {unknown[0]!r}; known: {', '.join(PARTS)}")
    for part in chosen:
        module = __import__(f"golden.{part}", fromlist=["write"])
        for path in module.write():
            print(f"{path.stat().st_size:>9,} bytes  {path}")


if __name__ == "__main__":
    main()
