//! What training steps minimize: the loss of a network on examples.

use attend_data::{Batch, Example, Padding, TokenMatrix};
use attend_infer::{padding, to_tensor};
use attend_model::{ConfigError, EncoderClassifier, EncoderClassifierConfig, Transformer, TransformerConfig};
use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Device, Tensor};

use crate::labelled::NO_LABEL;
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
    /// The id of the token that the decoder reads first: `<s>`, or another one in models of other toolkits.
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

/// The objective of classification and of tagging: to predict the label of a text, or the tag of each word.
///
/// The target of an example is one label, or for each token of the source the tag of the word that it begins, and else
/// [`u32::MAX`].
#[derive(Clone, Debug)]
pub struct Labelling {
    /// The shape of the network.
    pub config: EncoderClassifierConfig,
}

impl Objective for Labelling {
    type Network = EncoderClassifier;

    fn network(&self, device: &Device) -> Result<EncoderClassifier, ConfigError> {
        EncoderClassifier::new(&self.config, device)
    }

    fn d_model(&self) -> usize {
        self.config.encoder.d_model
    }

    fn targets(&self, example: &Example) -> usize {
        example.target.iter().filter(|&&label| label != NO_LABEL).count()
    }

    fn loss(
        &self,
        network: &EncoderClassifier,
        examples: &[Example],
        device: &Device,
        smoothing: f64,
    ) -> Tensor<1> {
        let encoder = &self.config.encoder;
        let padding = padding(device, encoder.pad_id as u32, encoder.max_length);
        let of_targets = match self.config.pooling {
            Some(_) => Padding::from(NO_LABEL),
            None => Padding {
                token: NO_LABEL,
                ..padding
            },
        };
        let sources: Vec<&[u32]> = examples.iter().map(|example| example.source.as_slice()).collect();
        let targets: Vec<&[u32]> = examples.iter().map(|example| example.target.as_slice()).collect();
        network.loss(
            to_tensor(&TokenMatrix::new(&sources, padding), device),
            to_tensor(&TokenMatrix::new(&targets, of_targets), device),
            smoothing,
        )
    }
}
