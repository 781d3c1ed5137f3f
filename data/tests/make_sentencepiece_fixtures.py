"""Writes fixtures/sentencepiece.tar.xz: small SentencePiece models, and the pieces that sentencepiece cuts texts into.

The rules of normalisation take 240 KB in each model, but once for all in the archive.

`marian.json` there is a vocabulary for two of the models, and the ids that MarianTokenizer gives by it.

Needs sentencepiece 0.2.3 and transformers 5.24 (`pip install sentencepiece transformers`). Every run gives the same files:

    python data/tests/make_sentencepiece_fixtures.py
"""

import io
import json
import lzma
import tarfile
import tempfile
import warnings
from pathlib import Path

import sentencepiece
from transformers import MarianTokenizer

OUTPUT = Path(__file__).parent / "fixtures" / "sentencepiece.tar.xz"

# The sentences are made of these parts, each of which follows each.
SUBJECTS = ["The miller", "A tired nurse", "Der Müller", "Eine müde Krankenschwester", "Le meunier", "日本の庭師", "ฉัน"]
VERBS = ["mends", "does not mend", "flickt", "répare", "を直す", "ซ่อม", "carries", "trägt"]
OBJECTS = [
    "the small office.",
    "an old fish-trap, isn't it?",
    "das kleine Büro!",
    "l'échelle du café …",
    "古い網を。",
    "３ fish & ½ loaf",
    "1,250.75 kg <sep> 40%",
    "Straße, Fußweg; Größe",
    "한국어 문장",
]

TEXTS = [
    "",
    " ",
    "a",
    "The miller mends the old office.",
    "  two  spaces,   three\tand a tab\u00a0and \u3000 more  ",
    " \t\n ",
    "Der Müller trägt die Straße",
    # Composed, decomposed, and with marks in another order or too many.
    "Mu\u0308ller, cafe\u0301, e\u0323\u0301 \u0301e\u0301\u0323 u\u0308\u0304",
    "a" + "\u0301" * 40,
    "\u0308 \u0308u",
    # Jamo: a whole syllable, one without its end, single ones.
    "한국어 \u1112\u1161\u11ab\u1100\u116e\u11a8 \u1112\u1161 \u1161\u11ab \u1112",
    "👩\u200d👩\u200d👧\u200d👦 🏳\ufe0f\u200d🌈 🇩🇪 1\ufe0f\u20e3 ❤\ufe0f",
    "\x00a\x00b \x00 c\x00\x00<sep>\x00The",
    "\x01\x02a\x1f\x7f\x80\x9fb\u200b\u200c\u200d\u2060c\ufeffd\u00ade",
    "ﬁsh oﬃce ﬀ ﬆ ĳ ǆ ŉ ﷺ",
    "ＦＵＬＬ　ｗｉｄｔｈ ３５％ ｶﾞｷﾞ ﾊﾟ ￥",
    "½ ¾ ² x³ ₂ ① ㍿ ㎏ ™ … ‥ ℃ Ⅷ",
    "</s> <s> <unk> <pad> </s></s> <0xE4> <0x0A>",
    "▁ ▁▁ a▁b ▁The ▁",
    "<sep> a<sep>b <sep><sep> <se p> <sep <SEP> ＜sep＞ <sep>The<sep>",
    "ΑΒΓ ΣΊΣΥΦΟΣ İstanbul ẞ ſ Ǆ",
    "日本の庭師を直す 古い 漢字 ｱ",
    "กำ ก\u0e33 นำ้ ซ่อม",
    "पढ़ना क्\u200dष क्\u200cष \u0958 \u0915\u093c",
    "\ufffd \ufffd\ufffd a\ufffdb",
    "\u2028a\u2029b\u0085c\u1680d\u2000e\u202ff\u205fg",
    "\U0010ffff \ue000 \U000e0001 \U0001f600",
    "ççç ţ ť Ŵ ñ ø æ Œ þ ð",
    "unknownunknown ωωω ЖЖЖ ωЖ a ω Ж b ωa",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "The<sep>miller mends<sep> the <sep>office",
    "“quotes” ‘single’ «guillemets» — – ‑ ~ ～ ・",
    "\u212b \u00c5 A\u030a \u1e9b\u0323 \u017f\u0323\u0307",
    "a\u0300\u0301\u0302\u0303\u0304 o\u0308\u0301\u0300",
]


def sentences():
    for subject in SUBJECTS:
        for verb in VERBS:
            for thing in OBJECTS:
                yield f"{subject} {verb} {thing}"


def train(**options):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=sentences(),
        model_writer=model,
        num_threads=1,
        shuffle_input_sentence=False,
        minloglevel=2,
        hard_vocab_limit=options["model_type"] == "bpe",
        **options,
    )
    return model.getvalue()


def cut(model):
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    cases = []
    for text in TEXTS:
        pieces = processor.encode(text, out_type=str)
        ids = processor.encode(text, out_type=int)
        cases.append(
            {
                "text": text,
                "pieces": pieces,
                "ids": ids,
                # The index of the first character of the text that each piece was made of.
                "starts": [start for start, _ in processor.encode(text, return_type="offset_mapping")["offsets"]],
                "decoded": processor.decode(pieces),
                "decoded_ids": processor.decode(ids),
            }
        )
    return cases


MODELS = {
    "unigram": dict(model_type="unigram", vocab_size=200),
    "unigram_bytes": dict(
        model_type="unigram",
        vocab_size=420,
        character_coverage=0.98,
        byte_fallback=True,
        user_defined_symbols=["<sep>", "<se", "fish-"],
        control_symbols=["<ctrl>"],
    ),
    "unigram_cf": dict(
        model_type="unigram",
        vocab_size=180,
        normalization_rule_name="nmt_nfkc_cf",
        user_defined_symbols=["<sep>"],
        unk_surface="[?]",
    ),
    "unigram_identity": dict(
        model_type="unigram",
        vocab_size=200,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
    ),
    "bpe": dict(model_type="bpe", vocab_size=220, pad_id=3),
    "bpe_bytes": dict(
        model_type="bpe",
        vocab_size=450,
        character_coverage=0.98,
        byte_fallback=True,
        user_defined_symbols=["<sep>", "<se", "fish-"],
    ),
    "bpe_identity": dict(
        model_type="bpe",
        vocab_size=220,
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
    ),
    "bpe_no_prefix": dict(model_type="bpe", vocab_size=220, add_dummy_prefix=False),
}

def marian(source, target):
    """The ids of MarianTokenizer, for a vocabulary that lacks some pieces, and has a character that no model has."""
    pieces = set()
    for model in [source, target]:
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        pieces |= {processor.id_to_piece(id) for id in range(processor.get_piece_size())}
    pieces -= {"<s>", "</s>", "<unk>", "<pad>", "▁the", "▁a", "ü"}
    tokens = ["</s>", "<unk>", *sorted(pieces), "ω", ">>deu<<", "▁only", "<pad>"]
    vocabulary = {token: id for id, token in enumerate(tokens)}
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "source.spm").write_bytes(source)
        (folder / "target.spm").write_bytes(target)
        (folder / "vocab.json").write_text(json.dumps(vocabulary))
        warnings.simplefilter("ignore")
        tokenizer = MarianTokenizer(
            *(str(folder / name) for name in ["source.spm", "target.spm", "vocab.json"]), return_tensors=None
        )
        texts = [text for text in TEXTS if "</s>" not in text]
        texts += [">>deu<< The miller", ">>deu<<The miller", ">>deu<<", "a >>deu<< b", " >>deu<< b"]
        cases = []
        for text in texts:
            case = {"text": text, "source": tokenizer(text).input_ids, "target": tokenizer(text_target=text).input_ids}
            # The Marian tokenizer decodes by the source's model unless it is told otherwise.
            for side in ["source", "target"]:
                of_source = side == "source"
                decoded = tokenizer.decode(case[side][:-1], use_source_tokenizer=of_source)
                case[f"decoded_{side}"] = decoded
            cases.append(case)
    return {"vocabulary": vocabulary, "cases": cases}


models = {name: train(**options) for name, options in MODELS.items()}
cases = {name: cut(model) for name, model in models.items()}
files = {f"{name}.model": model for name, model in models.items()}
files["cases.json"] = json.dumps(cases, separators=(",", ":")).encode()
files["marian.json"] = json.dumps(marian(models["unigram"], models["bpe"]), separators=(",", ":")).encode()
archive = io.BytesIO()
with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
    for name, content in files.items():
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
OUTPUT.write_bytes(lzma.compress(archive.getvalue(), preset=9 | lzma.PRESET_EXTREME))
