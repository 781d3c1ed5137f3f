//! What training steps minimize: the loss of a network on examples.

use attend_data::{Batch, Example};
use attend_infer::padding;
use attend_model::{ConfigError, Transformer, TransformerConfig};
use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Device, Tensor};

use crate::loss::batch_loss;

/// A network and its loss on examples, which is what a [`TrainingStep`](crate::TrainingStep) knows of a task.
pub trait Objective: Sync {
    /// The network that is trained.
    type Network: Module + ModuleDisplay + Sync;

    /// Returns a network with initial weights, drawn from the device's random number generator.
    ///
    /// # Errors
    ///
    /// If no network has the shape that is asked for.
    fn network(&self, device: &Device) -> Result<Self::Network, ConfigError>;

    /// Returns the width of the network's layers, by which the schedule `noam` scales learning rates.
    fn d_model(&self) -> usize;

    /// Returns the number of targets in an example: of all that the network predicts.
    fn targets(&self, example: &Example) -> usize;

    /// Returns the label-smoothed cross-entropy of examples, `[1]`, in nats, summed over their targets. `device` must be
    /// the device of the network.
    fn loss(
        &self,
        network: &Self::Network,
        examples: &[Example],
        device: &Device,
        smoothing: f64,
    ) -> Tensor<1>;
}

/// The objective of translation: to predict each token of the target, given the source and the tokens before it.
#[derive(Clone, Debug)]
pub struct Translation {
    /// The shape of the network.
    pub config: TransformerConfig,
    /// The id of `<s>`, which the decoder reads first.
    pub bos_id: u32,
}

impl Objective for Translation {
    type Network = Transformer;

    fn network(&self, device: &Device) -> Result<Transformer, ConfigError> {
        Transformer::new(&self.config, device)
    }

    fn d_model(&self) -> usize {
        self.config.d_model
    }

    fn targets(&self, example: &Example) -> usize {
        example.target.len()
    }

    fn loss(
        &self,
        network: &Transformer,
        examples: &[Example],
        device: &Device,
        smoothing: f64,
    ) -> Tensor<1> {
        let padding = padding(device, self.config.pad_id as u32, self.config.max_length);
        let batch = Batch::new(examples, padding, self.bos_id);
        batch_loss(network, &batch, device, smoothing)
    }
}
