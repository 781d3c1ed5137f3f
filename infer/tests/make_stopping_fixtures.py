"""Writes fixtures/transformers_stopping.json: what beam search of Hugging Face's transformers finds in toy languages.

Needs torch and transformers. The languages are those of `stopping.rs`, which draws the same tables."""

import json
from pathlib import Path

import torch
from transformers import MarianConfig, MarianMTModel
from transformers.modeling_outputs import Seq2SeqLMOutput

BOS, PAD, EOS, VOCAB_SIZE, MAX_STEPS = 0, 1, 2, 6, 17


def language(seed: int, ending: float) -> torch.Tensor:
    """Log-probabilities [position, token before the last, last token, next token]."""
    state, rows = seed, []
    for _ in range(MAX_STEPS * VOCAB_SIZE * VOCAB_SIZE):
        weights = []
        for _ in range(VOCAB_SIZE):
            state = (state * 1_103_515_245 + 12_345) % 2**31
            weights.append((state / 2**31) ** 2 + 0.01)
        weights[EOS] *= ending
        rows.append([weight / sum(weights) for weight in weights])
    table = torch.tensor(rows, dtype=torch.float64).log().float()
    return table.reshape(MAX_STEPS, VOCAB_SIZE, VOCAB_SIZE, VOCAB_SIZE)


class Toy(MarianMTModel):
    """A model whose logits come from a table."""

    table: torch.Tensor

    def forward(self, decoder_input_ids=None, **_):
        words = decoder_input_ids[:, 1:]
        padded = torch.cat([torch.full((len(words), 2), BOS), words], 1)
        logits = self.table[words.shape[1], padded[:, -2], padded[:, -1]]
        return Seq2SeqLMOutput(logits=logits[:, None])


def main() -> None:
    config = MarianConfig(
        vocab_size=VOCAB_SIZE, d_model=4, encoder_layers=1, decoder_layers=1, encoder_attention_heads=1,
        decoder_attention_heads=1, encoder_ffn_dim=4, decoder_ffn_dim=4, pad_token_id=PAD, eos_token_id=EOS,
        decoder_start_token_id=BOS, forced_eos_token_id=EOS,
    )
    model = Toy(config).eval()
    cases = []
    for seed in range(1, 41):
        ending = [0.2, 1.0][seed % 2]
        model.table = language(seed, ending)
        for beam_size, nbest, alpha, early in [
            (2, 1, 1.0, False), (3, 2, 0.0, False), (4, 4, 1.0, False), (4, 2, 0.6, True), (6, 1, 1.0, True),
        ]:
            max_length = 4 + seed % 9
            found = model.generate(
                input_ids=torch.tensor([[3, EOS]]), num_beams=beam_size, num_return_sequences=nbest,
                length_penalty=alpha, early_stopping=early, max_length=max_length + 2, bad_words_ids=[[PAD], [BOS]],
                use_cache=False, do_sample=False, return_dict_in_generate=True, output_scores=True,
            )
            cases.append({
                "seed": seed, "ending": ending, "beam_size": beam_size, "nbest": nbest, "length_penalty": alpha,
                "early_stopping": early, "max_length": max_length,
                "tokens": [
                    [token for token in row.tolist()[1:] if token not in (EOS, PAD)] for row in found.sequences
                ],
                "scores": [round(score, 6) for score in found.sequences_scores.tolist()],
            })
    path = Path(__file__).parent / "fixtures" / "transformers_stopping.json"
    path.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


if __name__ == "__main__":
    main()
