//! The loss of a batch of token ids.

use attend_data::Batch;
use attend_infer::to_tensor;
use attend_model::Transformer;
use burn::tensor::{Device, Tensor};

/// Returns the label-smoothed cross-entropy of a batch (Vaswani et al., 2017, section 5.4): `[1]`, in nats, summed over
/// the target tokens without padding. The batch is copied to `device`, which must be the device of the model.
#[must_use]
pub fn batch_loss(model: &Transformer, batch: &Batch, device: &Device, smoothing: f64) -> Tensor<1> {
    model.loss(
        to_tensor(&batch.source, device),
        to_tensor(&batch.target_input, device),
        to_tensor(&batch.target_output, device),
        smoothing,
    )
}
