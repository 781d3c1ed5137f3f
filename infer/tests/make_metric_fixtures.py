"""Writes fixtures/metric.json: texts made up here, and the scores that sacreBLEU gives them.

Needs sacrebleu 2.6.0 (`pip install sacrebleu==2.6.0`). The same texts come out of every run:

    python infer/tests/make_metric_fixtures.py
"""

import json
import random
from pathlib import Path

import sacrebleu
from sacrebleu.metrics import BLEU, CHRF

OUTPUT = Path(__file__).parent / "fixtures" / "metric.json"

# Words of several scripts, and pieces that tokenizers disagree about.
WORDS = {
    "latin": "the a cat sat on mat today we go home river bridge over under Apfel Häuser Straße größer über niño "
    "façade coöperate naïve Łódź don't it's l'eau rock'n'roll well-known e-mail U.S.A. e.g. Dr.",
    "cyrillic": "мы сегодня идём домой через мост река под солнцем ёжик объект что-то",
    "greek": "η γάτα κάθισε στο χαλί σήμερα πάμε σπίτι ποτάμι",
    "arabic": "نحن نذهب اليوم إلى البيت عبر الجسر، والنهر؟",
    "hindi": "हम आज घर जाते हैं नदी पुल के ऊपर।",
    "han": "今天 我们 回家。 河上的桥, 很长! 「猫」",
    "numbers": "1 12 1,000 1,000.5 1.000,50 3-4 1990-1995 .5 5. ,7 7, -3 +4 10% $5.99 1/2 3.14.15 12:30 ٣٫١٤ ²",
    "marks": ". , ... ,, .,. - -- – — ' '' \" “ ” ! ?! ; : ( ) [ ] { } < > / \\ | & # @ * + = ^ _ ` ~ a.b a,b .a ,b "
    "a. b, x-y -x x- 5-x x-5 (a) [b] {c} <d> a/b a@b.c #tag 'a' \"b\"",
    "markup": "&quot; &amp; &lt; &gt; &amp;lt; &amp;quot; &apos; &nbsp; a&b <skipped> a<skipped>b <b>x</b> &AMP; & ;",
    "pictures": "🙂 👩‍👩‍👧 🇩🇪 e\u0301 n\u0303 \u200bz \u2060q \ufeffr 𝔘𝔫𝔦 \u00adsoft",
}

# Everything that Python calls white space, a line's end apart, and one character that it does not.
SPACES = ["\t", "\x0b", "\x0c", "\r", "\x1c", "\x1d", "\x1e", "\x1f", "\x85", "\xa0", "\u1680", "\u2003", "\u2028"]
SPACES += ["\u2029", "\u202f", "\u205f", "\u3000", "\u200b"]


def sentence(rng, vocabularies):
    """Up to 20 words, most of them divided by one space."""
    words = [rng.choice(WORDS[rng.choice(vocabularies)].split(" ")) for _ in range(rng.randint(1, 20))]
    text = ""
    for word in words:
        glue = rng.random()
        text += word + (" " if glue < 0.8 else "" if glue < 0.88 else "  " if glue < 0.92 else rng.choice(SPACES))
    return text if rng.random() < 0.5 else text.strip() + rng.choice([".", "!", "?", " .", ",", "-", "5", "\n", "-\n"])


def perturbed(rng, text):
    """The text with some words left out, doubled, swapped, replaced or misspelt."""
    words = text.split(" ")
    for _ in range(rng.randint(0, 4)):
        i = rng.randrange(len(words))
        change = rng.randrange(6)
        if change == 0:
            words[i] = rng.choice(WORDS[rng.choice(list(WORDS))].split(" "))
        elif change == 1:
            words.insert(i, words[i])
        elif change == 2 and len(words) > 1:
            del words[i]
        elif change == 3:
            j = rng.randrange(len(words))
            words[i], words[j] = words[j], words[i]
        elif change == 4:
            words[i] = words[i][::-1]
        else:
            words[i] = words[i] + rng.choice(SPACES + [".", ",", "-", "'", "-\n", "\n", "&amp;", "9"])
    return " ".join(words)


def noise(rng):
    """Characters without sense, to reach the corners of the rules."""
    pieces = list("ab19.,-'& \n\t;!/~") + ["&lt;", "-\n", "\xa0", "é", "½"]
    return "".join(rng.choice(pieces) for _ in range(rng.randint(0, 24)))


def generated(name, n_lines, vocabularies, seed):
    rng = random.Random(seed)
    references = [sentence(rng, vocabularies) for _ in range(n_lines)]
    return name, [perturbed(rng, reference) for reference in references], references


def noisy(name, n_lines, seed):
    rng = random.Random(seed)
    references = [noise(rng) for _ in range(n_lines)]
    # Half of the hypotheses start as their references do, so that longer n-grams match too.
    hypotheses = [reference[: rng.randint(0, 24)] + noise(rng)[: rng.choice([0, 24])] for reference in references]
    return name, hypotheses, references


def corpora():
    """Yields (name, hypotheses, references)."""
    names = list(WORDS)
    yield generated("every kind of word", 120, names, 1)
    yield generated("latin and marks", 60, ["latin", "marks", "numbers"], 2)
    yield generated("numbers", 40, ["numbers"], 3)
    yield generated("markup", 40, ["markup", "latin"], 4)
    yield generated("han and pictures", 30, ["han", "pictures"], 5)
    yield noisy("noise", 100, 6)

    lines = ["The cat sat on the mat today.", "We go home over the bridge.", "3-4 apples cost 1,000.5 euros."]
    yield "perfect match", lines, lines
    yield "no overlap", ["aaa bbb ccc ddd eee"], ["vvv www xxx yyy zzz"]
    yield "no word in common, characters in common", ["walked walking walker walks"], ["walk talked stalking balks"]
    yield "words match, no pair of words", ["one two three four five"], ["five four three two one"]
    yield "pairs match, nothing longer", ["a b x c d y e f"], ["a b c d e f g h"]
    yield "single words", ["Yes", "No", "Perhaps"], ["Yes", "No", "Never"]
    yield "one word, right", ["Yes"], ["Yes"]
    yield "two words, right", ["Yes sir"], ["Yes sir"]
    yield "three words, one wrong", ["a b c"], ["a b d"]
    yield "four words, right", ["a b c d"], ["a b c d"]
    yield "too short", ["the cat sat on"], ["the cat sat on the mat and looked at the river"]
    yield "too long", ["the cat sat on the mat and looked at the river"], ["the cat sat on"]
    yield "a word repeated", ["the the the the the the the"], ["the cat is on the mat"]
    yield "ties in the last digit", ["a b c d e f g h i j k l m n o p"], ["a b c d e 1 2 3 4 5 6 7 8 9 0 z"]
    yield "empty hypothesis", [""], ["something to translate"]
    yield "empty reference", ["something said"], [""]
    yield "both empty", [""], [""]
    yield "white space only", [" \t\x1c\xa0"], ["\u3000 \n"]
    yield "some empty lines", ["", "The cat sat down.", "Home again", ""], ["Oh.", "The cat sat down.", "", ""]
    yield "reference of one character", ["abcdefg hij", "abcdef"], ["x", "abcdef"]
    yield "punctuation only", ["... !?", ".,.,", "''"], ["... ?!", ",.,.", "'"]
    yield "case", ["THE CAT SAT ON THE MAT"], ["the cat sat on the mat"]
    yield "line ends inside", ["well-\nknown to\nall of us-\n"], ["wellknown to all of us-"]
    yield "digits beyond ASCII", ["٣.١ ५,६ ७.8 ३-४ ５.５ 5-५ x"], ["٣ . ١ ५ , ६ ७ . 8 ३-४ ５ . ５ 5 - ५ x"]
    yield "composed and decomposed", ["cafe\u0301 nin\u0303o"], ["café niño"]
    for space in SPACES:
        yield f"space U+{ord(space):04X}", [f"a{space}b c d e.{space}", f"{space}"], ["a b c d e.", "f"]


def scores(hypotheses, references):
    """What the Rust metrics must give."""
    expected = {}
    for tokenizer in ["13a", "none"]:
        metric = BLEU(tokenize=tokenizer, force=True)
        bleu = metric.corpus_score(hypotheses, [references])
        expected[tokenizer] = {
            "score": bleu.score,
            "matches": bleu.counts,
            "totals": bleu.totals,
            "precisions": bleu.precisions,
            "brevity_penalty": bleu.bp,
            "hypothesis_length": bleu.sys_len,
            "reference_length": bleu.ref_len,
            "line": bleu.format(signature=str(metric.get_signature())),
        }
    metric = CHRF()
    chrf = metric.corpus_score(hypotheses, [references])
    expected["chrf"] = {"score": chrf.score, "line": chrf.format(signature=str(metric.get_signature()))}
    return expected


def main():
    assert sacrebleu.__version__ == "2.6.0", "the fixtures are those of sacrebleu 2.6.0"
    fixtures = [
        {"name": name, "hypotheses": hypotheses, "references": references, "expected": scores(hypotheses, references)}
        for name, hypotheses, references in corpora()
    ]
    OUTPUT.write_text(json.dumps(fixtures, ensure_ascii=True, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
