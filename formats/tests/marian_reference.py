#!/usr/bin/env python3
r"""Marian's Transformer in numpy, for models with all embeddings tied.

    python formats/tests/marian_reference.py MODEL.bin VOCABULARY.spm [--shortlist LEX.bin] \
        [--sums exact|saturated] [--text] < sentences

prints the greedy translations of a list of sentences and their log-probabilities, as JSON, or with --text the
translations alone. With --shortlist, a translation is chosen among the tokens of a lexical shortlist. With --sums,
matrix products are those of Firefox: activations are rounded to 8 bits by the scales in the model, and multiplied by
the model's 8-bit weights. The sums are exact, or those of two neighbours are cut off at 16 bits, as the instruction
vpmaddubsw of AVX2 does.

Needs numpy, sentencepiece and PyYAML.
"""

import argparse
import json
import math
import pathlib
import struct
import sys

import numpy
import sentencepiece
import yaml


class MarianReference:
    """Marian's Transformer in numpy, one sentence at a time: greedy translations and their log-probabilities."""

    def __init__(self, weights, options):
        self.weights = weights
        self.options = options
        self.width = options["dim-emb"]
        self.heads = options["transformer-heads"]
        functions = {"relu": lambda x: numpy.maximum(x, 0), "swish": lambda x: x / (1 + numpy.exp(-x))}
        self.activation = functions[options["transformer-ffn-activation"]]
        self.shortlist = None

    def product(self, x, name):
        return x @ self.weights[name]

    def linear(self, prefix, part, x):
        return self.product(x, f"{prefix}_W{part}") + self.weights[f"{prefix}_b{part}"]

    def add_and_norm(self, prefix, x, update):
        x = x + update
        mean = x.mean(-1, keepdims=True)
        variance = ((x - mean) ** 2).mean(-1, keepdims=True)
        x = (x - mean) / numpy.sqrt(variance + 1e-6)
        return x * self.weights[f"{prefix}_ln_scale"] + self.weights[f"{prefix}_ln_bias"]

    def attention(self, prefix, queries, memory, causal=False):
        def split(x):
            return x.reshape(len(x), self.heads, -1).transpose(1, 0, 2)

        query = split(self.linear(prefix, "q", queries))
        key, value = (split(self.linear(prefix, part, memory)) for part in "kv")
        scores = query @ key.transpose(0, 2, 1) / numpy.sqrt(query.shape[-1])
        if causal:
            scores = numpy.where(numpy.tri(len(queries), len(memory)), scores, -1e9)
        scores = numpy.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        attended = (scores @ value).transpose(1, 0, 2).reshape(len(queries), -1)
        return self.add_and_norm(f"{prefix}_Wo", queries, self.linear(prefix, "o", attended))

    def recurrence(self, prefix, x):
        forget = 1 / (1 + numpy.exp(-self.linear(prefix, "f", x)))
        candidate = self.product(x, f"{prefix}_W")
        state, states = numpy.zeros(self.width), []
        for gate, new in zip(forget, candidate):
            state = gate * state + (1 - gate) * new
            states.append(state)
        return self.add_and_norm(f"{prefix}_ffn", x, numpy.maximum(numpy.stack(states), 0))

    def feed_forward(self, prefix, x):
        inner = self.activation(self.linear(prefix, "1", x))
        return self.add_and_norm(f"{prefix}_ffn", x, self.linear(prefix, "2", inner))

    def positions(self, length):
        half = self.width // 2
        angles = numpy.arange(length)[:, None] * 10000 ** (-numpy.arange(half) / (half - 1))
        return numpy.concatenate([numpy.sin(angles), numpy.cos(angles)], axis=1)

    def encode(self, tokens):
        x = self.weights["Wemb"][tokens] * numpy.sqrt(self.width) + self.positions(len(tokens))
        for layer in range(1, self.options["enc-depth"] + 1):
            x = self.attention(f"encoder_l{layer}_self", x, x)
            x = self.feed_forward(f"encoder_l{layer}_ffn", x)
        return x

    def log_probabilities(self, memory, tokens):
        """Returns those of the token that follows `tokens`. The decoder reads zeros first."""
        x = numpy.concatenate([numpy.zeros((1, self.width)), self.weights["Wemb"][tokens] * numpy.sqrt(self.width)])
        x = x + self.positions(len(x))
        for layer in range(1, self.options["dec-depth"] + 1):
            if self.options["transformer-decoder-autoreg"] == "rnn":
                x = self.recurrence(f"decoder_l{layer}_rnn", x)
            else:
                x = self.attention(f"decoder_l{layer}_self", x, x, causal=True)
            x = self.attention(f"decoder_l{layer}_context", x, memory)
            x = self.feed_forward(f"decoder_l{layer}_ffn", x)
        logits = self.logits(x[-1])
        return logits - logits.max() - numpy.log(numpy.exp(logits - logits.max()).sum())

    def logits(self, x):
        return x @ self.weights["Wemb"].T + self.weights["decoder_ff_logit_out_b"][0]

    def greedy(self, tokens, longest):
        """Returns a translation of at most `longest` tokens without </s>, and its log-probability with </s>."""
        memory = self.encode(tokens)
        among = slice(None) if self.shortlist is None else self.shortlist.tokens(tokens)
        translation, total = [], 0.0
        while True:
            chosen = self.log_probabilities(memory, numpy.array(translation, int))
            row = numpy.full_like(chosen, -numpy.inf)
            row[among] = chosen[among] - numpy.log(numpy.exp(chosen[among]).sum())
            # <unk> is never chosen.
            row[1] = -numpy.inf
            best = int(row.argmax()) if len(translation) < longest else 0
            total += row[best]
            if best == 0:
                return translation, total
            translation.append(best)

    def translate(self, pieces, sentence, longest):
        """Returns the greedy translation of a sentence in pieces of a SentencePiece model."""
        tokens, total = self.greedy(pieces.encode(sentence) + [0], longest)
        return {
            "source": sentence,
            "tokens": [pieces.id_to_piece(token) for token in tokens],
            "log_probability": total,
        }


class RoundedReference(MarianReference):
    """Marian's Transformer with the matrix products of Firefox, which are in 8-bit integers."""

    def __init__(self, weights, options, saturates):
        super().__init__(weights, options)
        self.saturates = saturates

    def product(self, x, name):
        scale = float(self.weights[f"{name}_QuantMultA"].item())
        # 64-bit floats add such integers without rounding.
        rounded = numpy.clip(numpy.rint(x * scale), -127, 127)
        multiplier = self.weights["multipliers"][name]
        weight = numpy.rint(self.weights[name] * multiplier)
        sums = saturated(rounded + 127, weight) - 127 * weight.sum(0) if self.saturates else rounded @ weight
        return sums / (scale * multiplier)

    def logits(self, x):
        # The products of a shortlist are not cut off. Their scale is called after no matrix.
        scale = float(self.weights["none_QuantMultA"].item())
        rounded = numpy.clip(numpy.rint(x * scale), -127, 127) / scale
        return super().logits(rounded)


def saturated(x, weight):
    """Returns the product of two integer matrices, in which the sum of two neighbours is cut off at 16 bits."""
    rows = []
    x, weight = x.astype(numpy.int32), weight.astype(numpy.int32)
    for row in x:
        pairs = row[0::2, None] * weight[0::2] + row[1::2, None] * weight[1::2]
        rows.append(numpy.clip(pairs, -(2**15), 2**15 - 1).sum(0))
    return numpy.stack(rows)


class Shortlist:
    """A lexical shortlist: the tokens of the target that may translate each token of the source."""

    def __init__(self, path):
        content = path.read_bytes()
        _, _, self.frequent, _, starts, count = struct.unpack_from("<6Q", content)
        self.starts = numpy.frombuffer(content, "<u8", starts, 48)
        self.lists = numpy.frombuffer(content, "<u4", count, 48 + 8 * starts)

    def tokens(self, source):
        """Returns the tokens that may translate a source: the frequent ones, its own, and those of its lists."""
        found = set(range(self.frequent)) | set(source)
        for token in source:
            found.update(self.lists[self.starts[token] : self.starts[token + 1]].tolist())
        return sorted(found)


def read(path):
    """Returns the weights of Marian's .bin in 64-bit numbers, and the text of its settings."""
    content = path.read_bytes()
    _, count = struct.unpack_from("<QQ", content)
    heads = [struct.unpack_from("<QQQQ", content, 16 + 32 * index) for index in range(count)]
    place = 16 + 32 * count
    names = []
    for length, *_ in heads:
        names.append(content[place : place + length - 1].decode())
        place += length
    shapes = []
    for _, _, rank, _ in heads:
        shapes.append(struct.unpack_from(f"<{rank}i", content, place))
        place += 4 * rank
    place += 8 + struct.unpack_from("<Q", content, place)[0]
    weights, settings = {"multipliers": {}}, ""
    for (_, kind, _, length), name, shape in zip(heads, names, shapes):
        size = math.prod(shape)
        if name == "special:model.yml":
            settings = content[place : place + size].split(b"\0")[0].decode()
        elif kind == 0x404:
            weights[name] = numpy.frombuffer(content, "<f4", size, place).reshape(shape).astype(float)
        elif kind == 0x4101:
            (multiplier,) = struct.unpack_from("<f", content, place + size)
            integers = numpy.frombuffer(content, numpy.int8, size, place).astype(float) / multiplier
            # The matrices but for the embedding stand column by column.
            weights[name] = integers.reshape(shape) if name == "Wemb" else integers.reshape(shape[::-1]).T
            weights["multipliers"][name] = multiplier
        place += length
    return weights, settings


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("vocabulary")
    parser.add_argument("--shortlist", type=pathlib.Path)
    parser.add_argument("--sums", choices=["exact", "saturated"])
    parser.add_argument("--text", action="store_true")
    options = parser.parse_args()
    weights, text = read(options.model)
    settings = yaml.safe_load(text)
    if options.sums is None:
        reference = MarianReference(weights, settings)
    else:
        reference = RoundedReference(weights, settings, options.sums == "saturated")
    if options.shortlist is not None:
        reference.shortlist = Shortlist(options.shortlist)
    processor = sentencepiece.SentencePieceProcessor(options.vocabulary)
    sys.stdin.reconfigure(encoding="utf-8")
    sys.stdout.reconfigure(encoding="utf-8")
    lines = [line.rstrip("\n") for line in sys.stdin]
    translations = [reference.translate(processor, line, 2 * len(line) + 50) for line in lines]
    if options.text:
        print("\n".join(processor.decode(translation["tokens"]) for translation in translations))
    else:
        print(json.dumps(translations))


if __name__ == "__main__":
    main()
