#!/usr/bin/env python3
"""PyTorch's score after the same time: trains the network of a run's recipe on the run's text, cut by its tokenizer.

    just train configs/multi30k.toml
    python bench/torch_recipe.py runs/multi30k --minutes 16

Takes from the run's folder the sizes, the tokenizer and the recipe: the corpus, batch size, schedule (inverse square
root), dropout, label smoothing, clipping and how many checkpoints are averaged. The time for validation, once at the
end, is not counted. Prints the BLEU of greedy translations of the validation pairs with sacreBLEU's signature. Needs
torch, tokenizers and sacrebleu.
"""

import argparse
import collections
import gzip
import json
import random
import sys
import time
import tomllib

import sacrebleu
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch_transformer import Transformer, padded

# Tokens of a hypothesis beyond those of its source: section 6.1 of the paper, as in Attend.
EXTRA_LENGTH = 50


class Text:
    """Lines to token ids and back."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.pad, self.bos, self.eos = map(tokenizer.token_to_id, ("<pad>", "<s>", "</s>"))

    def encode(self, lines):
        encodings = self.tokenizer.encode_batch(lines, add_special_tokens=False)
        return [encoding.ids + [self.eos] for encoding in encodings]

    def read(self, files):
        return tuple(self.encode(lines(files[side])) for side in ("source", "target"))


def lines(path):
    opened = gzip.open if path.endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8") as file:
        return file.read().splitlines()


def plan_batches(pairs, batch_tokens, rng):
    """Pairs of like length together, at most `batch_tokens` a side with padding, in random order."""
    length = lambda pair: max(map(len, pair))
    batches, batch = [], []
    for pair in sorted(pairs, key=lambda pair: (length(pair), rng.random())):
        if batch and length(pair) * (len(batch) + 1) > batch_tokens:
            batches.append(batch)
            batch = []
        batch.append(pair)
    batches.append(batch)
    rng.shuffle(batches)
    return batches


def loss_of(model, batch, text, label_smoothing):
    source, target = (padded(rows, text.pad) for rows in map(list, zip(*batch)))
    begin = torch.full((len(target), 1), text.bos)
    logits = model(source, torch.cat([begin, target[:, :-1]], dim=1))
    return F.cross_entropy(
        logits.flatten(0, 1), target.flatten(), ignore_index=text.pad, label_smoothing=label_smoothing
    )


@torch.no_grad()
def translate(model, sources, text, batch_size=64):
    """Greedy translations of `sources`, in their order."""
    model.eval()
    hypotheses = [None] * len(sources)
    order = sorted(range(len(sources)), key=lambda number: len(sources[number]))
    for start in range(0, len(order), batch_size):
        numbers = order[start : start + batch_size]
        source = padded([sources[number] for number in numbers], text.pad)
        encoded = model.encode(source)
        target = torch.full((len(numbers), 1), text.bos)
        ended = torch.zeros(len(numbers), dtype=torch.bool)
        while not ended.all() and target.shape[1] <= source.shape[1] + EXTRA_LENGTH:
            best = model.decode(target, *encoded, positions=-1).argmax(-1)
            best = best.where(~ended, text.eos)
            target = torch.cat([target, best[:, None]], dim=1)
            ended |= best == text.eos
        for number, row in zip(numbers, target[:, 1:].tolist()):
            row = row[: row.index(text.eos)] if text.eos in row else row
            hypotheses[number] = text.tokenizer.decode(row, skip_special_tokens=True)
    model.train()
    return hypotheses


def mean(states):
    return {name: sum(state[name] for state in states) / len(states) for name in states[0]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="the folder that `just train` wrote")
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()

    with open(f"{options.run}/recipe.toml", "rb") as file:
        recipe = tomllib.load(file)
    with open(f"{options.run}/config.json", encoding="utf-8") as file:
        config = json.load(file)
    data, training = recipe["data"], recipe["training"]
    if training["schedule"] != "inverse-square-root":
        sys.exit(f"error: the recipe's schedule is {training['schedule']}, but this peer has inverse-square-root only")
    text = Text(Tokenizer.from_file(f"{options.run}/tokenizer.json"))
    pairs = [pair for pair in zip(*text.read(data["train"])) if max(map(len, pair)) <= data["max_length"]]
    valid_sources, _ = text.read(data["valid"])

    torch.manual_seed(recipe["seed"])
    torch.set_num_threads(options.threads)
    rng = random.Random(recipe["seed"])
    model = Transformer(
        config["vocab_size"],
        config["d_model"],
        config["d_ff"],
        config["n_heads"],
        config["encoder_layers"],
        config["dropout"],
        config["norm"],
        config["pad_id"],
    )
    print(f"{len(pairs)} pairs, {sum(weights.numel() for weights in model.parameters())} weights", file=sys.stderr)
    optimizer = torch.optim.Adam(model.parameters(), betas=(0.9, 0.98), eps=1e-9)
    average_last = training.get("average_last", 1)
    checkpoint_every = training.get("checkpoint_every", training["validate_every"])
    checkpoints = collections.deque(maxlen=average_last)
    update, tokens, start = 0, 0, time.monotonic()
    seconds = lambda: time.monotonic() - start
    batches = []
    while seconds() < options.minutes * 60:
        batches = batches or plan_batches(pairs, training["batch_tokens"], rng)
        batch = batches.pop()
        update += 1
        loss = loss_of(model, batch, text, training["label_smoothing"])
        optimizer.zero_grad()
        loss.backward()
        if training["clip_norm"] > 0:
            torch.nn.utils.clip_grad_norm_(model.parameters(), training["clip_norm"])
        warmup = training["warmup"]
        for group in optimizer.param_groups:
            group["lr"] = training["learning_rate"] * min(update / warmup, (warmup / update) ** 0.5)
        optimizer.step()
        tokens += sum(len(target) for _, target in batch)
        if update % checkpoint_every == 0:
            checkpoints.append({name: weights.clone() for name, weights in model.state_dict().items()})
        if update % 100 == 0:
            print(
                f"update {update}  loss {loss.item():.3f}  {tokens / seconds():.0f} tokens/s  {seconds():.0f} s",
                file=sys.stderr,
            )
    seconds_trained = seconds()
    last = model.state_dict()
    references = lines(data["valid"]["target"])
    bleu = sacrebleu.metrics.BLEU(tokenize=data["bleu"])
    for name, weights in (("last weights", last), (f"average of {len(checkpoints)}", mean([*checkpoints] or [last]))):
        model.load_state_dict(weights)
        score = bleu.corpus_score(translate(model, valid_sources, text), [references])
        print(f"{name}: {bleu.get_signature()} {score}")
    print(f"{update} updates, {tokens / seconds_trained:.0f} target tokens a second")


if __name__ == "__main__":
    main()
