"""Writes fixtures/metric.json: texts made up here, and the scores that sacreBLEU gives them.

Needs sacrebleu 2.6.0 (`pip install sacrebleu==2.6.0`) and numpy 2, whose single-precision numbers sacrebleu resamples
with. The same texts come out of every run:

    python infer/tests/make_metric_fixtures.py
"""

import json
import random
from pathlib import Path

import sacrebleu
from sacrebleu.metrics import BLEU, CHRF, TER
from sacrebleu.significance import PairedTest

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
    "cases": "İstanbul ΟΔΟΣ ΟΔΟΣ. ΣΟΦΟΣ straße STRASSE ǅ Ǆ ﬃ Ⅷ ⓐ Ⓐ ЁЖ Ԁ K Å ẞ I ı i̇ DŽ ΐ Ω 𐐀𐐨 Σ ὈΔΥΣΣΕΎΣ",
    "japanese": "今日は 私たちは 家に帰ります。 カタカナ ひらがな ｶﾀｶﾅ 「橋」 ・・・ ー 々 〇 ㍿ ㈱ ヿ ㇰ 12月3日",
    "rare han": "𠀀𠀁 𪛖 \U0002f800 㐀 䶵 鿿 龥 龦 龻 龼 丽 \ufa0e \ufa6a \ufa70 ⺀ ⼀ ㇀ ⿰ ︐ ︰ ㈠ ㌀ ㆠ ㄅ",
    "digits": "٣ ٣٫١٤ ۵,۶ ५.६ ৭-৮ ๓.๔ ５．６ ５,６ ² x² ½ 3½. Ⅷ. ⅷ, ㊿ 𝟘.𝟙 1,0.5 1.a a.1 1- -1 1٬000 ௧.",
    "scripts": "؟ ، ؛ । ॥ ၊ ။ ՞ ՜ « » ‹ › „ “ ¿qué? ¡hola! ‽ … — ― ‐ ‑ ・ 、 。 ！ ？ （ ） ， ： ； ． ＂ ＇ ＆ ።፣ ฯ ๆ ၌ ༄༅ ״ ׳",
    "symbols": "€5 ₹10 ∑x → ← ☃ ♥ ✓ ❤️ ° © ® ™ ± × ÷ ¬ § ¶ † ‡ • ′ ″ ° ˆ ˜ ¨ ´ ¢ £ ¥ ☀️ ⚡ 🈲 𝛼 ^ ` ~ + = | < >",
    "controls": "a\x00b \x01 x\x07y \x1b[0m \x7f p\u200dq r\u2066s\u2069 t\ufffd \u0600 \u180e u\u061c",
    "possessives": "cat's dogs' 's s's it's, Anna's. l's' 'so x'S 'S y's- (z's) \"w's\"",
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


def translated_again(rng, corpus, n_references):
    """The corpus with more references, each of which differs from the first one."""
    name, hypotheses, references = corpus
    more = [[perturbed(rng, reference) for reference in references] for _ in range(n_references - 1)]
    return name, hypotheses, references, *more


def corpora():
    """Yields (name, hypotheses, references, more references, ...)."""
    names = list(WORDS)
    yield generated("every kind of word", 120, names, 1)
    yield generated("latin and marks", 60, ["latin", "marks", "numbers"], 2)
    yield generated("numbers", 40, ["numbers", "digits"], 3)
    yield generated("markup", 40, ["markup", "latin", "possessives"], 4)
    yield generated("han and pictures", 30, ["han", "pictures", "rare han", "japanese"], 5)
    yield noisy("noise", 100, 6)
    yield generated("marks and symbols of many scripts", 60, ["scripts", "symbols", "digits", "latin"], 7)
    yield generated("upper and lower case", 40, ["cases", "latin", "cyrillic"], 8)
    yield generated("control characters", 20, ["controls", "latin"], 9)
    yield generated("japanese", 40, ["japanese", "han", "scripts"], 10)
    yield translated_again(random.Random(11), generated("two references", 60, names, 11), 2)
    yield translated_again(random.Random(12), generated("four references", 40, ["latin", "han", "marks"], 12), 4)
    yield translated_again(random.Random(13), noisy("three references of noise", 60, 13), 3)

    rng = random.Random(14)
    moved = [str(number) for number in range(300)] + WORDS["latin"].split(" ")
    shuffled = moved[200:] + moved[40:90] + moved[:40] + moved[90:200]
    yield "a long line, its parts moved", [" ".join(shuffled)], [" ".join(moved)]
    yield "a long line, shuffled", [" ".join(rng.sample(moved, len(moved)))], [" ".join(moved)]
    yield "a long line for a short one", [" ".join(moved)], ["the cat sat"]
    yield "a short line for a long one", ["the cat sat"], [" ".join(moved)]
    yield "a line without spaces", ["ab" * 2000 + "c"], ["ab" * 1990 + "cab"]
    yield "shifts", ["c d e f a b", "b a d c", "x a b c y", "a a a b", "e a b c d"], [
        "a b c d e f",
        "a b c d",
        "a b c x y",
        "b a a a a",
        "a b c d e a",
    ]
    yield "one hypothesis, references of other lengths", ["a b c d"], ["a b c d e f"], ["a b"], ["a b c"]
    yield "an empty reference beside others", ["a b", ""], ["", "c"], ["a c", ""]
    yield "the better of two references", ["abc def"], ["abc xyz"], ["xbc def"]

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


BLEU_SETTINGS = [{"tokenize": name} for name in ["13a", "none", "intl", "char", "zh"]]
BLEU_SETTINGS += [{"tokenize": name, "lowercase": True} for name in ["13a", "intl", "zh"]]
CHRF_SETTINGS = [
    {},
    {"word_order": 2},
    {"lowercase": True},
    {"word_order": 2, "lowercase": True},
    {"whitespace": True},
    {"eps_smoothing": True, "word_order": 2},
    {"char_order": 4, "word_order": 1, "beta": 3},
]
TER_SETTINGS = [
    {},
    {"case_sensitive": True},
    {"normalized": True},
    {"normalized": True, "asian_support": True},
    {"no_punct": True},
    {"no_punct": True, "asian_support": True},
    {"normalized": True, "no_punct": True, "asian_support": True, "case_sensitive": True},
]


def scored(metric, settings, hypotheses, references):
    """The score, and its entry in the fixtures."""
    score = metric.corpus_score(hypotheses, references)
    line = score.format(signature=str(metric.get_signature()))
    return score, {"settings": settings, "score": score.score, "line": line}


def scores(hypotheses, references):
    """What the Rust metrics must give."""
    expected = {"bleu": [], "chrf": [], "ter": []}
    for settings in BLEU_SETTINGS:
        bleu, entry = scored(BLEU(force=True, **settings), settings, hypotheses, references)
        expected["bleu"].append(
            entry
            | {
                "matches": bleu.counts,
                "totals": bleu.totals,
                "precisions": bleu.precisions,
                "brevity_penalty": bleu.bp,
                "hypothesis_length": bleu.sys_len,
                "reference_length": bleu.ref_len,
            }
        )
    for settings in CHRF_SETTINGS:
        expected["chrf"].append(scored(CHRF(**settings), settings, hypotheses, references)[1])
    for settings in TER_SETTINGS:
        expected["ter"].append(scored(TER(**settings), settings, hypotheses, references)[1])
    return expected


def resampled(hypotheses, references):
    """What resampling must give: the lines with confidence intervals, and a comparison with a worse system."""
    rng = random.Random(len(hypotheses))
    baseline = [perturbed(rng, hypothesis) for hypothesis in hypotheses]
    metrics = {"bleu": BLEU(force=True, references=references), "chrf": CHRF(word_order=2, references=references)}
    metrics["ter"] = TER(references=references)
    lines = []
    for metric in metrics.values():
        score = metric.corpus_score(hypotheses, None, n_bootstrap=1000)
        lines.append(score.format(signature=str(metric.get_signature())))
    systems = [("baseline", baseline), ("system", hypotheses)]
    signatures, results = PairedTest(systems, metrics, None, test_type="bs", n_samples=1000)()
    comparisons = []
    for name, signature in signatures.items():
        of_baseline, of_system = results[name]
        printed = [of_baseline.score, of_baseline.mean, of_baseline.ci, of_system.score, of_system.mean, of_system.ci]
        comparisons.append(
            {
                "signature": str(signature),
                "printed": " ".join(f"{number:.2f}" for number in printed) + f" p = {of_system.p_value:.4f}",
            }
        )
    return {"baseline": baseline, "lines": lines, "comparisons": comparisons}


def main():
    assert sacrebleu.__version__ == "2.6.0", "the fixtures are those of sacrebleu 2.6.0"
    fixtures = []
    for name, hypotheses, *references in corpora():
        fixture = {"name": name, "hypotheses": hypotheses, "references": references}
        fixture["expected"] = scores(hypotheses, references)
        if len(hypotheses) >= 20:
            fixture["resampled"] = resampled(hypotheses, references)
        fixtures.append(fixture)
    lines = ",\n".join(json.dumps(fixture, separators=(",", ":")) for fixture in fixtures)
    OUTPUT.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
