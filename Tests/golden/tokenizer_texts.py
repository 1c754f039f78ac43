"""The texts that tokenizers are held against, made by a recipe that `TokenizerTexts.swift` follows too.

What texts are put together from (`BLOCKS`, `WORDS`, `PIECES`) is stored in the golden file; both sides draw from it
with the same generator (SplitMix64), so that ten thousand texts need no room.
"""

MASK = (1 << 64) - 1

# (first, last) of blocks of characters, the common and the tricky ones more often than by chance.
BLOCKS = [
    (0x20, 0x7E), (0x20, 0x7E), (0x61, 0x7A), (0x61, 0x7A), (0x41, 0x5A), (0x30, 0x39), (0x21, 0x2F), (0x00, 0x1F),
    (0x7F, 0xA0), (0xA1, 0xFF), (0xC0, 0x17F), (0x180, 0x24F), (0x250, 0x2FF), (0x300, 0x36F), (0x370, 0x3FF),
    (0x400, 0x45F), (0x460, 0x52F), (0x531, 0x58F), (0x591, 0x5F4), (0x600, 0x65F), (0x660, 0x6FF), (0x900, 0x97F),
    (0x980, 0x9FF), (0xB80, 0xBFF), (0xE01, 0xE5B), (0xF00, 0xFFF), (0x10A0, 0x10FF), (0x1100, 0x11FF),
    (0x13A0, 0x13FF),
    (0x1780, 0x17FF), (0x1AB0, 0x1AFF), (0x1C80, 0x1CFF), (0x1D00, 0x1DFF), (0x1E00, 0x1EFF), (0x1F00, 0x1FFF),
    (0x2000, 0x206F), (0x2000, 0x200F), (0x2070, 0x20CF), (0x20D0, 0x218F), (0x2190, 0x23FF), (0x2460, 0x24FF),
    (0x2580, 0x27BF), (0x2C00, 0x2C7F), (0x2E80, 0x2FFF), (0x3000, 0x3020), (0x3041, 0x30FF), (0x3130, 0x33FF),
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0x4E00, 0x4FFF), (0xA640, 0xA7FF), (0xAB30, 0xABBF), (0xAC00, 0xD7A3),
    (0xE000, 0xE00F), (0xF900, 0xFAFF), (0xFB00, 0xFB4F), (0xFDF0, 0xFE0F), (0xFE20, 0xFE6F), (0xFF00, 0xFFEF),
    (0x10330, 0x1034F), (0x10400, 0x1044F), (0x11000, 0x1107F), (0x1D165, 0x1D182), (0x1D400, 0x1D7FF),
    (0x1E030, 0x1E06F), (0x1F100, 0x1F1FF), (0x1F1E6, 0x1F1FF), (0x1F300, 0x1F6FF), (0x1F3FB, 0x1F3FF),
    (0x1F900, 0x1FAFF), (0x20000, 0x2A6DF), (0x2F800, 0x2FA1F), (0xE0020, 0xE007F), (0xE0100, 0xE01EF),
]  # fmt: skip

WORDS = (
    "the of and to in is that it was for on are with as his they be at one have this from or had by hot word but what "
    "some we can out other were all there when up use your how said an each she which do their time if will way about "
    "many then them write would like so these her long make thing see him two has look more day could go come did "
    "number sound no most people my over know water than call first who may down side been now find any new work part "
    "image photo picture small large red green blue yellow left right behind above under holding wearing standing "
    "unaffable tokenization electroencephalographically internationalisation Hello World NASA iPhone McDonald's don't "
    "I'll we've you're he'd I'm it's DON'T IT'S http://example.org/path?x=1&y=2#z someone@example.co.uk C++ x+=y; "
    "for(int i=0;i<n;i++){a[i]=b[i];} def f(x): return x**2 <b>bold</b> $19.99 3.14159 1,000,000 2024-06-30 12:45 "
    "café naïve Ångström São Tomé crème brûlée Mühle Straße ŁÓDŹ İstanbul ısı œuvre ﬁne "
    "cafe\u0301 nai\u0308ve A\u030angstro\u0308m Việt đặc biệt ΑΒΓΔ αβγ λόγος ΌΣΟΣ Привет мир Ёлка йод съешь "
    "שלום עולם שָׁלוֹם مرحبا بالعالم السَّلَامُ नमस्ते दुनिया हिन्दी বাংলা தமிழ் สวัสดีชาวโลก ภาษาไทย გამარჯობა "
    "你好世界 東京タワー 日本語のテキスト カタカナ ﾊﾝｶｸ 한국어 텍스트 \u1112\u1161\u11ab 𠀀𪚥 "
    "🙂 ❤️ 👍🏽 👩‍👩‍👧‍👦 🇩🇪🇫🇷 1️⃣ 🏳️‍🌈 ½ ² ① Ⅷ ㍿ ℡ ㎏ ＡＢＣ １２３ x̂ Z͑ͫ̓ͪ̂ą̷"
).split()

PIECES = [
    " ", " ", " ", "  ", "   ", "\t", "\n", "\r\n", "\n\n", " \n ", "\u00a0", "\u3000", "\u200b", "\u200d", "\ufeff",
    "\u2581", "\u0301", "\u0308", "'s", "'T", "'LL", "'re", "'ſ", "’s", ",", ".", "...", "!?", "--", "-", "_", "(", ")",
    "\"", "'", "[CLS]", "[SEP]", "[MASK]", " [MASK] ", "<s>", "</s>", "<unk>", "<pad>", "<mask>", "  <mask>", "<|endoftext|>",
    "<|startoftext|>", "<|begin_of_text|>", "<0x41>", "Extra", "extra ", "##", "</w>",
]  # fmt: skip


class Generator:
    """SplitMix64."""

    def __init__(self, seed: int):
        self.state = seed & MASK

    def next(self) -> int:
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        value = self.state
        value = ((value ^ value >> 30) * 0xBF58476D1CE4E5B9) & MASK
        value = ((value ^ value >> 27) * 0x94D049BB133111EB) & MASK
        return value ^ value >> 31

    def below(self, bound: int) -> int:
        return self.next() % bound


def texts(seed: int, count: int) -> list[str]:
    generator = Generator(seed)
    return [text(generator, index) for index in range(count)]


def text(generator: Generator, index: int) -> str:
    # One or two scripts most of the time, as text is; a wild mixture in every third.
    blocks = BLOCKS if index % 3 == 0 else [BLOCKS[generator.below(len(BLOCKS))] for _ in range(2)]
    parts = []
    for _ in range(1 + generator.below(20)):
        kind = generator.below(10)
        if kind < 2:
            parts.append(PIECES[generator.below(len(PIECES))])
        elif kind < 6:
            parts.append(WORDS[generator.below(len(WORDS))] + " " * generator.below(2))
        else:
            first, last = blocks[generator.below(len(blocks))]
            for _ in range(1 + generator.below(5)):
                parts.append(chr(first + generator.below(last - first + 1)))
    return "".join(parts)


def digest(numbers, start: int = 0xCBF29CE484222325) -> int:
    """FNV-1a, a number at a time."""
    for number in numbers:
        start = ((start ^ number) * 0x100000001B3) & MASK
    return start
