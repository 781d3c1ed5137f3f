#!/usr/bin/env python3
"""The peer of `just bench decode`: the same model and text in CTranslate2.

    python bench/ctranslate2_decode.py MODEL TEXT --beam 4 --batch 32 --workers 2 --threads 1 --dtype int8 [--length 25]

MODEL is what `ctranslate2_model.py` wrote. TEXT holds a sentence of tokens a line, with a space between them. Prints one JSON object: target tokens a second
over the whole text, after one batch to warm up, and the process's peak memory in bytes. Needs ctranslate2.
"""

import argparse
import json
import resource
import time

import ctranslate2


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("text")
    parser.add_argument("--beam", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--length", type=int, help="of every translation, in tokens")
    parser.add_argument("--dtype", choices=["float32", "int8"], required=True)
    options = parser.parse_args()

    with open(options.text, encoding="utf-8") as file:
        sentences = [line.split() for line in file]
    translator = ctranslate2.Translator(
        options.model,
        "cpu",
        compute_type=options.dtype,
        inter_threads=options.workers,
        intra_threads=options.threads,
    )
    settings = {"beam_size": options.beam, "length_penalty": 0, "max_batch_size": options.batch}
    if options.length is not None:
        settings |= {"min_decoding_length": options.length, "max_decoding_length": options.length}
    translator.translate_batch(sentences[: options.batch], **settings)
    start = time.perf_counter()
    results = translator.translate_batch(sentences, **settings)
    seconds = time.perf_counter() - start
    tokens = sum(len(result.hypotheses[0]) for result in results)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"tokens_per_second": tokens / seconds, "peak_bytes": peak}))


if __name__ == "__main__":
    main()
