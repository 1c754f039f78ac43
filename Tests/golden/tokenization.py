"""Small tokenizers of every kind, and what the `tokenizers` package makes of ten thousand texts with them.

Needs sentencepiece beside what the other parts need (`.bench/bin/pip install --no-deps sentencepiece`): it compiles the
character map. `PandoBackbonesTests/Golden/Tokenizers/` gets

    NAME/tokenizer.json    a tokenizer of NAME's kind
    expected.json          what texts are made of (see tokenizer_texts.py); for each tokenizer digests of the numbers
                           (special tokens included), of the types and of the decoded bytes, a digest for each hundred
                           texts; digests of pairs that are cut to 32 tokens in three ways; and the first texts' numbers
"""

import json
import tempfile
from pathlib import Path

from tokenizers import Tokenizer

from .files import TESTS, versions, write_json
from .tokenizer_kinds import all_kinds
from .tokenizer_texts import BLOCKS, PIECES, WORDS, digest, texts

SEED = 2026
COUNT = 10_000
BLOCK = 100
SHOWN = 40
PAIRS = 1000
CUT = 32
GOLDEN = TESTS / "PandoBackbonesTests" / "Golden" / "Tokenizers"

# What the character map replaces: one character or several by none, one or several. Longest entries do not win: first,
# shortest ones do.
RULES = {
    "\u00a0": " ", "\u3000": " ", "\u200b": " ", "\t": " ", "\n": " ", "\r": " ", "\x07": "", "\u00ad": "",
    "\ufeff": " ", "e\u0301": "\u00e9", "a\u0308": "\u00e4", "i\u0308": "\u00ef", "A\u030a": "\u00c5",
    "o\u0308": "\u00f6", "\u1112\u1161\u11ab": "\ud55c", "\u0e33": "\u0e4d\u0e32", "\u0958": "\u0915\u093c",
    "\u2026": "...", "\ufb01": "fi", "\u00bd": "1\u20442", "\u00b2": "2", "\u2460": "1", "\u2167": "VIII",
    "\u337f": "\u682a\u5f0f\u4f1a\u793e", "\u2121": "TEL", "\u338f": "kg",
    "\U0001f44d\U0001f3fd": "+", "\u0301": "", "\u017f": "s", "\u212b": "\u00c5",
    "\u0344": "\u0308\u0301",
    **{chr(0xFF01 + offset): chr(0x21 + offset) for offset in range(94)},
    **{chr(0xFF8A + offset): chr(0x30CF + 3 * offset) for offset in range(5)},
    **{chr(0x1D400 + offset): chr(0x41 + offset) for offset in range(26)},
}  # fmt: skip


def character_map() -> bytes:
    """RULES, compiled by sentencepiece."""
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2

    def codes(string: str) -> str:
        return " ".join(f"{ord(character):X}" for character in string)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rules = folder / "rules.tsv"
        rules.write_text("".join(f"{codes(source)}\t{codes(target)}\n" for source, target in RULES.items()))
        words = folder / "words.txt"
        words.write_text("\n".join(WORDS))
        sentencepiece.SentencePieceTrainer.train(
            input=str(words), model_prefix=str(folder / "model"), vocab_size=300, normalization_rule_tsv=str(rules),
            hard_vocab_limit=False, minloglevel=2,
        )  # fmt: skip
        model = sentencepiece_model_pb2.ModelProto()
        model.ParseFromString((folder / "model.model").read_bytes())
        return model.normalizer_spec.precompiled_charsmap


def expected(name: str, tokenizer, given: list[str]) -> dict:
    tokenizer.no_padding()
    tokenizer.no_truncation()
    encodings = [tokenizer.encode(text) for text in given]
    decoded = [tokenizer.decode(encoding.ids) if encoding.ids else "" for encoding in encodings]
    row = {"name": name, "ids": [], "types": [], "decoded": []}
    for start in range(0, len(given), BLOCK):
        block = encodings[start : start + BLOCK]
        row["ids"].append(f"{digest(id for one in block for id in [len(one.ids), *one.ids]):016x}")
        row["types"].append(f"{digest(type for one in block for type in one.type_ids):016x}")
        bytes_of = (byte for text in decoded[start : start + BLOCK] for byte in [*text.encode(), 256])
        row["decoded"].append(f"{digest(bytes_of):016x}")
    row["pairs"] = []
    for strategy, direction in (("longest_first", "right"), ("longest_first", "left"), (None, None)):
        if strategy:
            tokenizer.enable_truncation(CUT, strategy=strategy, direction=direction)
        else:
            tokenizer.no_truncation()
        pairs = [tokenizer.encode(given[2 * index], given[2 * index + 1]) for index in range(PAIRS)]
        numbers = (n for pair in pairs for n in [len(pair.ids), *pair.ids, *pair.type_ids])
        row["pairs"].append(f"{digest(numbers):016x}")
    row["first"] = [encoding.ids for encoding in encodings[:SHOWN]]
    return row


def write():
    given = texts(SEED, COUNT)
    kinds = all_kinds(character_map())
    written, rows = [], []
    for name, tokenizer in kinds.items():
        path = GOLDEN / name / "tokenizer.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, separators=(",", ":")) + "\n")
        written.append(path)
        rows.append(expected(name, Tokenizer.from_file(str(path)), given))
    head = {
        "versions": versions("tokenizers", "sentencepiece"), "seed": SEED, "count": COUNT, "block": BLOCK, "cut": CUT,
        "textPairs": PAIRS, "blocks": BLOCKS, "words": WORDS, "pieces": PIECES,
        "textDigest": f"{digest(b for text in given for b in [*text.encode(), 256]):016x}",
    }  # fmt: skip
    return [*written, write_json(GOLDEN / "expected.json", head, "tokenizers", rows)]
