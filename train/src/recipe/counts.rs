//! The bounds of every whole number in a recipe.

use std::fmt::Display;
use std::ops::RangeInclusive;

use attend_model::bounds;

use super::{OutOfRange, Recipe};

/// More than any run lasts or any corpus has, and far from overflowing.
const MOST: u64 = 1_000_000_000_000;

impl Recipe {
    /// Checks each number by itself. The upper bounds lie beyond every use; they keep a slip of the finger from asking
    /// for more memory than can be addressed, or for a number that TOML cannot write.
    pub(super) fn check_counts(&self) -> Result<(), OutOfRange> {
        let Self {
            seed,
            data,
            model,
            training,
            search,
        } = self;
        // TOML's numbers have a sign.
        check("seed", Some(*seed), 0..=i64::MAX as u64)?;

        check("data.vocab_size", data.vocab_size, 1..=bounds::VOCAB_SIZE as u64)?;
        check("data.vocab_pairs", Some(data.vocab_pairs), 1..=MOST)?;
        check("data.max_length", Some(data.max_length), 1..=MOST)?;
        check("data.clean.max_repeats", Some(data.clean.max_repeats), 0..=MOST)?;

        check("model.d_model", model.d_model, 1..=bounds::D_MODEL as u64)?;
        check("model.d_ff", model.d_ff, 1..=bounds::D_FF as u64)?;
        check("model.n_heads", model.n_heads, 1..=bounds::N_HEADS as u64)?;
        check(
            "model.encoder_layers",
            model.encoder_layers,
            1..=bounds::LAYERS as u64,
        )?;
        check(
            "model.decoder_layers",
            model.decoder_layers,
            1..=bounds::LAYERS as u64,
        )?;
        check("model.max_length", model.max_length, 1..=bounds::LENGTH as u64)?;

        check("training.updates", training.updates, 1..=MOST)?;
        check("training.epochs", training.epochs, 1..=MOST)?;
        check(
            "training.batch_tokens",
            Some(training.batch_tokens),
            1..=10_000_000,
        )?;
        check("training.accumulate", Some(training.accumulate), 1..=100_000)?;
        check("training.warmup", Some(training.warmup), 1..=MOST)?;
        check("training.validate_every", Some(training.validate_every), 1..=MOST)?;
        check("training.checkpoint_every", training.checkpoint_every, 1..=MOST)?;
        check("training.log_every", Some(training.log_every), 1..=MOST)?;
        check("training.patience", training.patience, 1..=MOST)?;
        check("training.average_last", training.average_last, 1..=MOST)?;
        check("training.average_best", training.average_best, 1..=MOST)?;

        search.validate_counts().map_err(OutOfRange::of_search)
    }
}

fn check<N: Copy + Display>(
    field: &str,
    count: Option<N>,
    bounds: RangeInclusive<u64>,
) -> Result<(), OutOfRange>
where
    u64: TryFrom<N>,
{
    match count {
        Some(count) if !u64::try_from(count).is_ok_and(|count| bounds.contains(&count)) => {
            let (least, most) = bounds.into_inner();
            OutOfRange::of(field, &format!("is {count}, but must lie in [{least}, {most}]"))
        }
        _ => Ok(()),
    }
}
