//! Models of Hugging Face's transformers.

use std::path::Path;

use attend_data::{DataError, Tokenizer, TokenizerFiles, write_file};
use attend_infer::search::{SearchOptions, Stopping, Unknown};
use attend_model::{
    ActivationKind, NormPlacement, PositionKind, TiedEmbeddings, TransformerConfig, sinusoid_halves,
};
use serde_json::{Map, Value, json};

use super::plan::{Plan, Side};
use super::{Source, other_layers};
use crate::error::FormatError;
use crate::import::write_json;
use crate::new_folder::CONFIG;
use crate::tensors::{TensorFile, WeightType, write_safetensors};

const WEIGHTS: &str = "model.safetensors";

/// The epsilon of layer normalization in PyTorch, which transformers does not change.
const NORM_EPSILON: f64 = 1e-5;

/// Returns what transformers has no place for in a network or in its weights; `None` if it has a place for all.
pub(super) fn not_exportable(config: &TransformerConfig, weights: WeightType) -> Option<String> {
    if let Some(found) = other_layers(config) {
        return Some(found);
    }
    let is_pre_norm = config.norm == NormPlacement::Pre;
    let refused = [
        (
            weights == WeightType::Int8,
            "weights there are floats, not 8-bit integers",
        ),
        (
            config.positions == PositionKind::Learned,
            "positions are \"learned\"",
        ),
        (
            config.positions == PositionKind::Marian,
            "positions are \"marian\", whose wavelengths are others",
        ),
        (
            (config.norm_epsilon - NORM_EPSILON).abs() > 1e-12,
            "norm_epsilon is not 1e-5",
        ),
        (
            !config.source_eos,
            "source_eos is false, so that sources do not end with </s>",
        ),
        (
            is_pre_norm && config.tie_embeddings != TiedEmbeddings::All,
            "norm is \"pre\" and tie_embeddings is not true, which no class has together",
        ),
    ];
    let found = refused.into_iter().find(|(is_refused, _)| *is_refused);
    found.map(|(_, reason)| reason.to_owned())
}

/// Writes the files of a model. Returns the name of the file with the weights.
pub(super) fn write(
    source: &Source,
    folder: &Path,
    weights: WeightType,
    observe: &mut impl FnMut(u64, u64),
) -> Result<&'static str, FormatError> {
    write_json(&folder.join(CONFIG), &config(source, weights))?;
    write_json(&folder.join("generation_config.json"), &generation(source)?)?;
    write_tokenizer(source, folder)?;
    let plan = plan(source)?;
    let half = weights == WeightType::Float16;
    let tensors = plan.tensors(&source.weights, observe);
    write_safetensors(&folder.join(WEIGHTS), plan.shapes(), tensors, half)?;
    Ok(WEIGHTS)
}

/// Returns the `config.json`.
fn config(source: &Source, weights: WeightType) -> Value {
    let model = &source.folder;
    let config = &model.config;
    let (class, kind) = match config.norm {
        NormPlacement::Post => ("MarianMTModel", "marian"),
        NormPlacement::Pre => ("PegasusForConditionalGeneration", "pegasus"),
    };
    let activation = match config.activation {
        ActivationKind::Relu => "relu",
        ActivationKind::Gelu => "gelu",
        ActivationKind::Swish => "swish",
    };
    let eos = model.target_tokenizer.eos_id();
    json!({
        "architectures": [class],
        "model_type": kind,
        "is_encoder_decoder": true,
        "vocab_size": config.vocab_size,
        "decoder_vocab_size": config.target_vocabulary(),
        "d_model": config.d_model,
        "encoder_layers": config.encoder_layers,
        "decoder_layers": config.decoder_layers,
        "encoder_attention_heads": config.n_heads,
        "decoder_attention_heads": config.n_heads,
        "encoder_ffn_dim": config.d_ff,
        "decoder_ffn_dim": config.d_ff,
        "activation_function": activation,
        "dropout": config.dropout,
        "attention_dropout": 0.0,
        "activation_dropout": 0.0,
        "max_position_embeddings": config.max_length,
        "scale_embedding": true,
        "share_encoder_decoder_embeddings": config.tie_embeddings == TiedEmbeddings::All,
        "tie_word_embeddings": config.tie_embeddings != TiedEmbeddings::None,
        "pad_token_id": config.pad_id,
        "bos_token_id": Value::Null,
        "eos_token_id": eos,
        "forced_eos_token_id": eos,
        "decoder_start_token_id": model.target_tokenizer.bos_id(),
        "dtype": if weights == WeightType::Float16 { "float16" } else { "float32" },
        "use_cache": true,
    })
}

/// Returns the `generation_config.json`. transformers divides a log-probability by a power of the length alone, and
/// stops a beam by one of two rules, so that other options become those that are next to them.
fn generation(source: &Source) -> Result<Value, FormatError> {
    let model = &source.folder;
    let SearchOptions {
        beam_size,
        length_penalty,
        stopping,
        min_length,
        max_length,
        no_repeat_ngram,
        unknown,
        ..
    } = model.generation;
    let tokenizer = &model.target_tokenizer;
    let (pad, start, eos) = (tokenizer.pad_id(), tokenizer.bos_id(), tokenizer.eos_id());
    let mut never = vec![json!([pad])];
    if start != pad {
        never.push(json!([start]));
    }
    if let (Unknown::Forbid, Some(unk)) = (unknown, tokenizer.unk_id()) {
        never.push(json!([unk]));
    }
    // Lengths count the first token of the decoder and `</s>`.
    let positions = model.config.max_length;
    let most = max_length.map_or(positions, |tokens| positions.min(tokens.saturating_add(2)));
    let mut options = json!({
        "num_beams": beam_size,
        "length_penalty": length_penalty,
        "early_stopping": matches!(stopping, Stopping::TransformersEarly | Stopping::CTranslate2),
        "no_repeat_ngram_size": no_repeat_ngram,
        "max_length": most,
        "bad_words_ids": never,
        // Padding that is ruled out by its bias has no part in the probabilities.
        "renormalize_logits": output_bias(source)?.is_some_and(|bias| bias[pad as usize] == f32::NEG_INFINITY),
        "decoder_start_token_id": start,
        "eos_token_id": eos,
        "forced_eos_token_id": eos,
        "pad_token_id": pad,
        "do_sample": false,
    });
    if min_length > 0 {
        options["min_length"] = json!(min_length + 1);
    }
    Ok(options)
}

/// Writes the files of the tokenizer: those of a `MarianTokenizer` for SentencePiece models, and otherwise a
/// `tokenizer.json`, which ends a text with `</s>`.
fn write_tokenizer(source: &Source, folder: &Path) -> Result<(), FormatError> {
    let model = &source.folder;
    let (from, to) = (&model.source_tokenizer, &model.target_tokenizer);
    let mut settings = Map::new();
    let languages = [
        ("source_lang", &model.languages.source),
        ("target_lang", &model.languages.target),
    ];
    for (key, language) in languages {
        if let Some(language) = language {
            settings.insert(key.to_owned(), json!(language));
        }
    }
    let mut special = json!({
        "pad_token": to.vocabulary_entry(to.pad_id()),
        "eos_token": to.vocabulary_entry(to.eos_id()),
    });
    if let Some(unk) = to.unk_id() {
        special["unk_token"] = json!(to.vocabulary_entry(unk));
    }
    match (from.files(), to.files()) {
        (
            TokenizerFiles::SentencePiece {
                model: source_model,
                vocabulary,
            },
            TokenizerFiles::SentencePiece {
                model: target_model,
                vocabulary: target_vocabulary,
            },
        ) => {
            let has_two = model.config.target_vocab_size.is_some();
            write_file(folder.join("source.spm"), source_model)?;
            write_file(folder.join("target.spm"), target_model)?;
            write_file(folder.join("vocab.json"), vocabulary)?;
            if has_two {
                write_file(folder.join("target_vocab.json"), target_vocabulary)?;
            }
            settings.insert("tokenizer_class".to_owned(), json!("MarianTokenizer"));
            settings.insert("separate_vocabs".to_owned(), json!(has_two));
        }
        (TokenizerFiles::Json(text), _) | (_, TokenizerFiles::Json(text)) => {
            let path = folder.join("tokenizer.json");
            let mut tokenizer: Value =
                serde_json::from_str(&text).map_err(|error| DataError::write(&path, error.into()))?;
            tokenizer["post_processor"] = end_of_text(from);
            write_json(&path, &tokenizer)?;
            special["bos_token"] = json!(to.vocabulary_entry(to.bos_id()));
            settings.insert("tokenizer_class".to_owned(), json!("PreTrainedTokenizerFast"));
            settings.insert("clean_up_tokenization_spaces".to_owned(), json!(false));
        }
    }
    settings.insert("model_max_length".to_owned(), json!(model.config.max_length));
    settings.insert(
        "model_input_names".to_owned(),
        json!(["input_ids", "attention_mask"]),
    );
    if let Value::Object(tokens) = special.clone() {
        settings.extend(tokens);
    }
    write_json(&folder.join("special_tokens_map.json"), &special)?;
    write_json(&folder.join("tokenizer_config.json"), &settings)
}

/// Returns the step of a `tokenizer.json` that ends each text with `</s>`.
fn end_of_text(tokenizer: &Tokenizer) -> Value {
    let id = tokenizer.eos_id();
    let name = tokenizer.vocabulary_entry(id);
    let text = |id: &str| json!({"Sequence": {"id": id, "type_id": 0}});
    let end = json!({"SpecialToken": {"id": name, "type_id": 0}});
    let mut tokens = Map::new();
    tokens.insert(name.clone(), json!({"id": name, "ids": [id], "tokens": [name]}));
    json!({
        "type": "TemplateProcessing",
        "single": [text("A"), end],
        "pair": [text("A"), end, text("B"), end],
        "special_tokens": tokens,
    })
}

/// Reads the bias of the output, if the network has one.
fn output_bias(source: &Source) -> Result<Option<Vec<f32>>, FormatError> {
    if source.folder.config.output_bias {
        source.weights.read("output_bias").map(Some)
    } else {
        Ok(None)
    }
}

/// Returns the places of the dimensions of a network with interleaved sinusoids, so that all sines come first and then
/// all cosines: for four dimensions 0, 2, 1, 3. The network computes the same numbers in another order.
fn sines_first(d_model: usize) -> Vec<usize> {
    let (sines, cosines) = ((0..d_model).step_by(2), (1..d_model).step_by(2));
    sines.chain(cosines).collect()
}

/// Returns which weights become which tensors.
fn plan(source: &Source) -> Result<Plan, FormatError> {
    let config = &source.folder.config;
    let (width, inner) = (config.d_model, config.d_ff);
    let (from, to) = (config.vocab_size, config.target_vocabulary());
    let is_interleaved = config.positions == PositionKind::Sinusoidal;
    let mut plan = Plan::new(is_interleaved.then(|| sines_first(width)));
    let embedding = |plan: &mut Plan, theirs: &str, ours: &str, rows| {
        plan.add(theirs, &[rows, width], &[ours.to_owned()], Side::Columns);
    };
    if config.tie_embeddings == TiedEmbeddings::All {
        embedding(&mut plan, "model.shared.weight", "embedding.weight", from);
    } else {
        embedding(
            &mut plan,
            "model.encoder.embed_tokens.weight",
            "embedding.weight",
            from,
        );
        embedding(
            &mut plan,
            "model.decoder.embed_tokens.weight",
            "untied.target.weight",
            to,
        );
    }
    if config.tie_embeddings == TiedEmbeddings::None {
        embedding(&mut plan, "lm_head.weight", "untied.output.weight", to);
    }
    let mut bias = output_bias(source)?.unwrap_or_else(|| vec![0.0; to]);
    // Numbers of transformers are finite. Padding is ruled out as a bad word.
    if bias[config.pad_id] == f32::NEG_INFINITY {
        bias[config.pad_id] = 0.0;
    }
    plan.add_numbers("final_logits_bias", &[1, to], bias);
    for (side, layers) in [
        ("encoder", config.encoder_layers),
        ("decoder", config.decoder_layers),
    ] {
        for number in 0..layers {
            let ours = format!("{side}.layers.{number}");
            let theirs = format!("model.{ours}");
            let attentions = [
                ("self_attn", "self_attention"),
                ("encoder_attn", "cross_attention"),
            ];
            for (their_name, our_name) in attentions.into_iter().take(if side == "encoder" { 1 } else { 2 }) {
                let (theirs, ours) = (format!("{theirs}.{their_name}"), format!("{ours}.{our_name}"));
                let square = [width, width];
                for (their_part, our_part) in [("q_proj", "query"), ("k_proj", "key"), ("v_proj", "value")] {
                    let (theirs, ours) = (format!("{theirs}.{their_part}"), format!("{ours}.{our_part}"));
                    linear(&mut plan, &theirs, &ours, square, Side::Columns);
                }
                linear(
                    &mut plan,
                    &format!("{theirs}.out_proj"),
                    &format!("{ours}.output"),
                    square,
                    Side::Rows,
                );
                norm(
                    &mut plan,
                    &format!("{theirs}_layer_norm"),
                    &format!("{ours}_norm.norm"),
                    width,
                );
            }
            let network = format!("{ours}.feed_forward");
            linear(
                &mut plan,
                &format!("{theirs}.fc1"),
                &format!("{network}.inner"),
                [inner, width],
                Side::Columns,
            );
            linear(
                &mut plan,
                &format!("{theirs}.fc2"),
                &format!("{network}.outer"),
                [width, inner],
                Side::Rows,
            );
            norm(
                &mut plan,
                &format!("{theirs}.final_layer_norm"),
                &format!("{network}_norm.norm"),
                width,
            );
        }
        if config.norm == NormPlacement::Pre {
            norm(
                &mut plan,
                &format!("model.{side}.layer_norm"),
                &format!("{side}.norm"),
                width,
            );
        }
    }
    // Pegasus has its tables of positions in the file, though it computes them.
    if config.norm == NormPlacement::Pre {
        for side in ["encoder", "decoder"] {
            let name = format!("model.{side}.embed_positions.weight");
            let table = sinusoid_halves(config.max_length, width);
            plan.add_numbers(&name, &[config.max_length, width], table);
        }
    }
    Ok(plan)
}

fn linear(plan: &mut Plan, theirs: &str, ours: &str, shape: [usize; 2], side: Side) {
    plan.add(
        &format!("{theirs}.weight"),
        &shape,
        &[format!("{ours}.weight")],
        side,
    );
    // A bias is added to the output.
    let of_bias = if side == Side::Rows {
        Side::Rows
    } else {
        Side::None
    };
    plan.add(
        &format!("{theirs}.bias"),
        &shape[..1],
        &[format!("{ours}.bias")],
        of_bias,
    );
}

fn norm(plan: &mut Plan, theirs: &str, ours: &str, width: usize) {
    for part in ["weight", "bias"] {
        plan.add(
            &format!("{theirs}.{part}"),
            &[width],
            &[format!("{ours}.{part}")],
            Side::Rows,
        );
    }
}
