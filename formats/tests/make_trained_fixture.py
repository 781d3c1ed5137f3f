#!/usr/bin/env python3
"""Trains a tiny MarianMT on the phrasebook with transformers, and writes it with what transformers translates.

    just data phrasebook --output phrasebook-text
    python formats/tests/make_trained_fixture.py phrasebook-text

Writes fixtures/marian_mt_phrasebook. Needs torch, transformers 5, sentencepiece and safetensors. It takes four minutes
on one core. The weights differ from machine to machine, as sums of floats do; what is written agrees with them.
"""

import io
import json
import pathlib
import shutil
import sys

import sentencepiece
import torch
from safetensors.torch import save_file
from torch.nn.utils.rnn import pad_sequence
from transformers import MarianConfig, MarianMTModel, MarianTokenizer

FOLDER = pathlib.Path(__file__).parent / "fixtures" / "marian_mt_phrasebook"

UPDATES = 2400
BATCH = 64
# Sentences of the test set that are translated, and the shortest of them whose numbers are written.
SENTENCES = 50
SENTENCES_WITH_NUMBERS = 3
# Most tokens of a sentence, with the first one of the decoder and </s>.
MAX_LENGTH = 60


def sentencepiece_model(path, lines, size):
    """Trains a SentencePiece model. Without rules of normalisation, which would take 240 KB, the file is small."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=written,
        vocab_size=size,
        normalization_rule_name="identity",
        num_threads=1,
        minloglevel=2,
    )
    path.write_bytes(written.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
    return [processor.id_to_piece(number) for number in range(processor.get_piece_size())]


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False) + "\n", encoding="utf-8")


def tokenizer_of(sources, targets):
    """Writes the files of a tokenizer with a SentencePiece model for each side and one vocabulary."""
    pieces = sentencepiece_model(FOLDER / "source.spm", sources, 240)
    pieces += sentencepiece_model(FOLDER / "target.spm", targets, 300)
    pieces = sorted({piece for piece in pieces if piece[0] != "<"})
    tokens = ["</s>", "<unk>", *pieces, "<pad>"]
    write_json(FOLDER / "vocab.json", {token: number for number, token in enumerate(tokens)})
    write_json(
        FOLDER / "tokenizer_config.json",
        {"source_lang": "en", "target_lang": "de", "tokenizer_class": "MarianTokenizer"},
    )
    return MarianTokenizer.from_pretrained(FOLDER)


def train(model, tokenizer, sources, targets):
    """Trains a model with label smoothing, and a learning rate that rises and then falls to zero."""
    random = torch.Generator().manual_seed(7)
    padding = model.config.pad_token_id
    encoded = tokenizer(sources, text_target=targets)
    pairs = [
        pair for pair in zip(encoded["input_ids"], encoded["labels"]) if max(map(len, pair)) <= MAX_LENGTH
    ]
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.005, UPDATES, pct_start=0.15)
    loss_of = torch.nn.CrossEntropyLoss(ignore_index=-100, label_smoothing=0.1)
    for update in range(UPDATES):
        chosen = [pairs[place] for place in torch.randint(len(pairs), (BATCH,), generator=random)]
        inputs, labels = (pad_sequence([torch.tensor(ids) for ids in side], True, padding) for side in zip(*chosen))
        labels[labels == padding] = -100
        logits = model(inputs, attention_mask=inputs != padding, labels=labels).logits
        loss = loss_of(logits.flatten(0, 1), labels.flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        if update % 100 == 99:
            print(f"update {update + 1}: loss {loss.item():.2f}", flush=True)


def searched(model, tokenizer, sentence, beams):
    """Returns what a search finds: the tokens without the start token and </s>, the text, and the score."""
    found = model.generate(
        **tokenizer([sentence], return_tensors="pt"),
        num_beams=beams,
        do_sample=False,
        max_length=MAX_LENGTH,
        return_dict_in_generate=True,
        output_scores=True,
    )
    ids = found.sequences[0].tolist()
    case = {"ids": ids[1:-1], "text": tokenizer.decode(ids, skip_special_tokens=True)}
    if beams > 1:
        case["score"] = round(found.sequences_scores[0].item(), 6)
    return case


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    text = pathlib.Path(sys.argv[1])

    def read(name):
        return (text / name).read_text(encoding="utf-8").splitlines()

    sources, targets = read("train.en"), read("train.de")
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    torch.manual_seed(5)
    torch.set_num_threads(1)
    tokenizer = tokenizer_of(sources, targets)
    padding = tokenizer.pad_token_id
    config = MarianConfig(
        vocab_size=len(tokenizer),
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        max_position_embeddings=64,
        activation_function="swish",
        scale_embedding=True,
        dropout=0.0,
        init_std=0.1,
        pad_token_id=padding,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        decoder_start_token_id=padding,
        forced_eos_token_id=tokenizer.eos_token_id,
    )
    model = MarianMTModel(config)
    train(model, tokenizer, sources, targets)
    options = model.generation_config
    options.num_beams, options.length_penalty, options.max_length = 4, 1.0, MAX_LENGTH
    options.bad_words_ids, options.renormalize_logits = [[padding]], True
    # The file has halves of the numbers' bits, and transformers and Attend both compute with those numbers in 32 bits.
    model = model.eval().half()
    model.save_pretrained(FOLDER)
    model = MarianMTModel.from_pretrained(FOLDER, dtype=torch.float32).eval()

    cases, numbers = [], {}
    pairs = sorted(zip(read("test.en")[:SENTENCES], read("test.de")), key=lambda pair: sum(map(len, pair)))
    for place, (sentence, translation) in enumerate(pairs):
        with torch.no_grad():
            case = {"source": sentence, "greedy": searched(model, tokenizer, sentence, 1)}
            case["beams"] = {size: searched(model, tokenizer, sentence, size) for size in (4, 6)}
            if place < SENTENCES_WITH_NUMBERS:
                batch = tokenizer([sentence], text_target=[translation], return_tensors="pt")
                case["source_ids"] = batch.input_ids[0].tolist()
                case["target_ids"] = batch.labels[0].tolist()
                inputs = torch.cat([torch.full((1, 1), padding), batch.labels[:, :-1]], dim=1)
                found = model(
                    input_ids=batch.input_ids, attention_mask=batch.attention_mask, decoder_input_ids=inputs
                )
                numbers[f"encoder.{place}"] = found.encoder_last_hidden_state[0].contiguous()
                numbers[f"logits.{place}"] = found.logits[0].contiguous()
        print(f"{sentence}\n    {case['greedy']['text']}\n    {case['beams'][4]['text']}")
        cases.append(case)
    write_json(FOLDER / "expected.json", cases)
    save_file(numbers, FOLDER / "expected.safetensors")


if __name__ == "__main__":
    main()
