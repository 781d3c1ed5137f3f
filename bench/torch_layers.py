#!/usr/bin/env python3
r"""The peer of `just bench layers`: measures a forward and a backward pass of a layer in PyTorch.

    python bench/torch_layers.py LAYER LENGTH WIDTH WINDOW THREADS

LAYER is self-attention, restricted, recurrent or convolution. Each of THREADS sequences has LENGTH positions of WIDTH
numbers. Attention has heads of 64 numbers and no projections. Prints one JSON object with the medians of the seconds,
`forward` and `backward`, and with `bytes`, by which the layer raised the peak memory of the process. Needs torch.
"""

import json
import resource
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

D_HEAD, CONVOLUTION_WIDTH, SECONDS = 64, 3, 1.0


def built(layer, length, width, window):
    """Returns the number of inputs of a layer, and the layer."""

    def attention(mask):
        def heads(x):
            return x.unflatten(2, (width // D_HEAD, D_HEAD)).transpose(1, 2)

        def attend(query, key, value):
            attended = F.scaled_dot_product_attention(heads(query), heads(key), heads(value), attn_mask=mask)
            return attended.transpose(1, 2).flatten(2)

        return attend

    if layer == "self-attention":
        return 3, attention(None)
    if layer == "restricted":
        position = torch.arange(length)
        return 3, attention((position[:, None] - position[None]).abs() <= window)
    if layer == "recurrent":
        units = nn.GRU(width, width // 2, batch_first=True, bidirectional=True)
        return 1, lambda x: units(x)[0]
    convolution = nn.Conv1d(width, width, CONVOLUTION_WIDTH, padding="same")
    return 1, lambda x: convolution(x.transpose(1, 2)).transpose(1, 2)


def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main():
    layer, *numbers = sys.argv[1:]
    length, width, window, threads = map(int, numbers)
    torch.manual_seed(1)
    torch.set_num_threads(threads)
    count, layer = built(layer, length, width, window)
    before = peak_bytes()
    forward, backward, start = [], [], time.perf_counter()
    while not forward or time.perf_counter() - start < SECONDS:
        inputs = [torch.rand(threads, length, width, requires_grad=True) for _ in range(count)]
        begin = time.perf_counter()
        output = layer(*inputs)
        middle = time.perf_counter()
        output.sum().backward()
        forward.append(middle - begin)
        backward.append(time.perf_counter() - middle)
    measured = {"forward": statistics.median(forward), "backward": statistics.median(backward)}
    print(json.dumps(measured | {"bytes": peak_bytes() - before}))


if __name__ == "__main__":
    main()
