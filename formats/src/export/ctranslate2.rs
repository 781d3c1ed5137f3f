//! Models of CTranslate2.

use std::path::Path;

use attend_data::{Tokenizer, TokenizerFiles, write_file};
use attend_model::{
    ActivationKind, NormPlacement, PositionKind, TiedEmbeddings, TransformerConfig, marian_sinusoids,
    sinusoid_halves, sinusoids,
};
use serde_json::json;

use super::plan::{Plan, Side};
use super::{Source, other_layers};
use crate::error::FormatError;
use crate::import::write_json;
use crate::new_folder::CONFIG;
use crate::tensors::{CTranslate2Parts, Scalar, TensorFile, WeightType, write_ctranslate2};
use crate::vocabulary::UNK;

const WEIGHTS: &str = "model.bin";

/// The bias that rules padding out: the lowest number of 16 bits.
const LOWEST: f32 = -65504.0;

/// Returns what CTranslate2 has no place for in a network; `None` if it has a place for all.
pub(super) fn not_exportable(config: &TransformerConfig) -> Option<String> {
    if let Some(found) = other_layers(config) {
        return Some(found);
    }
    heads(config)
        .is_none()
        .then(|| format!("n_heads is {}, which is no number of 16 bits", config.n_heads))
}

/// Returns the number of heads in the type that the format has for it; `None` if they are more.
fn heads(config: &TransformerConfig) -> Option<i16> {
    config.n_heads.try_into().ok()
}

/// Writes the files of a model. Returns the name of the file with the weights.
pub(super) fn write(
    source: &Source,
    folder: &Path,
    weights: WeightType,
    observe: &mut impl FnMut(u64, u64),
) -> Result<&'static str, FormatError> {
    let model = &source.folder;
    let starts_from_zeros = starts_from_zeros(source)?;
    let added = usize::from(starts_from_zeros);
    let target = &model.target_tokenizer;
    let start = if starts_from_zeros {
        "<s>".to_owned()
    } else {
        target.vocabulary_entry(target.bos_id())
    };
    let settings = json!({
        "add_source_bos": false,
        "add_source_eos": model.config.source_eos,
        "bos_token": "<s>",
        "eos_token": target.vocabulary_entry(target.eos_id()),
        "unk_token": UNK,
        "decoder_start_token": start,
        "layer_norm_epsilon": model.config.norm_epsilon,
        "multi_query_attention": false,
    });
    write_json(&folder.join(CONFIG), &settings)?;
    if model.config.target_vocab_size.is_some() {
        write_json(
            &folder.join("source_vocabulary.json"),
            &pieces(&model.source_tokenizer, added),
        )?;
        write_json(&folder.join("target_vocabulary.json"), &pieces(target, added))?;
    } else {
        write_json(&folder.join("shared_vocabulary.json"), &pieces(target, added))?;
    }
    let tokenizers = [(&model.source_tokenizer, "source.spm"), (target, "target.spm")];
    for (tokenizer, name) in tokenizers {
        match tokenizer.files() {
            TokenizerFiles::SentencePiece { model, .. } => write_file(folder.join(name), model)?,
            TokenizerFiles::Json(json) => write_file(folder.join("tokenizer.json"), json)?,
        }
    }
    let plan = plan(source, added)?;
    let parts = CTranslate2Parts {
        scalars: scalars(&model.config, starts_from_zeros),
        aliases: aliases(&model.config),
    };
    let tensors = plan.tensors(&source.weights, observe);
    write_ctranslate2(&folder.join(WEIGHTS), &plan.shapes(), tensors, &parts, weights)?;
    Ok(WEIGHTS)
}

/// Returns the tokens of a vocabulary in the order of their ids, without the last `added`.
fn pieces(tokenizer: &Tokenizer, added: usize) -> Vec<String> {
    let ids = 0..(tokenizer.vocab_size() - added) as u32;
    ids.map(|id| tokenizer.vocabulary_entry(id)).collect()
}

/// Returns whether the decoder starts from zeros in place of a token, which is what padding with an embedding of zeros
/// at the end of the vocabulary stands for. Models of Marian have no padding, and get this one when they are imported.
fn starts_from_zeros(source: &Source) -> Result<bool, FormatError> {
    let model = &source.folder;
    let config = &model.config;
    let pad = config.pad_id;
    let is_last = pad + 1 == config.vocab_size && pad + 1 == config.target_vocabulary();
    if !is_last || model.target_tokenizer.bos_id() as usize != pad || !config.output_bias {
        return Ok(false);
    }
    let embedding = match config.tie_embeddings {
        TiedEmbeddings::All => "embedding.weight",
        TiedEmbeddings::Decoder | TiedEmbeddings::None => "untied.target.weight",
    };
    let embedding = source.weights.read(embedding)?;
    let bias = source.weights.read("output_bias")?;
    Ok(embedding[pad * config.d_model..]
        .iter()
        .all(|number| *number == 0.0)
        && bias[pad] == f32::NEG_INFINITY)
}

/// Returns the numbers that describe the network, each of the type that CTranslate2 asks for.
fn scalars(config: &TransformerConfig, starts_from_zeros: bool) -> Vec<(String, Scalar)> {
    let activation = match config.activation {
        ActivationKind::Relu => 0,
        ActivationKind::Swish => 2,
        ActivationKind::Gelu => 3,
    };
    let flag = |is_set: bool| Scalar::Int8(i8::from(is_set));
    let both = [
        ("activation", Scalar::Int8(activation)),
        // `not_exportable` has refused more heads.
        ("num_heads", Scalar::Int16(heads(config).unwrap_or(i16::MAX))),
        ("pre_norm", flag(config.norm == NormPlacement::Pre)),
        ("scale_embeddings", flag(true)),
    ];
    let sides = ["encoder", "decoder"];
    let both = sides
        .into_iter()
        .flat_map(|side| both.map(|(name, scalar)| (format!("{side}/{name}"), scalar)));
    let of_one = [
        ("encoder/embeddings_merge", flag(false)),
        ("encoder/multi_query_attention", flag(false)),
        ("decoder/alibi", flag(false)),
        ("decoder/alibi_use_positive_positions", flag(false)),
        ("decoder/scale_alibi", flag(false)),
        // The last layer, whose first head aligns source and target.
        ("decoder/alignment_layer", Scalar::Int16(-1)),
        ("decoder/alignment_heads", Scalar::Int16(1)),
        ("decoder/start_from_zero_embedding", flag(starts_from_zeros)),
    ];
    both.chain(of_one.map(|(name, scalar)| (name.to_owned(), scalar)))
        .collect()
}

/// Returns the further names of tensors that have several.
fn aliases(config: &TransformerConfig) -> Vec<(String, String)> {
    let embedding = "decoder/embeddings/weight";
    let output = ("decoder/projection/weight", embedding);
    let mut aliases = match config.tie_embeddings {
        TiedEmbeddings::All => vec![output, ("encoder/embeddings_0/weight", embedding)],
        TiedEmbeddings::Decoder => vec![output],
        TiedEmbeddings::None => Vec::new(),
    };
    if config.positions != PositionKind::Learned {
        aliases.push((
            "encoder/position_encodings/encodings",
            "decoder/position_encodings/encodings",
        ));
    }
    aliases
        .into_iter()
        .map(|(alias, name)| (alias.to_owned(), name.to_owned()))
        .collect()
}

/// Returns which weights become which tensors. The last `added` rows of vocabularies are left out.
fn plan(source: &Source, added: usize) -> Result<Plan, FormatError> {
    let config = &source.folder.config;
    let (width, inner) = (config.d_model, config.d_ff);
    let (from, to) = (config.vocab_size - added, config.target_vocabulary() - added);
    let mut plan = Plan::new(None);
    let matrix = |plan: &mut Plan, theirs: &str, ours: &str, rows| {
        plan.add(theirs, &[rows, width], &[ours.to_owned()], Side::None);
    };
    if config.tie_embeddings == TiedEmbeddings::All {
        matrix(&mut plan, "decoder/embeddings/weight", "embedding.weight", to);
    } else {
        matrix(&mut plan, "encoder/embeddings_0/weight", "embedding.weight", from);
        matrix(&mut plan, "decoder/embeddings/weight", "untied.target.weight", to);
    }
    if config.tie_embeddings == TiedEmbeddings::None {
        matrix(&mut plan, "decoder/projection/weight", "untied.output.weight", to);
    }
    let mut bias = if config.output_bias {
        source.weights.read("output_bias")?
    } else {
        vec![0.0; to]
    };
    bias.truncate(to);
    if let Some(padding) = bias.get_mut(config.pad_id) {
        *padding = padding.max(LOWEST);
    }
    plan.add_numbers("decoder/projection/bias", &[to], bias);
    let computed = match config.positions {
        PositionKind::Learned => None,
        PositionKind::Sinusoidal => Some(sinusoids(config.max_length, width)),
        PositionKind::SinusoidalHalves => Some(sinusoid_halves(config.max_length, width)),
        PositionKind::Marian => Some(marian_sinusoids(config.max_length, width)),
    };
    if let Some(table) = computed {
        plan.add_numbers(
            "decoder/position_encodings/encodings",
            &[config.max_length, width],
            table,
        );
    } else {
        for (side, positions) in [("encoder", "source_positions"), ("decoder", "target_positions")] {
            let (theirs, ours) = (
                format!("{side}/position_encodings/encodings"),
                format!("{positions}.learned.weight"),
            );
            matrix(&mut plan, &theirs, &ours, config.max_length);
        }
    }
    for (side, layers) in [
        ("encoder", config.encoder_layers),
        ("decoder", config.decoder_layers),
    ] {
        if config.norm == NormPlacement::Pre {
            norm(
                &mut plan,
                &format!("{side}/layer_norm"),
                &format!("{side}.norm"),
                width,
            );
        }
        for number in 0..layers {
            let (theirs, ours) = (
                format!("{side}/layer_{number}"),
                format!("{side}.layers.{number}"),
            );
            let own = format!("{ours}.self_attention");
            let attention = format!("{theirs}/self_attention");
            attention_layers(
                &mut plan,
                &attention,
                &own,
                &[&["query", "key", "value"], &["output"]],
                width,
            );
            if side == "decoder" {
                let own = format!("{ours}.cross_attention");
                let attention = format!("{theirs}/attention");
                let parts: [&[&str]; 3] = [&["query"], &["key", "value"], &["output"]];
                attention_layers(&mut plan, &attention, &own, &parts, width);
            }
            let (theirs, ours) = (format!("{theirs}/ffn"), format!("{ours}.feed_forward"));
            linear(
                &mut plan,
                &format!("{theirs}/linear_0"),
                &[format!("{ours}.inner")],
                [inner, width],
            );
            linear(
                &mut plan,
                &format!("{theirs}/linear_1"),
                &[format!("{ours}.outer")],
                [width, inner],
            );
            norm(
                &mut plan,
                &format!("{theirs}/layer_norm"),
                &format!("{ours}_norm.norm"),
                width,
            );
        }
    }
    Ok(plan)
}

/// Adds the projections of an attention, those of the same input as one matrix, and the norm around it.
fn attention_layers(plan: &mut Plan, theirs: &str, ours: &str, layers: &[&[&str]], width: usize) {
    for (number, parts) in layers.iter().enumerate() {
        let names: Vec<String> = parts.iter().map(|part| format!("{ours}.{part}")).collect();
        linear(
            plan,
            &format!("{theirs}/linear_{number}"),
            &names,
            [parts.len() * width, width],
        );
    }
    norm(
        plan,
        &format!("{theirs}/layer_norm"),
        &format!("{ours}_norm.norm"),
        width,
    );
}

/// Adds several linear layers of the same input as one, whose outputs follow each other.
fn linear(plan: &mut Plan, theirs: &str, ours: &[String], shape: [usize; 2]) {
    for (part, shape) in [("weight", &shape[..]), ("bias", &shape[..1])] {
        let weights: Vec<String> = ours.iter().map(|name| format!("{name}.{part}")).collect();
        plan.add(&format!("{theirs}/{part}"), shape, &weights, Side::None);
    }
}

fn norm(plan: &mut Plan, theirs: &str, ours: &str, width: usize) {
    for (their_part, our_part) in [("gamma", "weight"), ("beta", "bias")] {
        plan.add(
            &format!("{theirs}/{their_part}"),
            &[width],
            &[format!("{ours}.{our_part}")],
            Side::None,
        );
    }
}
