//! The training loop.

use std::path::PathBuf;
use std::time::Instant;

use attend_data::batch::{Batch, Example, TokenMatrix, plan_batches};
use attend_data::corpus::SentencePair;
use attend_data::tokenizer::Tokenizer;
use attend_infer::metric::{BleuTokenizer, corpus_bleu};
use attend_infer::search::SearchOptions;
use attend_infer::{ModelFolder, Translator};
use attend_model::{Transformer, TransformerConfig, label_smoothed_cross_entropy};
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::checkpoint::{Best, Checkpoints, TrainingState};
use crate::dataset::{BatchSequence, Dataset};
use crate::error::TrainError;
use crate::recipe::Recipe;
use crate::report::{Report, UpdateMeasure};
use crate::schedule::InverseSquareRoot;
use crate::workers::{Gradients, Workers};

/// A run between two updates.
pub struct Trainer {
    recipe: Recipe,
    config: TransformerConfig,
    tokenizer: Tokenizer,
    dataset: Dataset,
    folder: PathBuf,
    device: Device,
    workers: Workers,
    schedule: InverseSquareRoot,
    model: Transformer,
    optimizer: ModuleOptimizer,
    state: TrainingState,
}

impl Trainer {
    /// A run before its first update, which will write into `folder`.
    ///
    /// # Errors
    ///
    /// If no network can be built from the recipe.
    pub fn new(
        recipe: Recipe,
        tokenizer: Tokenizer,
        dataset: Dataset,
        folder: PathBuf,
        device: &Device,
        workers: Workers,
    ) -> Result<Self, TrainError> {
        let config = recipe.transformer_config(tokenizer.vocab_size(), tokenizer.pad_id() as usize);
        let device = device.clone().autodiff();
        device.seed(recipe.seed);
        let model = Transformer::new(&config, &device).map_err(|error| TrainError::Recipe {
            place: "[model]".to_owned(),
            reason: error.to_string(),
            hint: None,
        })?;
        Ok(Self {
            schedule: InverseSquareRoot {
                peak: recipe.training.learning_rate,
                warmup: recipe.training.warmup,
            },
            // β₁, β₂ and ε of section 5.3.
            optimizer: AdamConfig::new()
                .with_beta_1(0.9)
                .with_beta_2(0.98)
                .with_epsilon(1e-9)
                .init(),
            state: TrainingState::default(),
            recipe,
            config,
            tokenizer,
            dataset,
            folder,
            device,
            workers,
            model,
        })
    }

    /// Goes on from the last checkpoint in the run's folder.
    ///
    /// # Errors
    ///
    /// If there is none, or it is damaged.
    pub fn resume(mut self) -> Result<Self, TrainError> {
        (self.model, self.optimizer, self.state) =
            Checkpoints::of(&self.folder).load(self.model, self.optimizer)?;
        Ok(self)
    }

    /// Number of trained weights.
    #[must_use]
    pub fn num_params(&self) -> usize {
        self.model.num_params()
    }

    /// Trains until the recipe's number of updates. At every validation a checkpoint is written, and where its BLEU
    /// is the best so far, the model folder.
    ///
    /// # Errors
    ///
    /// If the loss is no longer finite, or a file cannot be written.
    pub fn run(mut self) -> Result<TrainingState, TrainError> {
        let settings = self.recipe.training.clone();
        let mut report = Report::open(&self.folder, settings.updates, &self.state)?;
        let train = std::mem::take(&mut self.dataset.train);
        let mut batches = BatchSequence::starting_at(
            &train,
            settings.batch_tokens,
            self.recipe.seed,
            self.state.position,
        );
        let seconds_before = self.state.seconds;
        let start = Instant::now();

        while self.state.update < settings.updates {
            let batch = batches.next_batch();
            self.state.update += 1;
            self.state.position = batches.position();
            let measure = self.update(&batch)?;
            report.count(&measure);
            self.state.seconds = seconds_before + start.elapsed().as_secs_f64();

            let is_last = self.state.update == settings.updates;
            let validate = is_last || self.state.update.is_multiple_of(settings.validate_every);
            if validate || self.state.update.is_multiple_of(settings.log_every) {
                report.record_updates(&self.state, &measure)?;
            }
            if validate {
                self.validate(&mut report)?;
                self.state.seconds = seconds_before + start.elapsed().as_secs_f64();
                Checkpoints::of(&self.folder).save(&self.model, &self.optimizer, &self.state)?;
            }
        }
        report.finish();
        Ok(self.state)
    }

    /// One update: forward, loss and backward by the workers, then clip and step.
    fn update(&mut self, examples: &[&Example]) -> Result<UpdateMeasure, TrainError> {
        let update = self.state.update;
        let target_tokens: usize = examples.iter().map(|example| example.target.len()).sum();
        let gradients_of = |model: &Transformer, examples: &[&Example]| {
            let loss = self.loss(model, examples, &self.device) / target_tokens as f64;
            Gradients {
                loss: loss.clone().into_scalar::<f32>().into(),
                gradients: GradientsParams::from_grads(loss.backward(), model),
            }
        };
        // Dropout's random numbers depend on the update alone, so a resumed run draws the same ones.
        let seed = self.recipe.seed ^ (update as u64).rotate_left(32);
        let Gradients { loss, gradients } =
            self.workers
                .run(&self.model, &self.device, examples, seed, gradients_of);
        if !loss.is_finite() {
            return Err(TrainError::NotFinite { loss, update });
        }
        let (gradients, gradient_norm) = clip(&self.model, gradients, self.recipe.training.clip_norm);
        let learning_rate = self.schedule.learning_rate(update);
        self.model = self.optimizer.step(learning_rate, self.model.clone(), gradients);
        Ok(UpdateMeasure {
            loss_sum: loss * target_tokens as f64,
            target_tokens,
            learning_rate,
            gradient_norm,
        })
    }

    /// The label-smoothed cross-entropy of `examples`, summed over their target tokens: `[1]`.
    fn loss(&self, model: &Transformer, examples: &[&Example], device: &Device) -> Tensor<1> {
        let batch = Batch::new(
            examples.iter().copied(),
            self.tokenizer.pad_id(),
            self.tokenizer.bos_id(),
        );
        let logits = model.forward(
            to_tensor(&batch.source, device),
            to_tensor(&batch.target_input, device),
        );
        label_smoothed_cross_entropy(
            logits,
            to_tensor(&batch.target_output, device),
            self.config.pad_id,
            self.recipe.training.label_smoothing,
        )
    }

    /// Measures loss and BLEU on the validation pairs; the best weights so far become the model folder.
    fn validate(&mut self, report: &mut Report) -> Result<(), TrainError> {
        let model = self.model.valid();
        let loss = self.validation_loss(&model);
        let bundle = self.bundle(model);
        let greedy = SearchOptions {
            beam_size: 1,
            nbest: 1,
            ..self.recipe.search
        };
        let translator = Translator::new(bundle.clone()).with_search(greedy)?;
        let bleu = bleu(&translator, &self.dataset.valid_pairs, self.recipe.data.bleu)?;
        if self.state.best.is_none_or(|best| bleu >= best.bleu) {
            let update = self.state.update;
            self.state.best = Some(Best { update, bleu });
            bundle.save(&self.folder)?;
        }
        report.record_validation(&self.state, loss, bleu)?;
        Ok(())
    }

    fn validation_loss(&self, model: &Transformer) -> f64 {
        let examples = &self.dataset.valid;
        let device = self.device.clone().without_autodiff();
        let (mut loss_sum, mut target_tokens) = (0.0, 0);
        for batch in plan_batches(examples, self.recipe.training.batch_tokens, 0, 0) {
            let batch: Vec<&Example> = batch.iter().map(|&index| &examples[index]).collect();
            loss_sum += f64::from(self.loss(model, &batch, &device).into_scalar::<f32>());
            target_tokens += batch.iter().map(|example| example.target.len()).sum::<usize>();
        }
        loss_sum / target_tokens as f64
    }

    fn bundle(&self, model: Transformer) -> ModelFolder {
        ModelFolder {
            config: self.config.clone(),
            model,
            tokenizer: self.tokenizer.clone(),
            generation: self.recipe.search,
        }
    }
}

fn to_tensor(matrix: &TokenMatrix, device: &Device) -> Tensor<2, Int> {
    let shape = [matrix.rows, matrix.width];
    Tensor::from_data(TensorData::new(matrix.ids.clone(), shape), device)
}

fn bleu(
    translator: &Translator,
    pairs: &[SentencePair],
    tokenizer: BleuTokenizer,
) -> Result<f64, TrainError> {
    let sources: Vec<&str> = pairs.iter().map(|pair| pair.source.as_str()).collect();
    let references: Vec<&str> = pairs.iter().map(|pair| pair.target.as_str()).collect();
    let hypotheses = translator.translate_best(&sources)?;
    Ok(corpus_bleu(&hypotheses, &references, tokenizer)?.score)
}

/// Scales all gradients so that their global norm, over all weights at once, is at most `max_norm` (Pascanu et al.,
/// 2013); 0 means no limit. Returns the norm before.
fn clip(model: &Transformer, gradients: GradientsParams, max_norm: f64) -> (GradientsParams, f64) {
    let mut squares = SumOfSquares {
        gradients: &gradients,
        sum: 0.0,
    };
    model.visit(&mut squares);
    let norm = squares.sum.sqrt();
    if max_norm == 0.0 || norm <= max_norm {
        return (gradients, norm);
    }
    let mut scale = Scale {
        gradients,
        factor: max_norm / norm,
    };
    model.visit(&mut scale);
    (scale.gradients, norm)
}

struct SumOfSquares<'a> {
    gradients: &'a GradientsParams,
    sum: f64,
}

impl ModuleVisitor for SumOfSquares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            self.sum += f64::from(gradient.square().sum().into_scalar::<f32>());
        }
    }
}

struct Scale {
    gradients: GradientsParams,
    factor: f64,
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.gradients.register(param.id, gradient * self.factor);
        }
    }
}
