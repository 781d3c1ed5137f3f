#!/usr/bin/env python3
"""Measures what BLEU PyTorch reaches in a given time: trains the network of a run's recipe on the text of the run.

    just train configs/tatoeba-small.toml
    python bench/torch_recipe.py runs/tatoeba-small --minutes 60

Takes the sizes, tokenizer and recipe from the folder of the run. Follows the recipe's corpus, cleaning, filters,
batch size, learning rate, warm-up, dropout, label smoothing, clipping and number of averaged checkpoints. Refuses
recipes with other settings that change the result, and training pairs that differ in number from those of the run.
Start it in the folder in which the run was started.

Trains for the given minutes, whatever limits the recipe has, and then validates once, which the minutes do not include.
Evaluates the last weights, even if the run kept its best ones. Prints the BLEU of greedy translations of the validation
pairs, with sacreBLEU's signature. Needs torch, tokenizers and sacrebleu.
"""

import argparse
import collections
import json
import random
import sys
import time
import tomllib

import sacrebleu
import torch
import torch.nn.functional as F
from recipe_text import Text, pairs_of_run
from torch_transformer import Transformer, padded

# How many tokens a hypothesis may have beyond those of its source (section 6.1 of the paper).
EXTRA_LENGTH = 50


# The settings that change the result, with the values that this peer computes with. A recipe may leave a key out.
KNOWN_SETTINGS = {
    "data.bpe_dropout": 0,
    "data.clean.source_scripts": None,
    "data.clean.target_scripts": None,
    "training.accumulate": 1,
    "training.schedule": "inverse-square-root",
    "training.dtype": "float32",
    "training.optimizer": "adam",
    "training.ema": None,
    "training.average_best": None,
    "search.min_length": 0,
    "search.max_length": None,
    "search.no_repeat_ngram": 0,
    "search.repetition_penalty": 1.0,
    "search.unknown": "forbid",
}


# The fields of config.json that the peer's network has one value for. The file may leave a field out.
KNOWN_CONFIG = {
    "positions": "sinusoidal",
    "tie_embeddings": True,
    "encoder_layer": "self-attention",
    "decoder_layer": "self-attention",
    "activation": "relu",
    "norm_epsilon": 1e-5,
    "output_bias": False,
    "target_vocab_size": None,
    "decoder_start_id": None,
}


def check(settings, known):
    """Ends the program if one of the `known` settings has another value."""
    for key, value in known.items():
        given = settings
        for part in key.split("."):
            given = given.get(part, {})
        if given not in ({}, value):
            own = "none" if value is None else repr(value)
            sys.exit(f"error: the run has {key} = {given!r}, but this peer has {own}")


def plan_batches(pairs, batch_tokens, rng):
    """Returns batches of similar lengths in random order, of at most `batch_tokens` tokens a side with padding."""
    length = lambda pair: max(map(len, pair))
    batches, batch = [], []
    for pair in sorted(pairs, key=lambda pair: (length(pair), *map(len, pair), rng.random())):
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
    """Returns greedy translations of `sources` in their order, with the lengths and tokens that Attend allows."""
    # Only tokenizers of words have the token <unk>.
    never = [token for token in (text.pad, text.bos, text.unk) if token is not None]
    model.eval()
    hypotheses = [None] * len(sources)
    order = sorted(range(len(sources)), key=lambda number: len(sources[number]))
    for start in range(0, len(order), batch_size):
        numbers = order[start : start + batch_size]
        source = padded([sources[number] for number in numbers], text.pad)
        encoded = model.encode(source)
        target = torch.full((len(numbers), 1), text.bos)
        ended = torch.zeros(len(numbers), dtype=torch.bool)
        while not ended.all() and target.shape[1] < min(source.shape[1] + EXTRA_LENGTH, text.positions):
            logits = model.decode(target, *encoded, positions=-1)
            logits[:, never] = -torch.inf
            best = logits.argmax(-1)
            best = best.where(~ended, text.eos)
            target = torch.cat([target, best[:, None]], dim=1)
            ended |= best == text.eos
        for number, row in zip(numbers, target[:, 1:].tolist()):
            row = row[: len(sources[number]) - 1 + EXTRA_LENGTH]
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

    try:
        with open(f"{options.run}/recipe.toml", "rb") as file:
            recipe = tomllib.load(file)
        with open(f"{options.run}/config.json", encoding="utf-8") as file:
            config = json.load(file)
        check(recipe, KNOWN_SETTINGS)
        check(config, KNOWN_CONFIG | {"decoder_layers": config["encoder_layers"]})
        text = Text(options.run, recipe, config)
        pairs, (valid_sources, references) = text.training_pairs(), text.validation()
        expected = pairs_of_run(options.run)
    except OSError as error:
        sys.exit(f"error: cannot read {error.filename} ({error.strerror}); start this where the run was started")
    training = recipe["training"]
    if expected not in (None, len(pairs)):
        sys.exit(f"error: {len(pairs)} training pairs, but the run had {expected}: its text has changed since")

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
        config["max_length"],
    )
    num_weights = sum(weights.numel() for weights in model.parameters())
    print(f"{len(pairs)} training pairs ({expected or 'unknown'} in the run), {num_weights} weights", file=sys.stderr)
    optimizer = torch.optim.Adam(model.parameters(), betas=(0.9, 0.98), eps=1e-9)
    checkpoint_every = training.get("checkpoint_every", training["validate_every"])
    checkpoints = collections.deque(maxlen=training.get("average_last", 0))
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
    results = {"last weights": model.state_dict()}
    if checkpoints:
        results[f"average of the last {len(checkpoints)} checkpoints"] = mean(checkpoints)
    bleu = sacrebleu.metrics.BLEU(tokenize=recipe["data"]["bleu"])
    for name, weights in results.items():
        model.load_state_dict(weights)
        score = bleu.corpus_score(translate(model, valid_sources, text), [references])
        print(f"{name}: {bleu.get_signature()} {score}")
    print(f"{update} updates, {tokens / seconds_trained:.0f} target tokens a second")


if __name__ == "__main__":
    main()
