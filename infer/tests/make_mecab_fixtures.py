"""Writes fixtures/mecab.json: how MeCab cuts lines of Japanese by a small dictionary, and sacreBLEU's score by IPADIC.

Needs sacrebleu 2.6.0 with its Japanese packages (`pip install sacrebleu[ja]==2.6.0`), and MeCab's program
mecab-dict-index, which Debian's package mecab-utils has. The same text comes out of every run:

    python infer/tests/make_mecab_fixtures.py
"""

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import MeCab
import sacrebleu
from sacrebleu.metrics import BLEU

OUTPUT = Path(__file__).parent / "fixtures" / "mecab.json"
COMPILER = sys.argv[1] if len(sys.argv) > 1 else "/usr/lib/mecab/mecab-dict-index"

# Kinds of words, and what a word of the second kind costs after one of the first; the first kind is that of both ends.
KINDS = ["end", "noun", "particle", "verb", "ending", "mark", "unknown"]
COSTS = [
    [0, -300, 900, 100, 1500, 200, 50],
    [100, 600, -700, 200, 800, -100, 500],
    [500, -400, 300, -500, 700, 0, -200],
    [200, 400, 100, 900, -900, 100, 300],
    [-300, 300, 0, 500, -200, -600, 200],
    [-200, -100, 400, 0, 900, 100, 0],
    [100, 500, -300, 200, 400, -100, 300],
]
WORDS = """
noun 今日 300; noun 今 500; noun 日 600; noun 学 900; noun 学校 200; noun 校 900; noun 東京 100; noun 京都 150;
noun 東京都 250; noun 都 500; noun 東 700; noun すもも 400; noun もも 450; noun うち 350; noun 猫 300; noun タワー 200;
noun コンピューター 100; noun ピュー 900; noun 々 900; noun 令 800; noun 和 800; noun 三 200; noun 三千 150; noun Å 200;
noun 𠮷野 100; noun ABC 300; noun 1 500; noun 〜 400; noun − 300; noun ‖ 300; noun ¬ 200;
particle は 100; particle も 120; particle の 100; particle へ 150; particle が 110; particle を 90; particle と 130;
verb 行き 300; verb 行 600; verb 食べ 250; verb 見 400; verb は 900; verb と 1000;
ending ます 100; ending ま 900; ending す 800; ending ました 120; ending た 200; ending られ 150; ending なかっ 200;
mark 。 50; mark 、 60; mark 「 70; mark 」 70; mark . 100; mark 　 10; mark ・・・ 90; mark ・ 200
"""
CHARACTERS = """# Each category: whether unknown words are tried where known ones begin, whether all its characters form
# a word, and up to which length a number of them does.
DEFAULT   0 1 0
SPACE     0 1 0
KANJI     0 0 2
SYMBOL    1 1 0
NUMERIC   1 1 0
ALPHA     1 1 0
HIRAGANA  0 1 2
KATAKANA  1 1 2
KANJINUMERIC 1 1 0

0x0020 SPACE
0x0009..0x000D SPACE
0x0021..0x002F SYMBOL
0x003A..0x0040 SYMBOL
0x0030..0x0039 NUMERIC
0x0041..0x005A ALPHA
0x0061..0x007A ALPHA
0x3041..0x309F HIRAGANA
0x30A1..0x30FF KATAKANA
0x30FC HIRAGANA KATAKANA
0x4E00..0x9FA5 KANJI
0x3005 KANJI
0x4E00 KANJINUMERIC KANJI
0x4E09 KANJINUMERIC KANJI
0x5343 KANJINUMERIC KANJI
"""
UNKNOWN = {
    "DEFAULT": 1500,
    "SPACE": 900,
    "KANJI": 1200,
    "SYMBOL": 700,
    "NUMERIC": 400,
    "ALPHA": 500,
    "HIRAGANA": 1600,
    "KATAKANA": 800,
    "KANJINUMERIC": 300,
}

PIECES = (
    "今日は 私たちは 学校へ 行きます。 東京都 東京タワー 見ました すもももももももものうち 猫が 「猫」 食べられなかった "
    "コンピューター ピューピュー ABC abc123 123 １２３ 三千円 三千三 ・・・ ・ 🙂 𠮷野 ｶﾀｶﾅ ー ーー 々 令和 - -- . , ! \u3000 \t "
    "é 한국 と とと はは ます まました 〜 − ‖ ¬ Å aÅb x ア アア ひらがな"
).split(" ")
LONG = ["a" * 24, "a" * 25, "a" * 26, "ア" * 40, "あ" * 30, "1" * 25 + "今日", "は" * 40, "🙂" * 26, "é" * 25 + "x"]
ENDS = ["", " 今日 は", "今日 ", "今日  は\t\t学校", "\u3000今日\u3000", "今日\nは", "今日\x00は", " \x00今日", "今日\x1cは", "  ", "今\r\n"]


def dictionary():
    """The files of the small dictionary in MeCab's format."""
    words = [word.strip().split(" ") for word in WORDS.strip().replace("\n", " ").split("; ")]
    ids = {kind: KINDS.index(kind) for kind in KINDS}
    matrix = [f"{len(KINDS)} {len(KINDS)}"]
    matrix += [f"{left} {right} {cost}" for left, row in enumerate(COSTS) for right, cost in enumerate(row)]
    unknown = [f"{name},{ids['unknown']},{ids['unknown']},{cost},unknown" for name, cost in UNKNOWN.items()]
    return {
        "words.csv": "".join(f"{word},{ids[kind]},{ids[kind]},{cost},{kind}\n" for kind, word, cost in words),
        "matrix.def": "\n".join(matrix) + "\n",
        "char.def": CHARACTERS,
        "unk.def": "\n".join(unknown) + "\n",
    }


def tagger(files):
    """MeCab with the small dictionary, printing words with spaces between them as sacreBLEU has it do."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            Path(folder, name).write_text(text, encoding="utf-8")
        Path(folder, "dicrc").write_text("cost-factor = 800\nbos-feature = end\neval-size = 1\nunk-eval-size = 1\n")
        encodings = ["-f", "utf-8", "-t", "utf-8"]
        subprocess.run([COMPILER, "-d", folder, "-o", folder, *encodings], check=True, stdout=subprocess.DEVNULL)
        return MeCab.Tagger(f"-r /dev/null -d {folder} -Owakati")


def line(rng):
    """Up to 12 pieces, some of which spaces divide."""
    pieces = [rng.choice(PIECES) for _ in range(rng.randint(1, 12))]
    return "".join(piece + (" " if rng.random() < 0.15 else "") for piece in pieces)


def perturbed(rng, text):
    """The line with some characters left out, doubled or swapped."""
    characters = list(text)
    for _ in range(rng.randint(0, 3)):
        i, j = rng.randrange(len(characters)), rng.randrange(len(characters))
        change = rng.randrange(3)
        if change == 0 and len(characters) > 1:
            del characters[i]
        elif change == 1:
            characters.insert(i, characters[i])
        else:
            characters[i], characters[j] = characters[j], characters[i]
    return "".join(characters)


def main():
    assert sacrebleu.__version__ == "2.6.0", "the fixtures are those of sacrebleu 2.6.0"
    rng = random.Random(20)
    files = dictionary()
    small = tagger(files)
    lines = ENDS + LONG + [line(rng) for _ in range(200)]
    cuts = [[text, small.parse(text.strip()).strip()] for text in lines]

    references = [line(rng) for _ in range(150)] + LONG + ENDS
    hypotheses = [perturbed(rng, reference) if reference else "" for reference in references]
    bleu = BLEU(tokenize="ja-mecab")
    score = bleu.corpus_score(hypotheses, [references]).format(signature=str(bleu.get_signature()))
    fixture = {"files": files, "cuts": cuts, "hypotheses": hypotheses, "references": references, "line": score}
    OUTPUT.write_text(json.dumps(fixture, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
