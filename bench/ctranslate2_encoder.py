"""The encoder of a model folder as a CTranslate2 model, with the same weights, positions and vocabulary.

Only `ctranslate2_agreement.py` uses it: CTranslate2 computes the output of an encoder only for a model that has nothing
else. The whole model is written by `attend export`. Needs ctranslate2, numpy and safetensors.
"""

import json
import pathlib
import sys

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


def encoder_specification(folder):
    """Returns the encoder of `folder` in the form that `ctranslate2.Encoder` loads once it is saved."""
    folder = pathlib.Path(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    # The file leaves most keys out where they have these values.
    for key, values in {
        "encoder_layer": ("self-attention",),
        "positions": ("sinusoidal", "learned"),
        "activation": ("relu",),
        "norm_epsilon": (1e-5,),
    }.items():
        value = config.get(key, values[0])
        if value not in values:
            written = " or ".join(map(repr, values))
            sys.exit(f"error: {folder} has {key} = {value!r}, but this program writes only {written}")
    weights = load_file(folder / "model.safetensors")
    pre_norm = config["norm"] == "pre"
    encoder = transformer_spec.TransformerEncoderSpec(
        config["encoder_layers"], config["n_heads"], pre_norm=pre_norm, activation=common_spec.Activation.RELU
    )

    def linear(layer, *names):
        """Fills a layer with several linear layers of the same input, whose outputs it concatenates."""
        layer.weight = numpy.concatenate([weights[f"{name}.weight"] for name in names])
        layer.bias = numpy.concatenate([weights[f"{name}.bias"] for name in names])

    def norm(layer, name):
        layer.gamma, layer.beta = weights[f"{name}.weight"], weights[f"{name}.bias"]

    encoder.embeddings[0].weight = weights["embedding.weight"]
    learned = weights.get("source_positions.learned.weight")
    encoder.position_encodings.encodings = (
        sinusoids(config["max_length"], config["d_model"]) if learned is None else learned
    )
    encoder.scale_embeddings = True
    if pre_norm:
        norm(encoder.layer_norm, "encoder.norm")
    for number, layer in enumerate(encoder.layer):
        prefix = f"encoder.layers.{number}"
        attention = f"{prefix}.self_attention"
        linear(layer.self_attention.linear[0], *(f"{attention}.{part}" for part in ("query", "key", "value")))
        linear(layer.self_attention.linear[1], f"{attention}.output")
        norm(layer.self_attention.layer_norm, f"{prefix}.self_attention_norm.norm")
        linear(layer.ffn.linear_0, f"{prefix}.feed_forward.inner")
        linear(layer.ffn.linear_1, f"{prefix}.feed_forward.outer")
        norm(layer.ffn.layer_norm, f"{prefix}.feed_forward_norm.norm")
    model = transformer_spec.TransformerEncoderModelSpec(encoder)
    model.register_vocabulary(tokens(folder))
    model.validate()
    return model
