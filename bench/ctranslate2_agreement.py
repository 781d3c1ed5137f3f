#!/usr/bin/env python3
"""The peer of `just bench agree`: finds in CTranslate2 what Attend has found, and prints how the two differ.

    python bench/ctranslate2_agreement.py FOLDER HYPOTHESES NUMBERS --length-penalty 0.6

HYPOTHESES holds a JSON object for each sentence: its line, its source tokens, the most tokens of a hypothesis, and the
hypotheses of Attend's searches by the size of their beam, best first, with their scores. NUMBERS holds the encoder's
output and the logits along the greedy hypothesis of the first sentences, in the format of safetensors. Both searches
normalise by length^alpha and stop by CTranslate2's rule. Needs ctranslate2, numpy and safetensors.
"""

import argparse
import json
import pathlib
import tempfile

import ctranslate2
import numpy
from ctranslate2_model import encoder_specification, specification
from safetensors.numpy import load_file

# Sums of float32 in another order: what one score may differ by from the other.
ROUNDING = 1e-4


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("hypotheses", type=pathlib.Path)
    parser.add_argument("numbers", type=pathlib.Path)
    parser.add_argument("--length-penalty", type=float, required=True)
    options = parser.parse_args()

    sentences = [json.loads(line) for line in options.hypotheses.read_text(encoding="utf-8").splitlines()]
    with tempfile.TemporaryDirectory() as folder:
        translator, encoder = pathlib.Path(folder, "translator"), pathlib.Path(folder, "encoder")
        models = ((translator, specification), (encoder, encoder_specification))
        for path, model in models:
            path.mkdir()
            model(options.folder).save(str(path))
        translator = ctranslate2.Translator(str(translator), "cpu", compute_type="float32", intra_threads=2)
        encoder = ctranslate2.Encoder(str(encoder), "cpu", compute_type="float32", intra_threads=2)
    compare_numbers(sentences, load_file(options.numbers), encoder, translator)
    for beam in (1, 4):
        compare_hypotheses(sentences, beam, options.length_penalty, translator)


def compare_numbers(sentences, numbers, encoder, translator):
    """Prints the largest differences of encoder outputs and logits."""
    encoder_differences, logits_differences = [], []
    count = sum(name.startswith("encoder.") for name in numbers)
    for number, sentence in enumerate(sentences[:count]):
        states = encoder.forward_batch([sentence["source"] + ["</s>"]]).last_hidden_state
        encoder_differences.append(numpy.abs(numpy.asarray(states)[0] - numbers[f"encoder.{number}"]).max())
        tokens, logits = greedy(sentence, translator)
        ours = numbers[f"logits.{number}"]
        # Behind a token that differs, so do the logits: such sentences are counted below.
        steps = min(common_prefix(tokens, sentence["hypotheses"]["1"][0]["tokens"]) + 1, len(logits), len(ours))
        logits_differences.append(numpy.abs(logits[:steps] - ours[:steps]).max())
    for name, differences in (("encoder output", encoder_differences), ("logits", logits_differences)):
        print(f"{name} of {count} sentences: the largest difference is {numpy.max(differences):.1e} (aim: 1e-4)")


def greedy(sentence, translator):
    """The tokens of greedy search, and the logits that each was chosen by, and </s>: `[steps, vocab_size]`."""
    (result,) = translator.translate_batch(
        [sentence["source"]],
        beam_size=1,
        # Else the logits of </s> at the first step are set to nothing.
        min_decoding_length=0,
        max_decoding_length=sentence["max_length"],
        return_logits_vocab=True,
    )
    return result.hypotheses[0], numpy.stack([numpy.asarray(step) for step in result.logits[0]])


def common_prefix(left, right):
    """How many tokens two hypotheses share from the start."""
    same = 0
    while same < min(len(left), len(right)) and left[same] == right[same]:
        same += 1
    return same


def compare_hypotheses(sentences, beam, length_penalty, translator):
    """Prints how many best hypotheses are the same, and for each that is not, how close the two were."""
    different = []
    for sentence in sentences:
        # One at a time, since each has a length of its own.
        (result,) = translator.translate_batch(
            [sentence["source"]],
            beam_size=beam,
            length_penalty=length_penalty,
            max_decoding_length=sentence["max_length"],
        )
        if result.hypotheses[0] != sentence["hypotheses"][str(beam)][0]["tokens"]:
            different.append((sentence, result.hypotheses[0]))
    same = len(sentences) - len(different)
    aim = "100 %" if beam == 1 else "99 %"
    share = 100 * same / len(sentences)
    print(f"beam {beam}: {same} of {len(sentences)} hypotheses are the same, {share:.2f} % (aim: {aim})")
    for sentence, theirs in different:
        ours = sentence["hypotheses"][str(beam)][0]["tokens"]
        print(f"  line {sentence['line']}: {explanation(sentence, ours, theirs, beam, length_penalty, translator)}")
        print(f"    Attend       {' '.join(ours)}")
        print(f"    CTranslate2  {' '.join(theirs)}")


def explanation(sentence, ours, theirs, beam, length_penalty, translator):
    """Why the two may have found different hypotheses, by CTranslate2's own numbers."""
    if beam == 1:
        tokens, logits = greedy(sentence, translator)
        step = common_prefix(tokens, ours)
        second, first = numpy.sort(logits[step])[-2:]
        margin = first - second
        what = f"the logits of the two best tokens where they part are {margin:.1e} apart"
    else:
        scored = translator.score_batch([sentence["source"]] * 2, [ours, theirs])
        # With the log-probability of </s>, which counts.
        scores = [sum(result.log_probs) / len(result.log_probs) ** length_penalty for result in scored]
        margin = abs(scores[0] - scores[1])
        better = "Attend's" if scores[0] > scores[1] else "CTranslate2's"
        what = f"the scores are {scores[0]:.5f} and {scores[1]:.5f}, {better} is better"
    return f"a tie within rounding: {what}" if margin <= ROUNDING else what


if __name__ == "__main__":
    main()
