"""PyTorch's usual way from files to features: a DataLoader with two workers, Pillow, MobileNetV2."""

from functools import partial
from pathlib import Path

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import functional

from peer_measuring import Settings, Way, Work, cores
from peer_networks import network_named

BATCH, SIZE, WORKERS = 32, 224, 2
NAME, VERSION, WORKS = "PyTorch", torch.__version__, [Work("extraction mobilenet_v2", "f32", BATCH, "images/s")]


class Files(Dataset):
    def __init__(self, paths: list[Path]):
        self.paths = paths

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        with Image.open(self.paths[index]) as file:
            image = file.convert("RGBA")
        scale = SIZE / max(image.size)
        size = [max(1, round(side * scale)) for side in image.size]
        image = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
        page = Image.new("RGB", (SIZE, SIZE), "white")
        page.paste(image, ((SIZE - size[0]) // 2, (SIZE - size[1]) // 2), image)
        return functional.normalize(functional.to_tensor(page), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def chosen(images: Path, sample: int) -> list[Path]:
    if images.is_file():
        return [Path(line) for line in images.read_text().splitlines() if line]
    paths = sorted(images.rglob("*.png"), key=lambda path: str(path).encode())
    if not paths:
        raise SystemExit(f"no PNG in {images}")
    count = min(sample, len(paths))
    return [paths[index * len(paths) // count] for index in range(count)]


def ways(_work: Work, settings: Settings):
    return [partial(way, settings)]


def way(settings: Settings) -> Way:
    Image.MAX_IMAGE_PIXELS = None  # some drawings are very large
    torch.set_num_threads(cores())
    paths = chosen(settings.images, settings.sample)
    network = network_named("mobilenet_v2").to(memory_format=torch.channels_last)

    def run():
        with torch.inference_mode():
            for batch in DataLoader(Files(paths), BATCH, num_workers=WORKERS):
                network(batch.to(memory_format=torch.channels_last))

    return Way(f"DataLoader with {WORKERS} workers, Pillow, {len(paths)} files", len(paths), run)
