#!/usr/bin/env python3
"""The peer of `just bench agree`: repeats with CTranslate2 what Attend has computed, and prints how the two differ.

    python bench/ctranslate2_agreement.py FOLDER HYPOTHESES NUMBERS EXPORT --length-penalty 0.6

FOLDER is a model folder, and EXPORT the folder that it was exported to for CTranslate2. HYPOTHESES holds a JSON object
for each sentence: the number of its line, its source tokens, the most tokens that a hypothesis may have, and the
hypotheses of Attend's searches by the size of their beam, the best first, with their scores. NUMBERS holds the encoder
outputs of the first sentences and the logits along their greedy hypotheses, in the format of safetensors. Attend and
CTranslate2 both divide scores by length^alpha and stop by CTranslate2's rule. Needs ctranslate2, numpy and safetensors.
"""

import argparse
import json
import pathlib
import tempfile

import ctranslate2
import numpy
from ctranslate2_encoder import encoder_specification
from safetensors.numpy import load_file

# How much two scores may differ because float32 numbers are added up in another order.
ROUNDING = 1e-4


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("hypotheses", type=pathlib.Path)
    parser.add_argument("numbers", type=pathlib.Path)
    parser.add_argument("export", type=pathlib.Path)
    parser.add_argument("--length-penalty", type=float, required=True)
    options = parser.parse_args()

    sentences = [json.loads(line) for line in options.hypotheses.read_text(encoding="utf-8").splitlines()]
    with tempfile.TemporaryDirectory() as folder:
        encoder_specification(options.folder).save(folder)
        encoder = ctranslate2.Encoder(folder, "cpu", compute_type="float32", intra_threads=2)
    translator = ctranslate2.Translator(str(options.export), "cpu", compute_type="float32", intra_threads=2)
    compare_numbers(sentences, load_file(options.numbers), encoder, translator)
    for beam in (1, 4):
        compare_hypotheses(sentences, beam, options.length_penalty, translator)


def compare_numbers(sentences, numbers, encoder, translator):
    """Prints the largest differences between the encoder outputs, and between the logits, of both sides."""
    encoder_differences, logits_differences = [], []
    count = sum(name.startswith("encoder.") for name in numbers)
    for number, sentence in enumerate(sentences[:count]):
        states = encoder.forward_batch([sentence["source"] + ["</s>"]]).last_hidden_state
        encoder_differences.append(numpy.abs(numpy.asarray(states)[0] - numbers[f"encoder.{number}"]).max())
        tokens, logits = greedy(sentence, translator)
        ours = numbers[f"logits.{number}"]
        # Logits are compared up to the first token that differs. `compare_hypotheses` counts such sentences.
        steps = min(common_prefix(tokens, sentence["hypotheses"]["1"][0]["tokens"]) + 1, len(logits), len(ours))
        logits_differences.append(numpy.abs(logits[:steps] - ours[:steps]).max())
    for name, differences in (("encoder output", encoder_differences), ("logits", logits_differences)):
        print(f"{name} of {count} sentences: the largest difference is {numpy.max(differences):.1e} (aim: 1e-4)")


def greedy(sentence, translator):
    """Returns the tokens of greedy search, and the logits `[steps, vocab_size]` that chose each of them and </s>."""
    (result,) = translator.translate_batch(
        [sentence["source"]],
        beam_size=1,
        # With a minimum of 1, CTranslate2 would overwrite the logit of </s> at the first step.
        min_decoding_length=0,
        max_decoding_length=sentence["max_length"],
        return_logits_vocab=True,
    )
    return result.hypotheses[0], numpy.stack([numpy.asarray(step) for step in result.logits[0]])


def common_prefix(left, right):
    """Returns how many tokens two hypotheses share from the start."""
    same = 0
    while same < min(len(left), len(right)) and left[same] == right[same]:
        same += 1
    return same


def compare_hypotheses(sentences, beam, length_penalty, translator):
    """Prints for how many sentences both best hypotheses agree, and how close the two are where they do not."""
    different = []
    for sentence in sentences:
        # Sentences are translated one at a time, since each has a maximum length of its own.
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
    """Returns why both sides may have chosen different hypotheses, by the numbers of CTranslate2."""
    if beam == 1:
        tokens, logits = greedy(sentence, translator)
        step = common_prefix(tokens, ours)
        second, first = numpy.sort(logits[step])[-2:]
        margin = first - second
        what = f"the logits of the two best tokens where they part are {margin:.1e} apart"
    else:
        scored = translator.score_batch([sentence["source"]] * 2, [ours, theirs])
        # The scores count the log-probability of </s> and its place in the length.
        scores = [sum(result.log_probs) / len(result.log_probs) ** length_penalty for result in scored]
        margin = abs(scores[0] - scores[1])
        better = "Attend's" if scores[0] > scores[1] else "CTranslate2's"
        what = f"the scores are {scores[0]:.5f} and {scores[1]:.5f}, {better} is better"
    return f"a tie within rounding: {what}" if margin <= ROUNDING else what


if __name__ == "__main__":
    main()
