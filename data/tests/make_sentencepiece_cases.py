"""Trains models of SentencePiece on the lines of files, and cuts these lines and odd ones by them.

    python data/tests/make_sentencepiece_cases.py FOLDER FILE...

Needs sentencepiece 0.2.3 (`pip install sentencepiece`). `just test-sentencepiece` runs it, and compares Attend with
what it writes: FOLDER/NAME.model and, for each line, a line of FOLDER/NAME.jsonl with the text, its pieces, their ids,
and the text that the pieces and the ids are decoded to.
"""

import json
import random
import sys
from pathlib import Path

import sentencepiece

ODD_LINES = 20_000

MODELS = {
    "unigram": dict(model_type="unigram", vocab_size=16_000),
    "bpe": dict(model_type="bpe", vocab_size=8_000),
    "unigram_bytes": dict(
        model_type="unigram",
        vocab_size=8_000,
        normalization_rule_name="nmt_nfkc_cf",
        byte_fallback=True,
        user_defined_symbols=["<sep>", ">>deu<<"],
    ),
    "bpe_bytes": dict(
        model_type="bpe",
        vocab_size=32_000,
        normalization_rule_name="identity",
        byte_fallback=True,
        user_defined_symbols=["<sep>"],
    ),
    "unigram_spaces": dict(
        model_type="unigram",
        vocab_size=8_000,
        normalization_rule_name="nfkc",
        remove_extra_whitespaces=False,
        add_dummy_prefix=False,
    ),
}

# Ranges of characters that normalisation changes, joins or removes, and scripts of many kinds.
RANGES = [
    (0x00, 0x7F), (0x80, 0x24F), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x4FF), (0x590, 0x6FF), (0x900, 0x97F),
    (0xE00, 0xE7F), (0x1100, 0x11FF), (0x1E00, 0x1EFF), (0x2000, 0x206F), (0x2070, 0x20CF), (0x2100, 0x218F),
    (0x2460, 0x24FF), (0x2581, 0x2581), (0x3000, 0x30FF), (0x3130, 0x318F), (0x3200, 0x33FF), (0x4E00, 0x4EFF),
    (0xA960, 0xA97F), (0xAC00, 0xACFF), (0xD7B0, 0xD7FF), (0xE000, 0xE0FF), (0xF900, 0xFAFF), (0xFB00, 0xFDFF),
    (0xFE00, 0xFEFF), (0xFF00, 0xFFFF), (0x1D400, 0x1D7FF), (0x1F1E6, 0x1F1FF), (0x1F300, 0x1F6FF),
    (0x2F800, 0x2FA1F), (0xE0001, 0xE007F),
]  # fmt: skip

ODD = [
    "</s>", "<unk>", "<s>", "<pad>", "<sep>", ">>deu<<", "<0xE4>", "▁", "▁▁", " ", "  ", "\u3000", "\u00a0", "\x00",
    "\t", "\r", "\u2028", "\u200d", "\ufe0f", "e\u0301", "a\u030a", "o\u0308\u0304", "\u0345", "\u1112\u1161\u11ab",
    "\u1100\u1161", "ﬁ", "ﬀ", "Ⅷ", "½", "ﷺ", "\u0f77", "\ufffd", "👩\u200d👧", "..", "...", "....",
]  # fmt: skip


def odd_lines(words):
    """Lines of odd characters, of words with odd strings between them, and of words with odd characters in them."""
    rng = random.Random(1)

    def character():
        return chr(rng.randint(*rng.choice(RANGES)))

    def odd_part():
        return character() if rng.random() < 0.8 else rng.choice(ODD)

    def word_or_odd():
        return rng.choice(words if rng.random() < 0.6 else ODD) + rng.choice(["", " "])

    def damaged_word():
        word = rng.choice(words)
        place = rng.randint(0, len(word))
        return word[:place] + character() + word[place:] + rng.choice(["", " ", "  "])

    for _ in range(ODD_LINES):
        part = rng.choice([odd_part, word_or_odd, damaged_word])
        yield "".join(part() for _ in range(rng.randint(1, 30)))


def main():
    folder = Path(sys.argv[1])
    files = [Path(name).read_text(encoding="utf-8").split("\n") for name in sys.argv[2:]]
    lines = [line for file in files for line in file if line]
    words = [word for line in lines[:10_000] for word in line.split()]
    texts = lines + list(odd_lines(words))
    for name, options in MODELS.items():
        path = folder / f"{name}.model"
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_prefix=path.with_suffix(""), minloglevel=2, **options
        )
        processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
        with path.with_suffix(".jsonl").open("w") as cases:
            for text in texts:
                pieces = processor.encode(text, out_type=str)
                ids = processor.encode(text, out_type=int)
                case = [text, pieces, ids, processor.decode(pieces), processor.decode(ids)]
                cases.write(json.dumps(case) + "\n")


main()
