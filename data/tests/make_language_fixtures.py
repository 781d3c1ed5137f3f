"""Writes fixtures/languages_sentencepiece.json: the numbers of tokens into which sentencepiece cuts the sentences that
are made of the words in fixtures/languages.json.

Needs sentencepiece 0.2.1 or newer (`pip install sentencepiece`). Every run gives the same numbers:

    python data/tests/make_language_fixtures.py

sentencepiece learns a vocabulary of 450 entries, and for languages of many characters one of 800 and one of 2,000
entries, from the same sentences, or a smaller one if it finds no more pieces: the size that it reaches is written
beside the number of tokens. Its settings are its defaults, but for these:
it has all characters of the text (character_coverage 1) and the 256 bytes (byte_fallback), and does not normalise.
"""

import io
import json
from pathlib import Path

import sentencepiece

FIXTURES = Path(__file__).parent / "fixtures"
SENTENCES = 3000
# Chinese and Japanese have more characters than the others, and two merges of bytes spell each of them.
VOCAB_SIZES = {"Chinese": [800, 2000], "Japanese": [800, 2000]}


def sentences(language):
    """Draws the sentences of a language; tests/languages.rs draws the same."""
    state = 1

    def draw(choices):
        nonlocal state
        state = (state * 1103515245 + 12345) % 2**31
        return choices[(state >> 16) % len(choices)]

    for _ in range(SENTENCES):
        frame = draw(language["frames"]).split(" ")
        yield language["space"].join(draw(language[slot]) for slot in frame) + language["end"]


def cut(lines, kind, vocab_size):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        model_type=kind,
        vocab_size=vocab_size,
        byte_fallback=True,
        character_coverage=1.0,
        normalization_rule_name="identity",
        hard_vocab_limit=False,
        minloglevel=2,
    )
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    tokens = sum(len(ids) for ids in processor.encode(lines))
    return {"vocab_size": processor.get_piece_size(), "tokens": tokens}


languages = json.loads((FIXTURES / "languages.json").read_text(encoding="utf-8"))
counts = {}
for name, language in languages.items():
    lines = list(sentences(language))
    sizes = VOCAB_SIZES.get(name, [450])
    counts[name] = {kind: [cut(lines, kind, size) for size in sizes] for kind in ["bpe", "unigram"]}
text = json.dumps(counts, ensure_ascii=False, indent=2) + "\n"
(FIXTURES / "languages_sentencepiece.json").write_text(text, encoding="utf-8")
