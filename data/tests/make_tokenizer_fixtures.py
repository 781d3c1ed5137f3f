"""Writes fixtures/tokenizers.json: tokenizers that the tokenizers library makes, and the tokens that it gives to texts.

Needs tokenizers 0.23 (`pip install tokenizers`). Every run gives the same tokens:

    python data/tests/make_tokenizer_fixtures.py
"""

import json
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

OUTPUT = Path(__file__).parent / "fixtures" / "tokenizers.json"
VOCAB_SIZE = 400

LINES = [
    "हिन्दी में लिखी हुई किताबें हिन्दी की किताबें हैं",
    "हमारे गाँव की हिन्दी किताबें पुरानी हैं",
    "Le garçon est tombé de l'échelle, mais il s'est relevé.",
    "L'eau de l'étang est gelée et l'été est fini.",
    "Bu o'simlik bog'da o'sadi, o'simliklar ko'p.",
    "It's the dog's ball and we're in our neighbour's garden.",
    "“Wait,” she said ‘softly’ to the 12 new pupils of 2024…",
]

TEXTS = LINES + [
    "",
    " ",
    "  two  spaces, three   and\ta tab\u00a0",
    "</s> <s><pad> </s></s>",
    "e\u0301te\u0301 garc\u0327on tombe\u0301",
    "👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪 1️⃣ ❤️",
    "क\u094d\u200dष क\u094d\u200cष",
    "ﬁnal ５ x² “a” «b» ‹c› ‘d’",
    "ไม่มีช่องว่างระหว่างคำ 漢字かな 한국어",
    "ab" * 100,
    "a" + "\u0301" * 100,
    "\u0301 - \u0301a",
    "''' 'a' a'b a''b ’a’b’",
]

# The words of Attend, from data/src/tokenizer/words.rs.
WORD = (
    " ?\\p{L}(?:['\u2019]?[\\p{L}\\p{M}\u200c\u200d])*"
    "| ?\\p{N}[\\p{N}\\p{M}]*"
    "| ?[^\\s\\p{L}\\p{N}]+"
    "|\\s"
)
PART = "[\\s\\S]{1,64}[\\p{M}\u200c\u200d]{0,30}"


def words():
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORD), "isolated"),
            pre_tokenizers.Split(Regex(PART), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def gpt2():
    return pre_tokenizers.ByteLevel(add_prefix_space=False)


def make(split, normalizer, prefix_space=False):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = split
    tokenizer.decoder = decoders.ByteLevel()
    if prefix_space:
        tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        min_frequency=2,
        special_tokens=["<pad>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(LINES, trainer)
    tokenizer.encode_special_tokens = True
    cases = []
    for text in TEXTS:
        ids = tokenizer.encode(text).ids
        cases.append({"text": text, "ids": ids, "decoded": tokenizer.decode(ids)})
    return {"tokenizer": json.loads(tokenizer.to_str()), "cases": cases}


def replace(pattern, content):
    return normalizers.Replace(Regex(pattern), content)


# The steps that a recipe can name, and some that only other programs write.
WHITESPACE = [replace(r"\s+", " "), normalizers.Strip()]
QUOTES = [replace("[\u201c\u201d\u201e\u201f«»]", '"'), replace("[\u2018\u2019\u201a\u201b‹›]", "'")]
MIXED = [normalizers.NFKC(), *WHITESPACE, *QUOTES]
NORMALIZERS = {
    "nfc": normalizers.Sequence([normalizers.NFC()]),
    "nfkc": normalizers.Sequence([normalizers.NFKC()]),
    "whitespace": normalizers.Sequence(WHITESPACE),
    "quotes": normalizers.Sequence(QUOTES),
    "nfkc whitespace quotes": normalizers.Sequence(MIXED),
    "foreign": normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()]),
}

fixtures = {"gpt2": make(gpt2(), None), "words": make(words(), None)}
fixtures |= {name: make(words(), normalizer) for name, normalizer in NORMALIZERS.items()}
# Attend puts a space before the text, and removes it when it decodes.
SPACE = normalizers.Prepend(" ")
fixtures["prefix_space"] = make(words(), normalizers.Sequence([SPACE]), prefix_space=True)
mixed = normalizers.Sequence([*MIXED, SPACE])
fixtures["prefix_space nfkc whitespace quotes"] = make(words(), mixed, prefix_space=True)
OUTPUT.write_text(json.dumps(fixtures, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
