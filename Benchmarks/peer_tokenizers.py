"""The `tokenizers` package on one thread: a part of the lines of this package's sources to token numbers."""

import os

os.environ["TOKENIZERS_PARALLELISM"] = "false"  # before the package is loaded

from functools import partial
from pathlib import Path

import tokenizers

from peer_measuring import Settings, Way, Work

# Must be as in Work+Tokenization.swift.
SOURCES, STEP = "Sources", 8
GOLDEN = "Tests/PandoBackbonesTests/Golden/Tokenizers"
FILES = {
    "minilm": ".prefix/weights/all-MiniLM-L6-v2/tokenizer.json",
    **{name: f"{GOLDEN}/{name}/tokenizer.json" for name in ("gpt2", "clip", "llama3", "llama2", "t5", "xlmr")},
}
NAME, VERSION = "tokenizers", tokenizers.__version__
WORKS = [Work(f"tokenize {name}", "i32", 1, "texts/s") for name in FILES]


def lines() -> list[str]:
    paths = sorted((str(path) for path in Path(SOURCES).rglob("*.swift")), key=str.encode)
    texts = (Path(path).read_text().split("\n") for path in paths)
    return [line for text in texts for line in text if line][::STEP]


def ways(work: Work, _settings: Settings):
    name = work.name.removeprefix("tokenize ")
    return [partial(one_by_one, name), partial(at_once, name)]


def tokenizer(name: str) -> tokenizers.Tokenizer:
    result = tokenizers.Tokenizer.from_file(FILES[name])
    result.no_padding()
    result.no_truncation()
    return result


def one_by_one(name: str) -> Way:
    chosen, texts = tokenizer(name), lines()

    def run():
        for text in texts:
            chosen.encode(text)

    return Way("encode", len(texts), run)


def at_once(name: str) -> Way:
    chosen, texts = tokenizer(name), lines()
    return Way("encode_batch_fast, one thread", len(texts), lambda: chosen.encode_batch_fast(texts))
