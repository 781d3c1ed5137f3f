#!/usr/bin/env python3
"""Writes the foreign models in fixtures/, and what their own programs compute with them.

    python formats/tests/make_fixtures.py

Needs torch, transformers 5, sentencepiece, safetensors, numpy, ctranslate2 and PyYAML. The weights are random, and
large enough that translations differ from sentence to sentence.
"""

import copy
import io
import json
import pathlib
import shutil
import struct
import tempfile

import ctranslate2
import numpy
import sentencepiece
import torch
import yaml
from marian_reference import MarianReference
from safetensors.torch import save_file
from transformers import MarianConfig, MarianMTModel, MarianTokenizer

FIXTURES = pathlib.Path(__file__).parent / "fixtures"

SENTENCES = [
    "The old boat is green.",
    "Two birds sit on a wire.",
    "My sister bakes bread on Monday.",
    "A small dog sleeps under the table.",
    "We saw seven stars last night.",
    "Nobody knows the way to the lake.",
]
TARGETS = [
    "Das alte Boot ist grün.",
    "Zwei Vögel sitzen auf einem Draht.",
    "Meine Schwester backt am Montag Brot.",
    "Ein kleiner Hund schläft unter dem Tisch.",
    "Wir sahen letzte Nacht sieben Sterne.",
    "Niemand kennt den Weg zum See.",
]


def sentencepiece_model(path, lines, size, **options):
    """Trains a SentencePiece model. Without rules of normalisation, which would take 240 KB, the file is small."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines * 4),
        model_writer=written,
        vocab_size=size,
        normalization_rule_name="identity",
        minloglevel=2,
        **options,
    )
    path.write_bytes(written.getvalue())
    return sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())


def pieces(processor):
    return [processor.id_to_piece(number) for number in range(processor.get_piece_size())]


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False) + "\n", encoding="utf-8")


def fill(model, seed):
    """Gives a model random weights, large enough that a translation does not repeat one token for ever."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # The table of positions is computed, and not in the file.
            if "embed_positions" in name:
                continue
            noise = torch.randn(parameter.shape, generator=generator)
            if name.endswith("bias"):
                parameter.copy_(0.1 * noise)
            elif "layer_norm" in name:
                parameter.copy_(1 + 0.1 * noise)
            elif "layers" in name:
                parameter.copy_(noise)
            else:
                parameter.copy_(0.5 * noise)
        model.final_logits_bias.copy_(0.1 * torch.randn(model.final_logits_bias.shape, generator=generator))


def beam(model, batch, size, length_penalty, early_stopping):
    """Returns the best hypothesis of a beam search, with its options and its score."""
    found = model.generate(
        **batch,
        num_beams=size,
        length_penalty=length_penalty,
        early_stopping=early_stopping,
        do_sample=False,
        max_length=40,
        return_dict_in_generate=True,
        output_scores=True,
    )
    return {
        "size": size,
        "length_penalty": length_penalty,
        "early_stopping": early_stopping,
        "ids": found.sequences[0].tolist(),
        "score": round(found.sequences_scores[0].item(), 5),
    }


# Options of the search that a model may have. With beams, transformers raises the probabilities of the other tokens if
# it forbids some, which Attend does not, so that options that forbid tokens are of greedy searches.
SEARCHES = [
    {"max_length": 100},
    {"max_length": 100, "num_beams": 1},
    {"max_length": 100, "early_stopping": True},
    {"max_new_tokens": 20},
    {"num_beams": 1, "min_length": 30},
    {"num_beams": 1, "min_new_tokens": 30, "no_repeat_ngram_size": 2},
]


def searches(folder, tokenizer, sources):
    """Writes what a model, with more positions, finds by options of the search."""
    model = MarianMTModel.from_pretrained(folder, max_position_embeddings=128).eval()
    found = []
    for options in SEARCHES:
        ids = []
        for source in sources:
            batch = tokenizer([source], return_tensors="pt")
            tokens = model.generate(**batch, do_sample=False, **options)[0].tolist()
            ids.append(tokens[1:-1])
        found.append({"options": options, "ids": ids})
    write_json(folder / "searches.json", found)


def hugging_face(name, seed, separate, **options):
    """Writes a MarianMT model, and its tokens, translations and logits."""
    folder = FIXTURES / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    source = sentencepiece_model(folder / "source.spm", SENTENCES, 40)
    target = sentencepiece_model(folder / "target.spm", TARGETS, 44)
    special = ["</s>", "<unk>"]

    def vocabulary(*processors):
        found = dict.fromkeys(piece for processor in processors for piece in pieces(processor) if piece[0] != "<")
        tokens = special + sorted(found) + [">>deu<<", "<pad>"]
        return {token: number for number, token in enumerate(tokens)}

    if separate:
        of_source, of_target = vocabulary(source), vocabulary(target)
        # Both sides pad with the same number, and so the shorter vocabulary is filled up.
        longest = max(len(of_source), len(of_target))
        for words in (of_source, of_target):
            del words["<pad>"]
            while len(words) < longest - 1:
                words[f"<unused{len(words)}>"] = len(words)
            words["<pad>"] = longest - 1
        write_json(folder / "target_vocab.json", of_target)
    else:
        of_source = of_target = vocabulary(source, target)
    write_json(folder / "vocab.json", of_source)
    padding = of_source["<pad>"]
    config = MarianConfig(
        vocab_size=len(of_source),
        decoder_vocab_size=len(of_target),
        d_model=8,
        encoder_layers=2,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=12,
        decoder_ffn_dim=12,
        max_position_embeddings=64,
        scale_embedding=True,
        pad_token_id=padding,
        eos_token_id=0,
        forced_eos_token_id=0,
        decoder_start_token_id=padding,
        share_encoder_decoder_embeddings=not separate,
        **options,
    )
    model = MarianMTModel(config).eval()
    fill(model, seed)
    model.generation_config.update(
        max_length=40, num_beams=3, length_penalty=0.8, bad_words_ids=[[padding]], renormalize_logits=True
    )
    model.save_pretrained(folder)
    write_json(
        folder / "tokenizer_config.json",
        {
            "source_lang": "eng",
            "target_lang": "deu",
            "separate_vocabs": separate,
            "tokenizer_class": "MarianTokenizer",
        },
    )
    tokenizer = MarianTokenizer(
        vocab=str(folder / "vocab.json"),
        target_vocab_file=str(folder / "target_vocab.json") if separate else None,
        source_spm=str(folder / "source.spm"),
        target_spm=str(folder / "target.spm"),
        separate_vocabs=separate,
    )
    expected = []
    for sentence, translation in zip([">>deu<< " + SENTENCES[0], *SENTENCES[1:]], TARGETS):
        batch = tokenizer([sentence], return_tensors="pt")
        labels = tokenizer(text_target=[translation], return_tensors="pt").input_ids
        with torch.no_grad():
            start = torch.full((1, 1), padding)
            inputs = torch.cat([start, labels[:, :-1]], dim=1)
            # In 64-bit numbers, since the logits are hundreds of sums of large numbers.
            logits = copy.deepcopy(model).double()(**batch, decoder_input_ids=inputs).logits
            greedy = model.generate(**batch, num_beams=1, do_sample=False, max_length=40)
            beams = [beam(model, batch, *options) for options in [(4, 1.0, False), (6, 0.8, False), (4, 0.6, True)]]
        expected.append(
            {
                "source": sentence,
                "target": translation,
                "source_ids": batch.input_ids[0].tolist(),
                "target_ids": labels[0].tolist(),
                "logits": None if expected else [[round(number, 6) for number in row] for row in logits[0].tolist()],
                "greedy_ids": greedy[0].tolist(),
                "greedy": tokenizer.decode(greedy[0], skip_special_tokens=True),
                "beams": beams,
            }
        )
    write_json(folder / "expected.json", expected)
    if not separate:
        searches(folder, tokenizer, [case["source"] for case in expected])
    return model


def pytorch_files(model):
    """Writes the weights of a model by torch.save, as it is now and as it was before PyTorch 1.6."""
    state = {
        name: tensor
        for name, tensor in model.state_dict().items()
        if name == "final_logits_bias" or not name.endswith(("embed_tokens.weight", "lm_head.weight"))
    }
    torch.save(state, FIXTURES / "pytorch_model.bin")
    torch.save(state, FIXTURES / "pytorch_model_before_1.6.bin", _use_new_zipfile_serialization=False)


def containers():
    """Writes small tensors whose numbers every format holds exactly."""
    matrix = torch.tensor([[0.5, -1.25, 3.0], [4.0, 5.5, -6.0]])
    vector = torch.tensor([1.0, 2.0, 3.0, 4.0])
    tensors = {"single": matrix, "half": vector.half(), "brain": vector.bfloat16(), "double": vector.double()}
    save_file(tensors, FIXTURES / "numbers.safetensors")
    tensors["columns"] = torch.tensor([[0.5, 4.0], [-1.25, 5.5], [3.0, -6.0]]).T
    torch.save(tensors, FIXTURES / "numbers.bin")
    torch.save(tensors, FIXTURES / "numbers_before_1.6.bin", _use_new_zipfile_serialization=False)
    numpy.savez_compressed(
        FIXTURES / "numbers.npz",
        single=matrix.numpy(),
        half=vector.half().numpy(),
        double=vector.double().numpy(),
        columns=numpy.asfortranarray(matrix.numpy()),
    )


MARIAN = {
    "type": "transformer",
    "dim-emb": 8,
    "transformer-dim-ffn": 12,
    "transformer-heads": 2,
    "enc-depth": 2,
    "dec-depth": 1,
    "transformer-ffn-activation": "relu",
    "transformer-preprocess": "",
    "transformer-postprocess": "dan",
    "transformer-postprocess-emb": "d",
    "transformer-postprocess-top": "",
    "transformer-decoder-autoreg": "self-attention",
    "dec-cell": "gru",
    "transformer-no-projection": False,
    "transformer-train-position-embeddings": False,
    "transformer-guided-alignment-layer": "last",
    "transformer-tied-layers": [],
    "transformer-ffn-depth": 2,
    "tied-embeddings": False,
    "tied-embeddings-src": False,
    "tied-embeddings-all": True,
}


def marian_weights(size, options, seed):
    """Returns random weights under the names of Marian."""
    random = numpy.random.default_rng(seed)
    width, inner = options["dim-emb"], options["transformer-dim-ffn"]
    weights = {}

    def draw(name, *shape, scale=1.0):
        weights[name] = (scale * random.standard_normal(shape)).astype(numpy.float32)

    def norm(name):
        draw(f"{name}_ln_scale", 1, width, scale=0.1)
        weights[f"{name}_ln_scale"] += 1
        draw(f"{name}_ln_bias", 1, width, scale=0.1)

    def attention(name):
        for part in "qkvo":
            draw(f"{name}_W{part}", width, width)
            draw(f"{name}_b{part}", 1, width, scale=0.1)
        norm(f"{name}_Wo")

    draw("Wemb", size, width, scale=0.5)
    draw("decoder_ff_logit_out_b", 1, size, scale=0.1)
    for side, depth in (("encoder", options["enc-depth"]), ("decoder", options["dec-depth"])):
        for layer in range(1, depth + 1):
            prefix = f"{side}_l{layer}"
            if side == "encoder" or options["transformer-decoder-autoreg"] == "self-attention":
                attention(f"{prefix}_self")
            else:
                for matrix in ("W", "Wf"):
                    draw(f"{prefix}_rnn_{matrix}", width, width)
                draw(f"{prefix}_rnn_bf", 1, width, scale=0.1)
                norm(f"{prefix}_rnn_ffn")
            if side == "decoder":
                attention(f"{prefix}_context")
            draw(f"{prefix}_ffn_W1", width, inner)
            draw(f"{prefix}_ffn_b1", 1, inner, scale=0.1)
            draw(f"{prefix}_ffn_W2", inner, width)
            draw(f"{prefix}_ffn_b2", 1, width, scale=0.1)
            norm(f"{prefix}_ffn_ffn")
    return weights


def marian_expected(folder, processor, weights, options):
    """Writes what a model of Marian translates, in 64-bit numbers."""
    reference = MarianReference({name: numbers.astype(numpy.float64) for name, numbers in weights.items()}, options)
    expected = []
    for sentence in SENTENCES:
        expected.append(reference.translate(processor, sentence, 30))
    write_json(folder / "expected.json", expected)


def marian_bin(path, weights, options):
    """Writes weights as Marian's .bin, matrices as 8-bit integers. Returns the weights that it holds."""
    heads, names, shapes, contents, held = b"", b"", b"", b"", {}
    settings = yaml.safe_dump(options).encode() + b"\0"
    items = [("special:model.yml", (len(settings),), 0x101, settings)]
    for name, numbers in weights.items():
        if "_W" not in name and name != "Wemb" or "_ln_" in name:
            items.append((name, numbers.shape, 0x404, numbers.tobytes()))
            held[name] = numbers
            continue
        multiplier = numpy.float32(127 / numpy.abs(numbers).max())
        integers = numpy.rint(numbers * multiplier).astype(numpy.int8)
        held[name] = integers.astype(numpy.float32) / multiplier
        stored = integers if name == "Wemb" else integers.T
        items.append((name, numbers.shape, 0x4101, stored.tobytes() + multiplier.tobytes()))
        # The scale of activations, by which Marian rounds them.
        items.append((f"{name}_QuantMultA", (1, 1), 0x404, numpy.float32(10).tobytes()))
    for name, shape, kind, content in items:
        content += b"\0" * (-len(content) % 256)
        heads += struct.pack("<QQQQ", len(name) + 1, kind, len(shape), len(content))
        names += name.encode() + b"\0"
        shapes += struct.pack(f"<{len(shape)}i", *shape)
        contents += content
    start = struct.pack("<QQ", 1, len(items)) + heads + names + shapes
    padding = -(len(start) + 8) % 256
    path.write_bytes(start + struct.pack("<Q", padding) + bytes(padding) + contents)
    return held


def ctranslate2_cases(folder, processor):
    """Returns what CTranslate2 translates with a model, and how probable it finds other translations."""
    translator = ctranslate2.Translator(str(folder))
    cases = []
    for sentence, translation in zip(SENTENCES, TARGETS):
        tokens = processor.encode(sentence, out_type=str)
        [result] = translator.translate_batch([tokens], beam_size=1, max_decoding_length=30)
        [score] = translator.score_batch([tokens], [processor.encode(translation, out_type=str)])
        cases.append(
            {
                "source": sentence,
                "tokens": result.hypotheses[0],
                "target": translation,
                "log_probabilities": [round(number, 5) for number in score.log_probs],
            }
        )
    return cases


def ctranslate2_expected(folder, processor):
    """Writes what CTranslate2 translates with a model."""
    cases = ctranslate2_cases(folder, processor)
    write_json(folder / "expected.json", [{"source": case["source"], "tokens": case["tokens"]} for case in cases])


def ctranslate2_without_source_eos(folder, processor):
    """Writes what CTranslate2 computes with a model if its source has no </s>, as those of OpenNMT-py have none."""
    with tempfile.TemporaryDirectory() as copy_of_folder:
        shutil.copytree(folder, copy_of_folder, dirs_exist_ok=True)
        config = pathlib.Path(copy_of_folder) / "config.json"
        write_json(config, json.loads(config.read_text()) | {"add_source_eos": False})
        write_json(folder / "without_source_eos.json", ctranslate2_cases(copy_of_folder, processor))


def ctranslate2_pre_norm():
    """Writes a model of CTranslate2 with pre-norm, learned positions, no ties, and the tokens of OpenNMT-py."""
    folder = FIXTURES / "ctranslate2_pre_norm"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    processor = sentencepiece_model(folder / "sentencepiece.model", SENTENCES + TARGETS, 60)
    vocabulary = ["<unk>", "<blank>", "<s>", "</s>", *(piece for piece in pieces(processor) if piece[0] != "<")]
    random = numpy.random.default_rng(8)
    width, inner, size = 8, 12, len(vocabulary)

    def draw(*shape, scale=1.0):
        return (scale * random.standard_normal(shape)).astype(numpy.float32)

    def norm(layer):
        layer.gamma, layer.beta = 1 + draw(width, scale=0.1), draw(width, scale=0.1)

    def linear(layer, outputs, inputs, with_bias=True):
        layer.weight = draw(outputs, inputs)
        if with_bias:
            layer.bias = draw(outputs, scale=0.1)

    spec = ctranslate2.specs.TransformerSpec.from_config(
        (1, 2), 2, pre_norm=True, activation=ctranslate2.specs.Activation.GELU
    )
    spec.encoder.embeddings[0].weight = draw(size, width, scale=0.5)
    spec.decoder.embeddings.weight = draw(size, width, scale=0.5)
    spec.decoder.projection.weight = draw(size, width, scale=0.5)
    for side in (spec.encoder, spec.decoder):
        side.position_encodings.encodings = draw(64, width)
        norm(side.layer_norm)
        for layer in side.layer:
            # One projection has no bias, as in models that were trained without.
            linear(layer.self_attention.linear[0], 3 * width, width, with_bias=False)
            linear(layer.self_attention.linear[1], width, width)
            norm(layer.self_attention.layer_norm)
            if side is spec.decoder:
                linear(layer.attention.linear[0], width, width, with_bias=False)
                linear(layer.attention.linear[1], 2 * width, width)
                linear(layer.attention.linear[2], width, width)
                norm(layer.attention.layer_norm)
            linear(layer.ffn.linear_0, inner, width)
            linear(layer.ffn.linear_1, width, inner)
            norm(layer.ffn.layer_norm)
    spec.register_source_vocabulary(vocabulary)
    spec.register_target_vocabulary(vocabulary)
    spec.config.add_source_eos = True
    spec.validate()
    spec.optimize()
    spec.save(str(folder))
    ctranslate2_expected(folder, processor)
    ctranslate2_without_source_eos(folder, processor)


def firefox():
    """Writes a model like those of Firefox: an SSRU in the decoder, weights as 8-bit integers."""
    folder = FIXTURES / "firefox"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    special = {"eos_id": 0, "unk_id": 1, "bos_id": -1, "pad_id": -1}
    processor = sentencepiece_model(folder / "vocab.ende.spm", SENTENCES + TARGETS, 60, **special)
    options = MARIAN | {"transformer-decoder-autoreg": "rnn", "dec-cell": "ssru", "dec-depth": 2}
    weights = marian_weights(processor.get_piece_size(), options, 5)
    held = marian_bin(folder / "model.ende.intgemm.alphas.bin", weights, options)
    decoder = {"vocabs": ["vocab.ende.spm", "vocab.ende.spm"], "beam-size": 1, "normalize": 1.0}
    (folder / "config.intgemm8bitalpha.yml").write_text(yaml.safe_dump(decoder), encoding="utf-8")
    marian_expected(folder, processor, held, options)


def marian_npz(path, weights, options):
    """Writes weights as Marian does, with the options in an array of bytes that ends with NUL."""
    settings = numpy.frombuffer(yaml.safe_dump(options).encode() + b"\0", numpy.int8)
    numpy.savez(path, **weights, **{"special:model.yml": settings})


def marian_and_ctranslate2():
    """Writes a model of Marian, what CTranslate2's converter makes of it, and what CTranslate2 translates with it."""
    folder = FIXTURES / "marian"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    special = {"eos_id": 0, "unk_id": 1, "bos_id": -1, "pad_id": -1}
    processor = sentencepiece_model(folder / "vocab.spm", SENTENCES + TARGETS, 60, **special)
    vocabulary = pieces(processor)
    weights = marian_weights(len(vocabulary), MARIAN, 3)
    marian_npz(folder / "model.npz", weights, MARIAN)
    marian_expected(folder, processor, weights, MARIAN)
    # The converter reads a vocabulary of Marian's older kind.
    listed = folder / "vocab.yml"
    listed.write_text("".join(f"{json.dumps(piece)}: {number}\n" for number, piece in enumerate(vocabulary)))
    converter = ctranslate2.converters.MarianConverter(str(folder / "model.npz"), [str(listed), str(listed)])
    for quantization in ("float32", "float16", "int16", "int8"):
        spec = converter._load()
        for side in (spec.encoder, spec.decoder):
            # The table has 2048 rows, which would be most of the file.
            side.position_encodings.encodings = side.position_encodings.encodings[:64]
        spec.validate()
        spec.optimize(quantization)
        output = FIXTURES / ("ctranslate2" if quantization == "float32" else f"ctranslate2_{quantization}")
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir()
        spec.save(str(output))
        shutil.copy(folder / "vocab.spm", output / "sentencepiece.model")
    listed.unlink()
    ctranslate2_expected(FIXTURES / "ctranslate2", processor)


if __name__ == "__main__":
    FIXTURES.mkdir(exist_ok=True)
    containers()
    shared = hugging_face("marian_mt", 6, separate=False, activation_function="swish")
    pytorch_files(shared)
    hugging_face("marian_mt_two_vocabularies", 6, separate=True, activation_function="gelu")
    marian_and_ctranslate2()
    ctranslate2_pre_norm()
    firefox()
