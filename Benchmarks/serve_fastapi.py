#!/usr/bin/env python3
"""A peer to be served against: FastAPI and uvicorn before PyTorch, as a team that knows them writes it.

    .bench/bin/python3 Benchmarks/serve_fastapi.py BUNDLE [--port 8001] [--workers N] [--threads N] [--precision f32|bf16]

POST /predict takes an encoded picture as the body and answers as `pando serve` does; ?tasks=a,b and ?top=5 are known.
GET /health answers once the model is there. The endpoint is a plain function, so that FastAPI runs it, decoding and
network alike, on its thread pool. One process a core with one thread each did most on two cores, and is the default.
"""

import argparse
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import anyio.to_thread
import torch
import uvicorn
from fastapi import Body, FastAPI, HTTPException
from PIL import UnidentifiedImageError

sys.path.insert(0, str(Path(__file__).parent))
from peer_measuring import cores  # noqa: E402
from serve_model import Bundle  # noqa: E402

# What the processes that uvicorn starts are told.
BUNDLE, THREADS, PRECISION = "SERVE_BUNDLE", "SERVE_THREADS", "SERVE_PRECISION"


@asynccontextmanager
async def lifespan(app: FastAPI):
    threads = int(os.environ[THREADS])
    torch.set_num_threads(threads)
    # More requests at once than that would only take turns.
    anyio.to_thread.current_default_thread_limiter().total_tokens = 2
    app.state.bundle = Bundle(Path(os.environ[BUNDLE]))
    app.state.bundle.network.to(memory_format=torch.channels_last)
    app.state.is_bf16 = os.environ[PRECISION] == "bf16"
    for _ in range(3):
        run(app, torch.zeros(1, 3, 224, 224))
    yield


def run(app: FastAPI, pixels: torch.Tensor):
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=app.state.is_bf16):
        return [
            output.float().numpy()
            for output in app.state.bundle.network(pixels.contiguous(memory_format=torch.channels_last))
        ]


app = FastAPI(lifespan=lifespan)


@app.get("/health")
def health():
    return {"ready": True}


@app.post("/predict")
def predict(picture: Annotated[bytes, Body(media_type="image/jpeg")], tasks: str | None = None, top: int = 5):
    bundle = app.state.bundle
    try:
        asked = bundle.asked(tasks)
        pixels = torch.from_numpy(bundle.preprocessing(picture))[None]
    except (ValueError, UnidentifiedImageError, OSError) as error:
        raise HTTPException(400, str(error)) from error
    return {"predictions": [{"input": "picture 1", "tasks": bundle.answers(run(app, pixels), 0, asked, top)}]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", choices=("f32", "bf16"), default="f32")
    options = parser.parse_args()
    os.environ |= {
        BUNDLE: str(options.bundle.resolve()), THREADS: str(options.threads), PRECISION: options.precision,
        "OMP_NUM_THREADS": str(options.threads),
    }  # fmt: skip
    uvicorn.run(
        "serve_fastapi:app", app_dir=str(Path(__file__).parent), host="127.0.0.1", port=options.port,
        workers=options.workers, access_log=False, log_level="warning", timeout_worker_healthcheck=60,
    )  # fmt: skip


if __name__ == "__main__":
    main()
