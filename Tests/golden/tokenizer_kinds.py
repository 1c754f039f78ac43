"""Small tokenizers of every kind, put together as those of well-known models are, with vocabularies of their own."""

import json

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from .tokenizer_texts import WORDS, Generator, texts

ALPHABET = 220  # characters of vocabularies that do not spell bytes
METASPACE = "\u2581"
GPT4 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CLIP = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
PUNCTUATION = r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]"""


def sentences(count: int) -> list[str]:
    generator = Generator(11)
    return [" ".join(WORDS[generator.below(len(WORDS))] for _ in range(12)) for _ in range(count)]


def corpus() -> list[str]:
    """What vocabularies are learnt from: other texts than those that are compared, and plain words often."""
    return texts(7, 3000) + sentences(1000)


def learnt(tokenizer: Tokenizer, trainer) -> Tokenizer:
    tokenizer.train_from_iterator(corpus(), trainer)
    return tokenizer


def special(*contents: str, **options) -> list[AddedToken]:
    return [AddedToken(content, special=True, normalized=False, **options) for content in contents]


def template(tokenizer: Tokenizer, single: str, pair: str, *names: str):
    return processors.TemplateProcessing(
        single=single, pair=pair, special_tokens=[(name, tokenizer.token_to_id(name)) for name in names]
    )


def wordpiece(lowercase: bool, strip_accents: bool | None) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=20))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=strip_accents)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return learnt(
        tokenizer, trainers.WordPieceTrainer(vocab_size=900, limit_alphabet=ALPHABET, special_tokens=special(*names))
    )


def bert() -> Tokenizer:
    tokenizer = wordpiece(True, None)
    tokenizer.post_processor = template(
        tokenizer, "[CLS]:0 $A:0 [SEP]:0", "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", "[CLS]", "[SEP]"
    )
    return tokenizer


def distilbert_cased() -> Tokenizer:
    tokenizer = wordpiece(False, False)
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", tokenizer.token_to_id("[SEP]")), ("[CLS]", tokenizer.token_to_id("[CLS]"))
    )
    tokenizer.add_tokens([AddedToken("Extra", single_word=True), AddedToken("Word", normalized=True, rstrip=True)])
    return tokenizer


def bytewise(vocabulary: int, names: list[AddedToken], pre_tokenizer, **model) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(**model))
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=names, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False, end_of_word_suffix=model.get("end_of_word_suffix", ""),
    )  # fmt: skip
    return learnt(tokenizer, trainer)


def gpt2() -> Tokenizer:
    tokenizer = bytewise(800, special("<|endoftext|>"), pre_tokenizers.ByteLevel(add_prefix_space=False))
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def roberta() -> Tokenizer:
    names = special("<s>", "<pad>", "</s>", "<unk>") + special("<mask>", lstrip=True)
    tokenizer = bytewise(800, names, pre_tokenizers.ByteLevel(add_prefix_space=True))
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", tokenizer.token_to_id("</s>")), ("<s>", tokenizer.token_to_id("<s>"))
    )
    return tokenizer


def clip() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token="<|endoftext|>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(CLIP), "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1100, special_tokens=special("<|startoftext|>", "<|endoftext|>"), end_of_word_suffix="</w>",
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
    )  # fmt: skip
    tokenizer = learnt(tokenizer, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(
        ("<|endoftext|>", tokenizer.token_to_id("<|endoftext|>")),
        ("<|startoftext|>", tokenizer.token_to_id("<|startoftext|>")), add_prefix_space=False,
    )  # fmt: skip
    return tokenizer


def split_bytewise(pattern: str) -> Tokenizer:
    bytewise_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), bytewise_only])
    return bytewise(800, special("<|begin_of_text|>", "<|endoftext|>"), pre_tokenizer, ignore_merges=True)


def llama3() -> Tokenizer:
    tokenizer = split_bytewise(GPT4 % r"\p{N}{1,3}")
    begin = "<|begin_of_text|>"
    around = template(tokenizer, f"{begin} $A", f"{begin} $A {begin}:1 $B:1", begin)
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(), around])
    return tokenizer


def qwen2() -> Tokenizer:
    tokenizer = split_bytewise(GPT4 % r"\p{N}")
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.post_processor = processors.ByteLevel()
    return tokenizer


def characters(pre_tokenizer, names: list[str], prefix: str = "", **model) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", **model))
    tokenizer.pre_tokenizer = pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=900, special_tokens=special(*names), limit_alphabet=ALPHABET, show_progress=False,
        continuing_subword_prefix=prefix,
    )  # fmt: skip
    return learnt(tokenizer, trainer)


def with_bytes() -> list[str]:
    return ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]


def without_added_bytes(tokenizer: Tokenizer) -> Tokenizer:
    """The byte tokens belong to the vocabulary alone: they are not found in a text."""
    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = [token for token in content["added_tokens"] if not token["content"].startswith("<0x")]
    return Tokenizer.from_str(json.dumps(content))


def llama2() -> Tokenizer:
    tokenizer = without_added_bytes(
        characters(pre_tokenizers.Metaspace(), with_bytes(), byte_fallback=True, fuse_unk=True)
    )
    tokenizer.pre_tokenizer = None
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(METASPACE), normalizers.Replace(" ", METASPACE)])
    tokenizer.post_processor = template(tokenizer, "<s> $A", "<s> $A <s>:1 $B:1", "<s>")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(METASPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


def llama2_first() -> Tokenizer:
    """The newer way to write the same, with a sign before the very first word only, and without bytes."""
    tokenizer = characters(pre_tokenizers.Metaspace(), ["<unk>", "<s>", "</s>"], fuse_unk=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.normalizer = normalizers.Strip(left=True, right=False)
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="first")
    return tokenizer


def gemma() -> Tokenizer:
    tokenizer = without_added_bytes(characters(pre_tokenizers.Metaspace(), with_bytes(), byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", METASPACE)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.post_processor = template(tokenizer, "<s> $A", "<s> $A <s> $B", "<s>")
    tokenizer.decoder = decoders.Sequence([decoders.Replace(METASPACE, " "), decoders.ByteFallback(), decoders.Fuse()])
    return tokenizer


def pieces(normalizer, pre_tokenizer, names: list[str], byte_fallback: bool = False) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, pre_tokenizer
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=900, special_tokens=special(*names), unk_token="<unk>", show_progress=False,
        initial_alphabet=[METASPACE], max_piece_length=12,
    )  # fmt: skip
    tokenizer.train_from_iterator(sentences(2000), trainer)
    return shrunk(tokenizer, names, byte_fallback)


def shrunk(tokenizer: Tokenizer, names: list[str], byte_fallback: bool) -> Tokenizer:
    """Without most characters that are not Latin, so that they are unknown, and with scores rounded."""
    content = json.loads(tokenizer.to_str())
    vocabulary = content["model"]["vocab"]
    kept = [entry for entry in vocabulary if len(entry[0]) > 1 or entry[0] < "\u0180" or entry[0] == METASPACE]
    kept = kept[: len(names) + 700]
    if byte_fallback:
        kept += [[f"<0x{byte:02X}>", 0.0] for byte in range(256)]
    content["model"]["vocab"] = [[piece, round(score, 4)] for piece, score in kept]
    content["model"]["unk_id"] = [piece for piece, _ in kept].index("<unk>")
    content["model"]["byte_fallback"] = byte_fallback
    return Tokenizer.from_str(json.dumps(content))


def t5(character_map: bytes) -> Tokenizer:
    normalizer = normalizers.Sequence(
        [normalizers.Precompiled(character_map), normalizers.Strip(left=False, right=True),
         normalizers.Replace(Regex(" {2,}"), METASPACE)]
    )  # fmt: skip
    tokenizer = pieces(normalizer, pre_tokenizers.Metaspace(), ["<pad>", "</s>", "<unk>"])
    tokenizer.post_processor = template(tokenizer, "$A </s>", "$A </s> $B </s>", "</s>")
    return tokenizer


def siglip(character_map: bytes) -> Tokenizer:
    normalizer = normalizers.Sequence(
        [normalizers.Lowercase(), normalizers.Replace(Regex(PUNCTUATION), ""), normalizers.Replace(Regex(r"\s+"), " "),
         normalizers.Strip(), normalizers.Precompiled(character_map)]
    )  # fmt: skip
    tokenizer = pieces(normalizer, pre_tokenizers.Metaspace(), ["<pad>", "</s>", "<unk>"])
    tokenizer.post_processor = template(tokenizer, "$A </s>", "$A </s> $B </s>", "</s>")
    return tokenizer


def xlmr(character_map: bytes) -> Tokenizer:
    normalizer = normalizers.Sequence(
        [normalizers.Precompiled(character_map), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    tokenizer = pieces(normalizer, pre_tokenizer, ["<s>", "<pad>", "</s>", "<unk>"])
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
    tokenizer.post_processor = template(tokenizer, "<s> $A </s>", "<s> $A </s> </s> $B </s>", "<s>", "</s>")
    return tokenizer


def unigram_bytes() -> Tokenizer:
    normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()])
    tokenizer = pieces(normalizer, pre_tokenizers.Metaspace(prepend_scheme="never"), ["<unk>"], byte_fallback=True)
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="never")])
    return tokenizer


def wordlevel() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=True)]
    )
    return learnt(tokenizer, trainers.WordLevelTrainer(vocab_size=900, special_tokens=["[UNK]"], show_progress=False))


def mixture() -> Tokenizer:
    """What no well-known tokenizer has all at once."""
    pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\d+(?=[a-z])|[aeiou]\w"), "merged_with_next"),
            pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.Digits(), pre_tokenizers.CharDelimiterSplit(" "),
            pre_tokenizers.Split("-", "merged_with_previous"),
        ]
    )  # fmt: skip
    tokenizer = characters(pre_tokenizer, ["<unk>"], prefix="##")
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.Replace("ll", "L")])
    tokenizer.decoder = decoders.BPEDecoder(suffix="e")
    return tokenizer


def all_kinds(character_map: bytes) -> dict[str, Tokenizer]:
    plain = [
        bert, distilbert_cased, gpt2, roberta, clip, llama3, qwen2, llama2, llama2_first, gemma, unigram_bytes,
        wordlevel, mixture,
    ]  # fmt: skip
    mapped = [t5, siglip, xlmr]
    return {make.__name__: make() for make in plain} | {make.__name__: make(character_map) for make in mapped}
