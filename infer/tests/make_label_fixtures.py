"""Writes fixtures/labels.json: labels and tags made up here, and the scores that scikit-learn and seqeval give them.

Needs scikit-learn 1.9 and seqeval 1.2.2 (`pip install scikit-learn seqeval`). The same come out of every run:

    python infer/tests/make_label_fixtures.py
"""

import json
import random
import warnings
from pathlib import Path

from seqeval.metrics import sequence_labeling as seqeval
from sklearn import metrics as sklearn

OUTPUT = Path(__file__).parent / "fixtures" / "labels.json"

# Names whose order by letters and by bytes could differ, and one that begins another.
LABELS = ["news", "spam", "Spam", "spam-2", "Ärger", "ärger", "日本", "😀", "z", "a b"]
TYPES = ["NP", "VP", "X-Y", "日本", "O", "-"]
# Tags of no scheme: no type, no hyphen, parts of speech, a type for a word outside.
STRANGE = ["B", "I", "E", "S", "B-", "BNP", "N", "NN", "NNP", ".", "-", "O-NP", ".-NP", "é-NP", "_", "VP"]


def label_case(rng, texts, labels, right):
    references = [rng.choice(labels) for _ in range(texts)]
    hypotheses = [label if rng.random() < right else rng.choice(LABELS) for label in references]
    names = sorted(set(references) | set(hypotheses))
    columns = sklearn.precision_recall_fscore_support(references, hypotheses, labels=names, zero_division=0)
    matrix = sklearn.confusion_matrix(references, hypotheses, labels=names)
    return {
        "references": references,
        "hypotheses": hypotheses,
        "accuracy": sklearn.accuracy_score(references, hypotheses),
        "macro_f1": sklearn.f1_score(references, hypotheses, average="macro", zero_division=0),
        "labels": scores(names, columns),
        "confusion": [
            [reference, hypothesis, int(matrix[row][column])]
            for row, reference in enumerate(names)
            for column, hypothesis in enumerate(names)
            if matrix[row][column]
        ],
    }


def scores(names, columns):
    precision, recall, f1, support = columns
    return {
        name: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(n)}
        for name, p, r, f, n in zip(names, precision, recall, f1, support)
    }


def tag_case(rng, sentences, draw, right):
    references = [[draw(rng) for _ in range(rng.randint(0, 12))] for _ in range(sentences)] + [[draw(rng)]]
    hypotheses = [[tag if rng.random() < right else draw(rng) for tag in sentence] for sentence in references]
    return scored_tags(references, hypotheses)


def scored_tags(references, hypotheses):
    names = sorted({entity[0] for entity in seqeval.get_entities(references) + seqeval.get_entities(hypotheses)})
    columns = seqeval.precision_recall_fscore_support(references, hypotheses, average=None, zero_division=0)
    precision, recall, f1, support = seqeval.precision_recall_fscore_support(
        references, hypotheses, average="micro", zero_division=0
    )
    return {
        "references": references,
        "hypotheses": hypotheses,
        "accuracy": float(seqeval.accuracy_score(references, hypotheses)),
        "spans": {"precision": float(precision), "recall": float(recall), "f1": float(f1), "support": int(support)},
        "types": scores(names, columns),
    }


def of_scheme(prefixes):
    return lambda rng: "O" if rng.random() < 0.3 else f"{rng.choice(prefixes)}-{rng.choice(TYPES[:3])}"


def any_tag(rng):
    if rng.random() < 0.4:
        return rng.choice(STRANGE)
    return f"{rng.choice('BIESO')}-{rng.choice(TYPES)}"


# One rule each: I without B, a change of type, spans side by side, the last word of a sentence.
RULES = [
    ([["I-NP", "I-NP", "O"]], [["B-NP", "I-NP", "O"]]),
    ([["B-NP", "I-VP", "I-VP"]], [["B-NP", "B-VP", "I-VP"]]),
    ([["B-NP", "B-NP", "I-NP"]], [["B-NP", "I-NP", "I-NP"]]),
    ([["B-NP"], ["I-NP"]], [["B-NP"], ["B-NP"]]),
    ([["O", "O"], ["O"]], [["O", "O"], ["O"]]),
    ([["O", "O"]], [["B-NP", "O"]]),
    ([["B-NP", "O"]], [["O", "O"]]),
]


def main():
    warnings.simplefilter("ignore")  # Of tags in no scheme.
    rng = random.Random(21)
    cases = [(1, 1, 1.0), (1, 1, 0.0), (7, 2, 0.5), (50, 1, 0.7), (60, 8, 0.0), (500, 10, 0.8)]
    labels = [label_case(rng, texts, LABELS[:kinds], right) for texts, kinds, right in cases]
    tags = [scored_tags(*rule) for rule in RULES]
    for draw in [of_scheme("BI"), of_scheme("BIES"), any_tag]:
        tags += [tag_case(rng, sentences, draw, right) for sentences, right in [(2, 0.5), (30, 0.8), (100, 0.95)]]
    OUTPUT.write_text(json.dumps({"labels": labels, "tags": tags}, ensure_ascii=False) + "\n")


main()
