"""The network of the PyTorch peers: Attend's network, with one embedding for source, target and output."""

import math

import torch
import torch.nn.functional as F
from torch import nn


class Attention(nn.Module):
    """Multi-head attention by PyTorch's fused kernel, with one projection for keys and values together."""

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
    """An encoder layer, or a decoder layer if `cross` is true. Norms stand before sublayers if `norm` is "pre", behind
    them if it is "post"."""

    def __init__(self, d_model, d_ff, heads, dropout, norm, cross):
        super().__init__()
        self.self_attention = Attention(d_model, heads)
        self.cross_attention = Attention(d_model, heads) if cross else None
        self.inner, self.outer = nn.Linear(d_model, d_ff), nn.Linear(d_ff, d_model)
        self.norms = nn.ModuleList(nn.LayerNorm(d_model) for _ in range(3 if cross else 2))
        self.dropout = nn.Dropout(dropout)
        self.is_pre_norm = norm == "pre"

    def add_norm(self, norm, x, sublayer):
        if self.is_pre_norm:
            return x + self.dropout(sublayer(norm(x)))
        return norm(x + self.dropout(sublayer(x)))

    def forward(self, x, visible=None, causal=False, memory=None, memory_visible=None):
        x = self.add_norm(self.norms[0], x, lambda x: self.self_attention(x, x, visible, causal))
        if self.cross_attention is not None:
            x = self.add_norm(self.norms[1], x, lambda x: self.cross_attention(x, memory, memory_visible))
        return self.add_norm(self.norms[-1], x, lambda x: self.outer(F.relu(self.inner(x))))


class Transformer(nn.Module):
    """Computes the logits `[batch, target, vocab_size]` of the token ids `source` `[batch, source]` and `target`
    `[batch, target]`."""

    def __init__(self, vocab_size, d_model, d_ff, heads, layers, dropout, norm="post", pad_id=0, max_length=256):
        super().__init__()
        self.pad_id = pad_id
        self.embedding = nn.Embedding(vocab_size, d_model, padding_idx=pad_id)
        nn.init.normal_(self.embedding.weight, std=d_model**-0.5)
        nn.init.zeros_(self.embedding.weight[pad_id])
        sizes = d_model, d_ff, heads, dropout, norm
        self.encoder = nn.ModuleList(Layer(*sizes, cross=False) for _ in range(layers))
        self.decoder = nn.ModuleList(Layer(*sizes, cross=True) for _ in range(layers))
        for linear in self.modules():
            if isinstance(linear, nn.Linear):
                nn.init.xavier_uniform_(linear.weight)
                nn.init.zeros_(linear.bias)
        last_norm = (lambda: nn.LayerNorm(d_model)) if norm == "pre" else nn.Identity
        self.encoder_norm, self.decoder_norm = last_norm(), last_norm()
        self.dropout = nn.Dropout(dropout)
        angle = torch.arange(max_length)[:, None] / 10000 ** (torch.arange(0, d_model, 2) / d_model)
        self.register_buffer("positions", torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1))

    def embed(self, ids):
        x = self.embedding(ids) * math.sqrt(self.embedding.embedding_dim)
        return self.dropout(x + self.positions[: ids.shape[1]])

    def encode(self, source):
        visible = (source != self.pad_id)[:, None, None, :]
        x = self.embed(source)
        for layer in self.encoder:
            x = layer(x, visible)
        return self.encoder_norm(x), visible

    def decode(self, target, memory, memory_visible, positions=slice(None)):
        """Returns the logits at the given positions of the target."""
        x = self.embed(target)
        for layer in self.decoder:
            x = layer(x, causal=True, memory=memory, memory_visible=memory_visible)
        return F.linear(self.decoder_norm(x[:, positions]), self.embedding.weight)

    def forward(self, source, target):
        return self.decode(target, *self.encode(source))


def padded(rows, pad_id=0):
    """Returns rows of token ids as one tensor, with `pad_id` behind shorter rows."""
    width = max(map(len, rows))
    return torch.tensor([row + [pad_id] * (width - len(row)) for row in rows])
