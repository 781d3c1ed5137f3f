#!/usr/bin/env python3
r"""The peer of `just bench firefox`: translates with fxtranslate the text that Attend translates with the same model.

    python bench/fxtranslate_decode.py MODEL TEXT --threads 2 --started $(date +%s) [--all-tokens]

MODEL is the folder of a Firefox model: model.*.bin, vocab.*.spm or srcvocab.*.spm and trgvocab.*.spm, and lex.*.bin.
TEXT has one sentence a line. fxtranslate computes on one thread, so each further thread is a process with the model and
an equal share of the lines. Prints one JSON object:

- `seconds`: how long all lines took;
- `start_seconds`: the seconds from the start of the program to its first translation;
- `peak_bytes`: the peak memory of all processes together;
- `translations`: the translation of each line.

Needs fxtranslate.
"""

import argparse
import json
import multiprocessing
import pathlib
import resource
import time

import fxtranslate


def load(folder, all_tokens):
    def read(pattern):
        (path,) = folder.glob(pattern)
        return path.read_bytes()

    if list(folder.glob("vocab.*.spm")):
        pieces = [read("vocab.*.spm")] * 2
    else:
        pieces = [read("srcvocab.*.spm"), read("trgvocab.*.spm")]
    return fxtranslate.Translator(read("model.*.bin"), *pieces, None if all_tokens else read("lex.*.bin"))


def translate(options, lines, together):
    """Returns when this process began and ended to translate its lines, its peak memory, and the translations."""
    translator = load(options.model, options.all_tokens)
    translator.translate(lines[0])
    first = time.time()
    together.wait()
    start = time.time()
    translations = [translator.translate(line) for line in lines]
    end = time.time()
    return first, start, end, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, translations


def work(options, lines, together, results, place):
    results.put((place, translate(options, lines, together)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("text")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--all-tokens", action="store_true", help="do without the shortlist")
    parser.add_argument("--started", type=float, required=True, help="seconds from 1970 to the start of the program")
    options = parser.parse_args()

    with open(options.text, encoding="utf-8") as file:
        lines = [line.rstrip("\n") for line in file]
    together = multiprocessing.Barrier(options.threads)
    results = multiprocessing.Queue()
    # Every process takes each n-th line, so that all have equally long ones.
    shares = [lines[place :: options.threads] for place in range(options.threads)]
    others = [
        multiprocessing.Process(target=work, args=(options, share, together, results, place))
        for place, share in enumerate(shares)
        if place > 0
    ]
    for process in others:
        process.start()
    of_shares = {0: translate(options, shares[0], together)}
    of_shares.update(results.get() for _ in others)
    for process in others:
        process.join()

    firsts, starts, ends, peaks, _ = zip(*of_shares.values())
    translations = [None] * len(lines)
    for place, (*_, of_share) in of_shares.items():
        translations[place :: options.threads] = of_share
    measurement = {
        "seconds": max(ends) - min(starts),
        "start_seconds": min(firsts) - options.started,
        "peak_bytes": sum(peaks),
        "translations": translations,
    }
    print(json.dumps(measurement))


if __name__ == "__main__":
    main()
