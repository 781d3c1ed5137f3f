#!/usr/bin/env python3
"""Marian's Transformer in numpy, for models with all embeddings tied.

    python formats/tests/marian_reference.py MODEL.bin VOCABULARY.spm < sentences

prints the greedy translations of a list of sentences and their log-probabilities, as JSON. Needs numpy, sentencepiece
and PyYAML.
"""

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

    def linear(self, prefix, part, x):
        return x @ self.weights[f"{prefix}_W{part}"] + self.weights[f"{prefix}_b{part}"]

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
        candidate = x @ self.weights[f"{prefix}_W"]
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
        logits = x[-1] @ self.weights["Wemb"].T + self.weights["decoder_ff_logit_out_b"][0]
        return logits - logits.max() - numpy.log(numpy.exp(logits - logits.max()).sum())

    def greedy(self, tokens, longest):
        """Returns a translation of at most `longest` tokens without </s>, and its log-probability with </s>."""
        memory = self.encode(tokens)
        translation, total = [], 0.0
        while True:
            row = self.log_probabilities(memory, numpy.array(translation, int))
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
    weights, settings = {}, ""
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
        place += length
    return weights, settings


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    found, text = read(pathlib.Path(sys.argv[1]))
    reference = MarianReference(found, yaml.safe_load(text))
    processor = sentencepiece.SentencePieceProcessor(sys.argv[2])
    sys.stdin.reconfigure(encoding="utf-8")
    sys.stdout.reconfigure(encoding="utf-8")
    lines = [line.rstrip("\n") for line in sys.stdin]
    print(json.dumps([reference.translate(processor, line, 2 * len(line) + 50) for line in lines]))
