"""Reads the text of a run as Attend does: its lines, what cleaning and filters keep of them, and its tokens."""

import collections
import gzip
import json
import pathlib
import sys
import tomllib

from tokenizers import Tokenizer

# The endings of files that Attend reads, but this peer does not.
UNREAD = (".sgm", ".xz", ".zst")


class Text:
    """The text of the run in `folder`, by its recipe, its tokenizer and its `config.json`."""

    def __init__(self, folder, recipe, config):
        self.data, self.positions = recipe["data"], config["max_length"]
        self.tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
        # Characters that spell a special token are ordinary text.
        self.tokenizer.encode_special_tokens = True
        special = map(self.tokenizer.token_to_id, ("<pad>", "<s>", "</s>", "<unk>"))
        self.pad, self.bos, self.eos, self.unk = special

    def training_pairs(self):
        """Returns the encoded training pairs, cleaned as text, then filtered by their lengths in tokens."""
        max_length = min(self.data["max_length"], self.positions)
        pairs = cleaned(read_pairs(self.data, "train"), self.data["clean"])
        kept = []
        for pair in self.encode(pairs):
            shorter, longer = sorted(map(len, pair))
            if shorter > 1 and longer <= max_length and longer / shorter <= self.data["max_ratio"]:
                kept.append(pair)
        return kept

    def validation(self):
        """Returns the validation pairs that the model has positions for: encoded sources, and references as text."""
        pairs = read_pairs(self.data, "valid")
        encoded = zip(pairs, self.encode(pairs))
        fits = lambda example: max(map(len, example)) <= self.positions
        fitting = [(example[0], pair[1]) for pair, example in encoded if fits(example)]
        return [source for source, _ in fitting], [self.plain_text(reference) for _, reference in fitting]

    def encode(self, pairs):
        """Returns both sides of each pair as token ids that end with `</s>`."""
        return list(zip(*(self.encode_side(side) for side in zip(*pairs))))

    def encode_side(self, lines):
        encodings = self.tokenizer.encode_batch(lines, add_special_tokens=False)
        # A word that is spelt like a special token is an unknown word.
        words = lambda ids: [self.unk if id in (self.pad, self.bos, self.eos) else id for id in ids]
        return [words(encoding.ids) + [self.eos] for encoding in encodings]

    def plain_text(self, line):
        """Returns a reference as readers see it: words of segmented text lose the marks between their pieces."""
        if self.data["tokenizer"] != "whitespace":
            return line
        return self.tokenizer.decoder.decode(line.split())


def cleaned(pairs, settings):
    """Returns the pairs that Attend's cleaning keeps (data/src/clean.rs), if its settings name no scripts."""
    seen, sources, targets = set(), collections.Counter(), collections.Counter()
    kept = []
    for pair in pairs:
        source, target = map(str.strip, pair)
        if not source or not target or (settings["copies"] and source == target):
            continue
        if settings["duplicates"] and (source, target) in seen:
            continue
        seen.add((source, target))
        if 0 < settings["max_repeats"] <= max(sources[source], targets[target]):
            continue
        sources[source] += 1
        targets[target] += 1
        kept.append(pair)
    return kept


def read_pairs(data, name):
    """Returns the pairs of `data.train` or `data.valid`, from two files of plain lines, which may be .gz."""
    files = data.get(name)
    if files is None:
        sys.exit("error: the recipe trains on the embedded phrasebook, but this peer reads files only")
    if not isinstance(files, dict):
        sys.exit(f"error: the recipe's data.{name} mixes {len(files)} corpora, but this peer reads one only")
    if "tsv" in files:
        sys.exit(f"error: data.{name} is the .tsv file {files['tsv']}, but this peer reads a file for each language")
    if files.get("weight", 1) != 1:
        sys.exit(f"error: data.{name} has the weight {files['weight']}, but this peer takes each pair once an epoch")
    paths = files["source"], files["target"]
    for path in paths:
        if path.removesuffix(".gz").lower().endswith(UNREAD):
            sys.exit(f"error: data.{name} has {path}, but this peer reads plain lines or .gz, not {', '.join(UNREAD)}")
    source, target = map(read_lines, paths)
    if len(source) != len(target):
        sys.exit(f"error: {paths[0]} has {len(source)} lines, but {paths[1]} {len(target)}")
    return list(zip(source, target))


def read_lines(path):
    """Returns the lines of a file. A line ends at a line feed alone, or at a carriage return and a line feed."""
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
        lines = file.read().decode("utf-8-sig").split("\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def pairs_of_run(folder):
    """Returns how many training pairs the run had; `None` if its prepared corpus has been removed."""
    inputs = tomllib.loads(pathlib.Path(folder, "checkpoints", "inputs.toml").read_text(encoding="utf-8"))
    manifest = pathlib.Path("prepared", inputs["train"], "manifest.json")
    return json.loads(manifest.read_text(encoding="utf-8"))["filtered"]["kept"] if manifest.exists() else None
