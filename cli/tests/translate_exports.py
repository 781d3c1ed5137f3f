#!/usr/bin/env python3
"""Translates text with exports of Attend, each in the toolkit that it is for: transformers or CTranslate2.

    python cli/tests/translate_exports.py TEXT FOLDER...

TEXT holds a sentence a line. Prints a JSON object for each folder, in a line of its own: the name of the model's class,
and for each size of the beam the translations of the sentences, each with its score if there is a beam. Needs torch,
transformers 5, sentencepiece, tokenizers and ctranslate2.
"""

import json
import pathlib
import sys

import ctranslate2
import sentencepiece
import tokenizers
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

BEAMS = (1, 4)
# Most tokens of a translation, without </s>.
MAX_LENGTH = 40


def with_transformers(folder):
    """Opens a folder of the format `marian-hf`. Returns the name of the class, and a function that translates."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model, loading = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    wrong = {kind: names for kind, names in loading.items() if names}
    if wrong:
        sys.exit(f"{folder}: weights do not fit: {wrong}")
    model.eval()

    def translation(sentence, beam):
        found = model.generate(
            **tokenizer([sentence], return_tensors="pt", return_token_type_ids=False),
            num_beams=beam,
            length_penalty=1.0,
            early_stopping=False,
            do_sample=False,
            # This counts the first token of the decoder and </s>.
            max_length=MAX_LENGTH + 2,
            return_dict_in_generate=True,
            output_scores=True,
        )
        score = found.sequences_scores[0].item() if beam > 1 else None
        return {"text": tokenizer.decode(found.sequences[0], skip_special_tokens=True), "score": score}

    return type(model).__name__, translation


def with_ctranslate2(folder):
    """Opens a folder of the format `ctranslate2`. Returns the name of the class, and a function that translates."""
    translator = ctranslate2.Translator(str(folder), "cpu", compute_type="float32", intra_threads=1)
    if (folder / "tokenizer.json").is_file():
        tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))

        def tokens(sentence):
            return tokenizer.encode(sentence, add_special_tokens=False).tokens

        def text(tokens):
            return tokenizer.decode([tokenizer.token_to_id(token) for token in tokens])

    else:
        source, target = (
            sentencepiece.SentencePieceProcessor(model_file=str(folder / name)) for name in ("source.spm", "target.spm")
        )

        def tokens(sentence):
            return source.encode(sentence, out_type=str)

        def text(tokens):
            return target.decode(tokens)

    def translation(sentence, beam):
        (found,) = translator.translate_batch(
            [tokens(sentence)],
            beam_size=beam,
            length_penalty=1,
            min_decoding_length=0,
            max_decoding_length=MAX_LENGTH,
            return_scores=True,
        )
        return {"text": text(found.hypotheses[0]), "score": found.scores[0] if beam > 1 else None}

    return "Translator", translation


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    torch.set_num_threads(1)
    sentences = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    for folder in map(pathlib.Path, sys.argv[2:]):
        toolkit = with_ctranslate2 if (folder / "model.bin").is_file() else with_transformers
        name, translation = toolkit(folder)
        with torch.no_grad():
            beams = {beam: [translation(sentence, beam) for sentence in sentences] for beam in BEAMS}
        print(json.dumps({"class": name, "beams": beams}), flush=True)


if __name__ == "__main__":
    main()
