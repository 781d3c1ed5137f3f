#!/usr/bin/env python3
"""Writes a model folder as a CTranslate2 model, with the same weights, positions and vocabulary.

    python bench/ctranslate2_model.py FOLDER OUTPUT

FOLDER is the model folder, OUTPUT the folder to write. Needs ctranslate2, numpy and safetensors.
"""

import json
import pathlib
import sys

import ctranslate2
import numpy
from ctranslate2.specs import common_spec, transformer_spec
from safetensors.numpy import load_file


def sinusoids(length, d_model):
    """Returns the position encodings `[length, d_model]` of the paper (section 3.5), sines and cosines interleaved."""
    angle = numpy.arange(length)[:, None] / 10000 ** (numpy.arange(0, d_model, 2) / d_model)
    return numpy.stack([numpy.sin(angle), numpy.cos(angle)], axis=-1).reshape(length, d_model).astype(numpy.float32)


def tokens(folder):
    """Returns the tokens of a model folder's vocabulary in the order of their ids."""
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = tokenizer["model"]["vocab"]
    # Unigram lists pieces with their scores, the other kinds of vocabulary map tokens to ids.
    if isinstance(vocabulary, list):
        pieces = enumerate(piece for piece, _ in vocabulary)
    else:
        pieces = ((number, token) for token, number in vocabulary.items())
    by_id = dict(pieces) | {token["id"]: token["content"] for token in tokenizer["added_tokens"]}
    return [by_id[number] for number in range(len(by_id))]


def specification(folder):
    """Returns the model of `folder` in the form that `ctranslate2.Translator` loads once it is saved."""
    spec = filled(folder)
    spec.validate()
    return spec


def encoder_specification(folder):
    """Returns the encoder of `folder` for `ctranslate2.Encoder`, which does not add </s> to sources."""
    encoder = transformer_spec.TransformerEncoderModelSpec(filled(folder).encoder)
    encoder.register_vocabulary(tokens(pathlib.Path(folder)))
    encoder.validate()
    return encoder


def filled(folder):
    """Returns CTranslate2's specification of a Transformer with the weights and the vocabulary of `folder`."""
    folder = pathlib.Path(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    # The file leaves most keys out where they have these values.
    for key, values in {
        "encoder_layer": ("self-attention",),
        "decoder_layer": ("self-attention",),
        "positions": ("sinusoidal", "learned"),
        "tie_embeddings": (True, False),
        "activation": ("relu",),
        "norm_epsilon": (1e-5,),
        "output_bias": (False,),
        "target_vocab_size": (None,),
        "decoder_start_id": (None,),
    }.items():
        value = config.get(key, values[0])
        if value not in values:
            written = " or ".join(map(repr, values))
            sys.exit(f"error: {folder} has {key} = {value!r}, but this program writes only {written}")
    weights = load_file(folder / "model.safetensors")
    pre_norm = config["norm"] == "pre"
    spec = transformer_spec.TransformerSpec.from_config(
        (config["encoder_layers"], config["decoder_layers"]),
        config["n_heads"],
        pre_norm=pre_norm,
        activation=common_spec.Activation.RELU,
    )

    def linear(layer, *names):
        """Fills a layer with several linear layers of the same input, whose outputs it concatenates."""
        layer.weight = numpy.concatenate([weights[f"{name}.weight"] for name in names])
        layer.bias = numpy.concatenate([weights[f"{name}.bias"] for name in names])

    def norm(layer, name):
        layer.gamma, layer.beta = weights[f"{name}.weight"], weights[f"{name}.bias"]

    tied = config["tie_embeddings"]
    target = weights["embedding.weight" if tied else "untied.target.weight"]
    spec.encoder.embeddings[0].weight = weights["embedding.weight"]
    spec.decoder.embeddings.weight = target
    spec.decoder.projection.weight = target if tied else weights["untied.output.weight"]
    spec.decoder.projection.bias = numpy.zeros(config["vocab_size"], numpy.float32)
    for side, name in ((spec.encoder, "source_positions"), (spec.decoder, "target_positions")):
        learned = weights.get(f"{name}.learned.weight")
        side.position_encodings.encodings = (
            sinusoids(config["max_length"], config["d_model"]) if learned is None else learned
        )
        side.scale_embeddings = True
    for side, name in ((spec.encoder, "encoder"), (spec.decoder, "decoder")):
        if pre_norm:
            norm(side.layer_norm, f"{name}.norm")
        for number, layer in enumerate(side.layer):
            prefix = f"{name}.layers.{number}"
            attention = f"{prefix}.self_attention"
            linear(layer.self_attention.linear[0], *(f"{attention}.{part}" for part in ("query", "key", "value")))
            linear(layer.self_attention.linear[1], f"{attention}.output")
            norm(layer.self_attention.layer_norm, f"{prefix}.self_attention_norm.norm")
            if side is spec.decoder:
                attention = f"{prefix}.cross_attention"
                linear(layer.attention.linear[0], f"{attention}.query")
                linear(layer.attention.linear[1], f"{attention}.key", f"{attention}.value")
                linear(layer.attention.linear[2], f"{attention}.output")
                norm(layer.attention.layer_norm, f"{prefix}.cross_attention_norm.norm")
            linear(layer.ffn.linear_0, f"{prefix}.feed_forward.inner")
            linear(layer.ffn.linear_1, f"{prefix}.feed_forward.outer")
            norm(layer.ffn.layer_norm, f"{prefix}.feed_forward_norm.norm")
    words = tokens(folder)
    spec.register_source_vocabulary(words)
    spec.register_target_vocabulary(words)
    # CTranslate2 finds <s>, </s> and <unk> by these usual names, and adds </s> to sources.
    spec.config.add_source_eos = True
    return spec


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    pathlib.Path(sys.argv[2]).mkdir(parents=True, exist_ok=True)
    specification(sys.argv[1]).save(sys.argv[2])
