//! Which weights are validated and kept: those of one update, or an average.

use attend_model::Transformer;
use burn::module::Module;

use super::Trainer;
use crate::average::mean;
use crate::checkpoint::{Averaged, Best, Checkpoints};
use crate::error::TrainError;
use crate::report::Report;

impl Trainer {
    /// What is validated: the weights, or their average where one is asked for; and the updates whose checkpoints it is
    /// the mean of.
    pub(super) fn weights(&self, report: &Report) -> (Transformer, Vec<usize>) {
        let (average, averaged) = match &self.now.moving_average {
            Some(average) => (Some(average.clone()), Vec::new()),
            None => self.mean_of_checkpoints(report),
        };
        (average.unwrap_or_else(|| self.now.model.valid()), averaged)
    }

    /// Adds the weights of this update to the `count` that are averaged: in the place of the worst where they have
    /// scores, else of the oldest.
    pub(super) fn average_also(&mut self, score: Option<f64>, count: usize) {
        let metric = self.recipe.training.metric;
        let state = &mut self.now.state;
        let update = state.update;
        state.averaged.push(Averaged { update, score });
        if state.averaged.len() > count {
            let is_worse = |one: &Averaged, other: &Averaged| {
                let scores = one.score.zip(other.score);
                scores.is_some_and(|(one, other)| metric.is_better(other, one))
            };
            let averaged = &state.averaged;
            let dropped = (1..averaged.len()).fold(0, |worst, index| {
                match is_worse(&averaged[index], &averaged[worst]) {
                    true => index,
                    false => worst,
                }
            });
            state.averaged.remove(dropped);
        }
    }

    /// The mean of the checkpoints that are averaged, and their updates. One that is damaged or missing is left out,
    /// and that is said: the others are still worth more than a run that ends.
    fn mean_of_checkpoints(&self, report: &Report) -> (Option<Transformer>, Vec<usize>) {
        let checkpoints = Checkpoints::of(&self.folder);
        let current = self.now.model.valid();
        let mut updates = Vec::new();
        let models = self
            .now
            .state
            .averaged
            .iter()
            .filter_map(|&Averaged { update, .. }| {
                let model = match update == self.now.state.update {
                    true => Ok(current.clone()),
                    false => checkpoints.weights(update, current.clone()),
                };
                match model {
                    Ok(model) => {
                        updates.push(update);
                        Some(model)
                    }
                    Err(damage) => {
                        report.say(&format!("{damage}: left out of the average"));
                        None
                    }
                }
            });
        let mean = mean(models);
        (mean, updates)
    }

    /// A sentence about the weights in the model folder of a run that has ended.
    pub(super) fn describe_weights(&self) -> Result<String, TrainError> {
        let metric = self.recipe.training.metric;
        let Some(Best {
            update,
            score,
            averaged,
        }) = &self.now.state.best
        else {
            return Err(TrainError::NoModel);
        };
        let weights = match self.recipe.training.ema {
            Some(decay) => {
                format!("the exponential moving average, decay {decay}, of the weights up to update {update}")
            }
            None if averaged.is_empty() => format!("the weights after update {update}"),
            None => format!("the average of the weights after updates {}", list(averaged)),
        };
        Ok(format!(
            "These are {weights}, the best on the validation pairs: {metric} {score:.2}."
        ))
    }
}

fn list(updates: &[usize]) -> String {
    let updates: Vec<String> = updates.iter().map(usize::to_string).collect();
    updates.join(", ")
}
