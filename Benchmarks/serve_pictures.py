"""Writes pictures as JPEGs of at most 640 pixels a side, on white.

    .bench/bin/python3 Benchmarks/serve_pictures.py FOLDER PICTURE...
"""

import sys
from pathlib import Path

from PIL import Image

SIDE = 640


def main() -> None:
    folder = Path(sys.argv[1])
    for index, path in enumerate(sys.argv[2:]):
        with Image.open(path) as file:
            picture = file.convert("RGBA")
        picture.thumbnail((SIDE, SIDE))
        ground = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        Image.alpha_composite(ground, picture).convert("RGB").save(folder / f"{index:03}.jpg", quality=90)


if __name__ == "__main__":
    main()
