#!/usr/bin/env python3
r"""The peer of `just bench train`: trains the same network in PyTorch on the same batches and measures its speed.

    python bench/torch_train.py BATCHES.json --d-model 128 --d-ff 256 --heads 4 --layers 4 --threads 2 \
        [--device cuda] [--bf16] [--compile]

BATCHES.json is a file that `bench` writes, with the size of the vocabulary and batches of token ids. Prints one JSON
object: `tokens_per_second` is the median of target tokens a second over the updates after the first three, and
`peak_bytes` is the peak memory of the process or, on a GPU, the memory that it holds there. Needs torch.
"""

import argparse
import json
import resource
import statistics
import time

import torch
import torch.nn.functional as F
from torch_transformer import Transformer, padded

PAD, BOS = 0, 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("batches")
    parser.add_argument("--d-model", type=int, required=True)
    parser.add_argument("--d-ff", type=int, required=True)
    parser.add_argument("--heads", type=int, required=True)
    parser.add_argument("--layers", type=int, required=True)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps")
    parser.add_argument("--bf16", action="store_true", help="compute in bfloat16 autocast")
    parser.add_argument("--compile", action="store_true", help="compile the network by torch.compile")
    options = parser.parse_args()

    torch.manual_seed(1)
    torch.set_num_threads(options.threads)
    with open(options.batches, encoding="utf-8") as file:
        work = json.load(file)
    model = Transformer(
        work["vocab_size"], options.d_model, options.d_ff, options.heads, options.layers, options.dropout
    ).to(options.device)
    if options.compile:
        # Batches differ in their lengths.
        model.compile(dynamic=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.98), eps=1e-9)
    rates = []
    for batch in work["batches"]:
        start = time.perf_counter()
        source, output = (padded(batch[side]).to(options.device) for side in ("source", "target"))
        begin = torch.full((len(output), 1), BOS, device=options.device)
        with torch.autocast(options.device, torch.bfloat16, enabled=options.bf16):
            logits = model(source, torch.cat([begin, output[:, :-1]], dim=1))
        loss = F.cross_entropy(
            logits.float().flatten(0, 1), output.flatten(), ignore_index=PAD, label_smoothing=0.1
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()
        tokens = sum(map(len, batch["target"]))
        rates.append(tokens / (time.perf_counter() - start))
    if options.device == "cuda":
        peak = torch.cuda.max_memory_reserved()
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"tokens_per_second": statistics.median(rates[3:]), "peak_bytes": peak}))


if __name__ == "__main__":
    main()
