#!/usr/bin/env python3
"""The peer of `just bench train`: the same network in PyTorch, timed on the same batches.

    python bench/torch_train.py BATCHES.json --d-model 128 --d-ff 256 --heads 4 --layers 4 --threads 2 [--bf16]

BATCHES.json is what `bench` writes: the size of the vocabulary, and batches of token ids. Prints one JSON object: the median
target tokens a second over the updates after the first three, and the process's peak memory in bytes. Needs torch.
"""

import argparse
import json
import math
import resource
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn

PAD, BOS = 0, 1


class Attention(nn.Module):
    """Multi-head attention with one projection for keys and values, by PyTorch's fused kernel."""

    def __init__(self, d_model, heads):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(d_model, d_model)
        self.key_value = nn.Linear(d_model, 2 * d_model)
        self.output = nn.Linear(d_model, d_model)

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, x, memory, visible=None, causal=False):
        key, value = map(self.split, self.key_value(memory).chunk(2, dim=-1))
        attended = F.scaled_dot_product_attention(
            self.split(self.query(x)), key, value, attn_mask=visible, is_causal=causal
        )
        return self.output(attended.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """An encoder layer, or a decoder layer where `cross`; post-norm."""

    def __init__(self, d_model, d_ff, heads, dropout, cross):
        super().__init__()
        self.self_attention = Attention(d_model, heads)
        self.cross_attention = Attention(d_model, heads) if cross else None
        self.inner, self.outer = nn.Linear(d_model, d_ff), nn.Linear(d_ff, d_model)
        self.norms = nn.ModuleList(nn.LayerNorm(d_model) for _ in range(3 if cross else 2))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, visible=None, causal=False, memory=None, memory_visible=None):
        x = self.norms[0](x + self.dropout(self.self_attention(x, x, visible, causal)))
        if self.cross_attention is not None:
            x = self.norms[1](x + self.dropout(self.cross_attention(x, memory, memory_visible)))
        return self.norms[-1](x + self.dropout(self.outer(F.relu(self.inner(x)))))


class Transformer(nn.Module):
    """The network with one embedding for source, target and output."""

    def __init__(self, vocab_size, options):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, options.d_model, padding_idx=PAD)
        nn.init.normal_(self.embedding.weight, std=options.d_model**-0.5)
        sizes = options.d_model, options.d_ff, options.heads, options.dropout
        self.encoder = nn.ModuleList(Layer(*sizes, cross=False) for _ in range(options.layers))
        self.decoder = nn.ModuleList(Layer(*sizes, cross=True) for _ in range(options.layers))
        self.dropout = nn.Dropout(options.dropout)
        angle = torch.arange(256)[:, None] / 10000 ** (torch.arange(0, options.d_model, 2) / options.d_model)
        self.register_buffer("positions", torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1))

    def embed(self, ids):
        x = self.embedding(ids) * math.sqrt(self.embedding.embedding_dim)
        return self.dropout(x + self.positions[: ids.shape[1]])

    def forward(self, source, target):
        visible = (source != PAD)[:, None, None, :]
        memory = self.embed(source)
        for layer in self.encoder:
            memory = layer(memory, visible)
        x = self.embed(target)
        for layer in self.decoder:
            x = layer(x, causal=True, memory=memory, memory_visible=visible)
        return F.linear(x, self.embedding.weight)


def padded(rows):
    width = max(map(len, rows))
    return torch.tensor([row + [PAD] * (width - len(row)) for row in rows])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("batches")
    parser.add_argument("--d-model", type=int, required=True)
    parser.add_argument("--d-ff", type=int, required=True)
    parser.add_argument("--heads", type=int, required=True)
    parser.add_argument("--layers", type=int, required=True)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bf16", action="store_true", help="bfloat16 autocast")
    options = parser.parse_args()

    torch.manual_seed(1)
    torch.set_num_threads(options.threads)
    with open(options.batches, encoding="utf-8") as file:
        work = json.load(file)
    model = Transformer(work["vocab_size"], options)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.98), eps=1e-9)
    rates = []
    for batch in work["batches"]:
        start = time.perf_counter()
        source, output = padded(batch["source"]), padded(batch["target"])
        begin = torch.full((len(output), 1), BOS)
        with torch.autocast("cpu", torch.bfloat16, enabled=options.bf16):
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
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"tokens_per_second": statistics.median(rates[3:]), "peak_bytes": peak}))


if __name__ == "__main__":
    main()
