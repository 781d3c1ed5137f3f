//! Translation.

use std::path::Path;

use attend_data::{Batches, Example, Mixture, Position, Progress};
use attend_device::Workers;
use attend_infer::metric::{corpus_bleu, corpus_chrf};
use attend_infer::{InferError, Model, ModelFolder, Precision, TokenFiles, Translator};
use attend_model::Transformer;
use burn::tensor::Device;

use super::{Start, Task};
use crate::attention_record::{AttentionRecord, recorded};
use crate::dataset::{Corpora, Dataset, LeftOut};
use crate::error::TrainError;
use crate::event::{Event, Observer};
use crate::metric::{Metric, Scores};
use crate::objective::Translation;
use crate::recipe::Recipe;
use crate::run_folder::Inputs;
use crate::test::{FinalTest, TestOutput, TestScores};
use crate::validation::{expected_seconds, metric_that_counts, note_on_metric, scores, translate};

/// Translation from one language to another.
pub(crate) struct TranslationTask {
    tokens: TokenFiles,
    pub(crate) dataset: Dataset,
}

impl TranslationTask {
    /// Makes the task of encoded text.
    pub(crate) fn new(tokens: TokenFiles, dataset: Dataset) -> Self {
        Self { tokens, dataset }
    }
}

impl Task for TranslationTask {
    type Objective = Translation;
    type ModelFolder = ModelFolder;

    fn start(recipe: &mut Recipe, device: &Device) -> Result<Start<Self>, TrainError> {
        let Some(folder) = recipe.init.clone() else {
            return Ok(Start::default());
        };
        let initial = ModelFolder::load(&folder, device)?;
        recipe.complete(&folder, &initial)?;
        Ok(Start {
            tokens: Some(initial.token_files()),
            weights: Some(initial.model),
        })
    }

    fn prepare(
        recipe: &Recipe,
        tokens: Option<TokenFiles>,
        prepared: &Path,
        observer: &mut Observer<'_>,
    ) -> Result<(Self, Inputs), TrainError> {
        let corpora = Corpora::load(&recipe.data)?;
        let tokens = match tokens {
            Some(tokens) => tokens,
            None => corpora.train_tokenizer(&recipe.data)?.into(),
        };
        let dataset = Dataset::encode(&corpora, &tokens.tokenizer, recipe, prepared, |progress| {
            observer(match progress {
                Progress::Waiting => Event::Waiting,
                Progress::Pairs(pairs) => Event::Preparing { pairs },
            });
        })?;
        let inputs = Inputs::new(&dataset.train, &corpora, &tokens.tokenizer);
        Ok((Self::new(tokens, dataset), inputs))
    }

    fn objective(&self, recipe: &Recipe) -> Translation {
        let tokenizer = &self.tokens.tokenizer;
        let (source, target) = (&tokenizer.source, &tokenizer.target);
        Translation {
            config: recipe.transformer_config(source.vocab_size(), source.pad_id() as usize),
            bos_id: target.bos_id(),
        }
    }

    fn tokens(&self) -> &TokenFiles {
        &self.tokens
    }

    fn train(&self) -> &Mixture {
        &self.dataset.train
    }

    fn batches(&self, recipe: &Recipe, position: Position) -> Batches {
        self.dataset.batches(recipe, position)
    }

    fn text(&self, example: &Example) -> (String, String) {
        let Example { source, target } = example;
        let tokenizer = &self.tokens.tokenizer;
        (tokenizer.source.decode(source), tokenizer.target.decode(target))
    }

    fn valid_len(&self) -> usize {
        self.dataset.valid_pairs.len()
    }

    fn left_out(&self) -> [(&'static str, LeftOut); 2] {
        [
            ("validation pairs", self.dataset.valid_left_out),
            ("test pairs", self.dataset.test_left_out),
        ]
    }

    fn metric(&self, recipe: &Recipe) -> Result<(Metric, Option<String>), TrainError> {
        let pairs = &self.dataset.valid_pairs;
        let metric = metric_that_counts(recipe, pairs)?;
        let differs = metric != recipe.metric();
        Ok((metric, differs.then(|| note_on_metric(recipe, metric, pairs))))
    }

    fn model_folder(&self, recipe: &Recipe, network: Transformer) -> ModelFolder {
        let TokenFiles { tokenizer, shortlist } = self.tokens.clone();
        ModelFolder {
            config: self.objective(recipe).config,
            model: network,
            source_tokenizer: tokenizer.source,
            target_tokenizer: tokenizer.target,
            shortlist,
            generation: recipe.search,
            languages: recipe.data.languages(),
        }
    }

    fn save(model_folder: &ModelFolder, folder: &Path) -> Result<(), InferError> {
        model_folder.save(folder)
    }

    fn scores(
        &self,
        model_folder: &ModelFolder,
        recipe: &Recipe,
        device: &Device,
        workers: &Workers,
    ) -> Result<Scores, TrainError> {
        scores(model_folder, &self.dataset, recipe, device, workers)
    }

    fn expected_seconds(
        &self,
        model_folder: &ModelFolder,
        recipe: &Recipe,
        device: &Device,
        workers: &Workers,
    ) -> Result<f64, TrainError> {
        Ok(expected_seconds(
            model_folder,
            &self.dataset,
            recipe,
            device,
            workers,
        ))
    }

    fn attention(
        &self,
        update: usize,
        model_folder: ModelFolder,
        workers: &Workers,
    ) -> Result<Option<AttentionRecord>, TrainError> {
        let pairs = recorded(&self.dataset.valid_pairs, &self.dataset.valid);
        if pairs.is_empty() {
            return Ok(None);
        }
        let model = Model::new(model_folder, Precision::Float32)?;
        let translator = Translator::new(model, workers.clone());
        AttentionRecord::new(update, &translator, &pairs).map(Some)
    }

    fn test(
        &self,
        folder: &Path,
        recipe: &Recipe,
        device: &Device,
        workers: &Workers,
    ) -> Result<FinalTest, TrainError> {
        let pairs = &self.dataset.test_pairs;
        let translations = translate(pairs, folder, device, workers)?;
        let references: Vec<&str> = pairs.iter().map(|pair| pair.target.as_str()).collect();
        Ok(FinalTest {
            scores: TestScores::Translation {
                bleu: corpus_bleu(&translations, &references, recipe.data.bleu)?,
                chrf: corpus_chrf(&translations, &references)?,
            },
            outputs: pairs
                .iter()
                .zip(translations)
                .map(|(pair, translation)| TestOutput {
                    source: pair.source.clone(),
                    reference: pair.target.clone(),
                    output: translation,
                })
                .collect(),
        })
    }
}
