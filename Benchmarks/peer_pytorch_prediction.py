"""A whole process of PyTorch's: MobileNetV2 with its weights says what one picture shows, and the process ends.

    .bench/bin/python3 Benchmarks/peer_pytorch_prediction.py PICTURE
"""

import sys
from pathlib import Path

import torch
from PIL import Image
from torchvision.models import mobilenet_v2
from torchvision.transforms import functional

WEIGHTS = Path(__file__).parents[1] / ".prefix" / "weights" / "mobilenet_v2.pth"


def main() -> None:
    network = mobilenet_v2()
    network.load_state_dict(torch.load(WEIGHTS, weights_only=True))
    network.eval()
    with Image.open(sys.argv[1]) as file:
        picture = functional.to_tensor(file.convert("RGB").resize((224, 224)))
    picture = functional.normalize(picture, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    with torch.inference_mode():
        scores = network(picture[None]).softmax(1)[0]
    print(f"{sys.argv[1]}: class {int(scores.argmax())} {float(scores.max()):.2f}", flush=True)


if __name__ == "__main__":
    main()
