"""Token ids of all-MiniLM-L6-v2's tokenizer, by the `tokenizers` package from the real tokenizer.json.

`PandoBackbonesTests/Golden/wordpiece.json`: `texts` lists {text, ids, truncated?}: ids with special tokens and
without any cut; `truncated`, given only where it differs, the ids cut at 128 as tokenizer.json says. No padding.
Every text is valid Unicode: no lone surrogates.
"""

import random
import unicodedata

from tokenizers import Tokenizer

from .files import TESTS, WEIGHTS, versions, write_json

FUZZED = 300
SWEPT = 40  # characters in one text of the sweep

BY_HAND = [
    "",
    " ",
    "\t\n\r  ",
    "hello world",
    "Hello, World!",
    "HELLO wOrLd",
    "  leading and trailing  ",
    "unaffable",
    "don't can't won't I'm you're",
    "e-mail: a.b_c+d@example-site.co.uk?x=1&y=2#z",
    "http://example.org/path/to/file.html",
    "3.14159 1,000,000 -42 1e-9 0xFF ½ ² ①",
    "$5 €6 £7 ¥8 ₿9",
    "a+b=c; {x|y} [z] <w> ~`^ \\ / * & % @ # !",
    # Accents, composed and decomposed
    "café naïve Ångström São Tomé",
    "cafe\u0301 nai\u0308ve A\u030angstro\u0308m",
    "Ünïcödé ŁÓDŹ İstanbul ısı ß ẞ ǅ ﬁ ﬀ",
    "ΑΒΓ αβγ ς Σ ΌΣΟΣ",
    "Привет, мир! Ёлка йод",
    "tiếng Việt đặc biệt",
    "Z\u0351\u036b\u0343\u036a\u0302a\u0328lgo\u0315",
    "\u0301\u0302",
    # Chinese, Japanese, Korean
    "你好,世界",
    "你好世界hello你好",
    "東京タワー",
    "日本語のテキスト、カタカナとﾊﾝｶｸ",
    "한국어 텍스트",
    "\u1112\u1161\u11ab",
    "𠀀𠀁 𪚥 㐀",
    "〇々〆ヶ",
    # Other scripts
    "नमस्ते दुनिया",
    "สวัสดีชาวโลก",
    "שלום עולם",
    "שָׁלוֹם",
    "مرحبا بالعالم",
    "السَّلَامُ عَلَيْكُمْ",
    "გამარჯობა Ⴀ Ა",
    "Ꭰ ꭰ ᏸ",
    "𝒽𝑒𝓁𝓁𝑜 𝐁𝐨𝐥𝐝 𝟘𝟙",
    "𐐀𐐨 Deseret",
    # Emoji
    "🙂",
    "I ❤️ 🍎 and 🍕!",
    "👩‍👩‍👧‍👦 family",
    "👍🏽 👍",
    "🇩🇪🇫🇷",
    "1️⃣2️⃣",
    # What cleaning removes, keeps or turns into spaces
    "zero\u200bwidth\u200c \u200djoiner\u2060\ufeff",
    "soft\u00adhyphen",
    "nul\x00byte and \x07bell \x1b[31m escape",
    "replacement \ufffd character",
    "delete\x7f and c1 \x85 \x9f",
    "vertical\x0btab form\x0cfeed",
    "no-break\u00a0space thin\u2009space ideographic\u3000space \u1680ogham",
    "line\u2028separator paragraph\u2029separator",
    "right\u200eto\u200fleft \u202eoverride\u202c",
    "private \ue000 use \U000f0000",
    "not a character \ufffe \uffff \U0010ffff",
    "tag \U000e0041\U000e0042",
    # Punctuation of many scripts
    "“quotes” ‘single’ «guillemets» „low“",
    "dash – em — minus − hyphen ‐ bar ―",
    "ellipsis … bullet • dagger † pilcrow ¶ section §",
    "¿Qué? ¡Hola!",
    "。、「」『』【】〜・！？",
    "،؟؛ ।॥ ។",
    "arrows → ⇒ maths ∑∫√∞≈ box ┌─┐",
    "* * * --- ___ ...",
    "a.b.c.d",
    "U.S.A. vs. U.K.",
    # Special tokens within a text
    "[CLS] hello [SEP]",
    "[SEP]",
    "a[SEP]b",
    "[MASK][MASK] [PAD]",
    "[UNK] unknown",
    "[sep] [Cls] [ SEP ] [SEP",
    "[[SEP]]",
    "x[MASK]y é[PAD]Ü",
    # Long
    "a" * 99,
    "a" * 100,
    "a" * 101,
    "pneumonoultramicroscopicsilicovolcanoconiosis",
    "antidisestablishmentarianism" * 4,
    "é" * 100,
    "e\u0301" * 100,
    "e\u0301" * 101,
    "你" * 150,
    " ".join(["word"] * 126),
    " ".join(["word"] * 127),
    " ".join(f"w{i}" for i in range(1000)),
    "x" * 5000,
    "." * 300,
]

# Where a fuzzed character comes from: (first, last), the tricky blocks more often than by chance.
BLOCKS = [
    (0x20, 0x7E), (0x20, 0x7E), (0x61, 0x7A), (0x61, 0x7A), (0x41, 0x5A), (0x00, 0x1F), (0x7F, 0xA0), (0xA1, 0xFF),
    (0x100, 0x24F), (0x250, 0x2FF), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x52F), (0x530, 0x5FF), (0x600, 0x6FF),
    (0x900, 0x97F), (0xE00, 0xE7F), (0x10A0, 0x10FF), (0x1100, 0x11FF), (0x1C80, 0x1CBF), (0x1D00, 0x1DFF),
    (0x1E00, 0x1EFF), (0x1F00, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x20CF), (0x20D0, 0x214F), (0x2C00, 0x2C7F),
    (0x2E80, 0x2FFF), (0x3000, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xA640, 0xA7FF), (0xAB30, 0xABBF),
    (0xAC00, 0xD7A3), (0xE000, 0xE0FF), (0xF900, 0xFAFF), (0xFB00, 0xFDFF), (0xFE00, 0xFE6F), (0xFF00, 0xFFFF),
    (0x10400, 0x1044F), (0x118A0, 0x118DF), (0x1D400, 0x1D7FF), (0x1E900, 0x1E95F), (0x1F300, 0x1F6FF),
    (0x20000, 0x2A6DF), (0x2F800, 0x2FA1F), (0xE0000, 0xE01EF),
]  # fmt: skip
PIECES = [" ", " ", " ", "  ", "\t", "the ", "ing", "[SEP]", "[MASK]", "un", ",", ".", "-", "'s", "\u0301", "\u200d"]


def fuzzed() -> list[str]:
    random.seed(2024)
    texts = []
    for index in range(FUZZED):
        # One script most of the time, as text is; a wild mixture in every third.
        blocks = BLOCKS if index % 3 == 0 else [random.choice(BLOCKS) for _ in range(2)]
        parts = []
        for _ in range(random.randint(1, 24)):
            if random.random() < 0.3:
                parts.append(random.choice(PIECES))
            else:
                parts.append(chr(random.randint(*random.choice(blocks))))
        texts.append("".join(parts))
    return texts


# Swept character by character: the blocks where a tokenizer removes, splits, folds or decomposes.
SWEPT_WHOLE = [(0x00, 0x24F), (0x2B0, 0x36F), (0x2000, 0x206F), (0x3000, 0x303F), (0xFE00, 0xFE6F), (0xFF00, 0xFFEF)]
SWEPT_STEP = 53


def swept() -> list[str]:
    """Texts of "aXb" words, one for each character X: whether X vanishes, splits, folds or stays shows in the ids."""
    chosen = {code for first, last in SWEPT_WHOLE for code in range(first, last + 1)}
    chosen |= set(range(0x250, 0x1F000, SWEPT_STEP))
    assigned = [chr(code) for code in sorted(chosen) if unicodedata.category(chr(code)) not in ("Cn", "Cs")]
    rows = [assigned[start : start + SWEPT] for start in range(0, len(assigned), SWEPT)]
    return [" ".join(f"a{character}b" for character in row) for row in rows]


def write():
    path = str(WEIGHTS / "all-MiniLM-L6-v2" / "tokenizer.json")
    whole, cut = Tokenizer.from_file(path), Tokenizer.from_file(path)
    whole.no_padding()
    cut.no_padding()
    whole.no_truncation()
    rows = []
    for text in [*BY_HAND, *fuzzed(), *swept()]:
        row = {"text": text, "ids": whole.encode(text).ids}
        truncated = cut.encode(text).ids
        if truncated != row["ids"]:
            row["truncated"] = truncated
        rows.append(row)
    golden = TESTS / "PandoBackbonesTests" / "Golden" / "wordpiece.json"
    return [write_json(golden, {"versions": versions("tokenizers")}, "texts", rows)]
