//! The `README.md` of a model folder: what it was trained on, how, and how well it does.

use attend_infer::metric::{Bleu, Chrf};

use crate::checkpoint::TrainingState;
use crate::recipe::Recipe;

/// What a finished run tells about its model.
#[derive(Clone, Debug)]
pub struct ModelCard<'a> {
    /// The name of the recipe.
    pub name: &'a str,
    /// The command that repeats the run.
    pub command: &'a str,
    /// The run's settings.
    pub recipe: &'a Recipe,
    /// How far it came.
    pub state: &'a TrainingState,
    /// Which weights these are.
    pub weights: &'a str,
    /// Number of trained weights.
    pub num_params: usize,
    /// Number of training pairs.
    pub train_pairs: usize,
    /// Number of test pairs.
    pub test_pairs: usize,
    /// BLEU on the test pairs.
    pub bleu: &'a Bleu,
    /// chrF on the test pairs.
    pub chrf: &'a Chrf,
}

impl ModelCard<'_> {
    /// The card as Markdown.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let Self {
            name,
            command,
            recipe,
            state,
            weights,
            bleu,
            chrf,
            ..
        } = self;
        format!(
            "# {name}\n\n\
             A translation Transformer of {params} weights, trained with Attend on {train} sentence pairs: {updates} \
             updates in {minutes:.1} minutes. {weights}\n\n\
             ## Scores\n\n\
             {test} test pairs, beam {beam}, length penalty {penalty}:\n\n\
             ```text\n{bleu}\n{chrf}\n```\n\n\
             ## Repeat it\n\n\
             ```sh\n{command}\n```\n\n\
             The settings, also in `recipe.toml`:\n\n\
             ```toml\n{settings}```\n",
            params = self.num_params,
            train = self.train_pairs,
            updates = state.update,
            minutes = state.seconds / 60.0,
            test = self.test_pairs,
            beam = recipe.search.beam_size,
            penalty = recipe.search.length_penalty,
            settings = recipe.to_toml(),
        )
    }
}
