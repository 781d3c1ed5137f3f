#!/usr/bin/env python3
r"""The peer of `just bench decode`: translates with CTranslate2 the text that Attend translates with the same model.

    python bench/ctranslate2_decode.py MODEL TEXT --beam 4 --batch 32 --workers 2 --threads 1 --dtype int8 \
        --min-length 1 --max-length 255 --started $(date +%s) [--device cuda]

MODEL is an export for CTranslate2. TEXT holds one sentence a line, with spaces between its tokens.
Prints one JSON object:

- `tokens_per_second`: target tokens a second over the whole text, after one batch to warm up;
- `peak_bytes`: the peak memory of the process, or 0 on a GPU, whose memory CTranslate2 does not report;
- `start_seconds`: the seconds from the start of the program to its first translation;
- `sentence_seconds`: the seconds that each sentence took, if --batch and --workers are 1, else none.

Needs ctranslate2.
"""

import argparse
import json
import resource
import time

import ctranslate2

# How many tokens a hypothesis may have beyond those of its source (section 6.1 of the paper).
EXTRA_LENGTH = 50


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("text")
    parser.add_argument("--beam", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--min-length", type=int, required=True, help="fewest tokens of a translation")
    parser.add_argument("--max-length", type=int, required=True, help="most tokens of a translation")
    parser.add_argument("--started", type=float, required=True, help="seconds from 1970 to the start of the program")
    parser.add_argument("--dtype", choices=["float32", "bfloat16", "float16", "int8"], required=True)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    options = parser.parse_args()

    with open(options.text, encoding="utf-8") as file:
        sentences = [line.split() for line in file]
    translator = ctranslate2.Translator(
        options.model,
        options.device,
        compute_type=options.dtype,
        inter_threads=options.workers,
        intra_threads=options.threads,
    )

    def translate(sentences):
        return translator.translate_batch(
            sentences,
            beam_size=options.beam,
            length_penalty=0,
            max_batch_size=options.batch,
            min_decoding_length=options.min_length,
            # A call has one limit for all of its sentences, so it is that of the longest.
            max_decoding_length=min(max(map(len, sentences)) + EXTRA_LENGTH, options.max_length),
        )

    translate(sentences[:1])
    start_seconds = time.time() - options.started
    translate(sentences[: options.batch])

    sentence_seconds = []
    start = time.perf_counter()
    if options.batch * options.workers == 1:
        results = []
        for sentence in sentences:
            sentence_start = time.perf_counter()
            results += translate([sentence])
            sentence_seconds.append(time.perf_counter() - sentence_start)
    else:
        results = translate(sentences)
    seconds = time.perf_counter() - start
    on_gpu = options.device != "cpu"
    measurement = {
        "tokens_per_second": sum(len(result.hypotheses[0]) for result in results) / seconds,
        "peak_bytes": 0 if on_gpu else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "start_seconds": start_seconds,
        "sentence_seconds": sentence_seconds,
    }
    print(json.dumps(measurement))


if __name__ == "__main__":
    main()
