//! Masks, which are `true` where a position is hidden from attention.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

/// Returns the mask that hides padding from every query.
///
/// With `pad_id` 0 the ids `[[7, 2, 0], [2, 0, 0]]` have the mask `[false, false, true]` in the first row and
/// `[false, true, true]` in the second.
///
/// # Shapes
///
/// - ids: `[batch, seq]`
/// - output: `[batch, 1, 1, seq]`, broadcast over heads and queries
pub fn padding_mask(ids: Tensor<2, Int>, pad_id: usize) -> Tensor<4, Bool> {
    ids.equal_elem(pad_id as i64).unsqueeze_dims(&[1, 1])
}

/// Returns the mask that hides later positions: each position sees itself and the positions before it (section 3.2.3).
///
/// For example, the mask of three positions has one row per query and one column per key. A × marks a hidden key:
///
/// ```text
/// · × ×
/// · · ×
/// · · ·
/// ```
///
/// # Shapes
///
/// - output: `[1, 1, seq, seq]`, broadcast over batch and heads
pub fn causal_mask(seq: usize, device: &Device) -> Tensor<4, Bool> {
    let hidden: Vec<bool> = (0..seq)
        .flat_map(|query| (0..seq).map(move |key| key > query))
        .collect();
    Tensor::from_data(TensorData::new(hidden, [1, 1, seq, seq]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(mask: Tensor<4, Bool>) -> Vec<bool> {
        mask.into_data().iter::<bool>().collect()
    }

    #[test]
    fn padding_is_hidden_from_every_query() {
        let device = Device::default();
        let ids = Tensor::from_ints([[7, 2, 0], [2, 0, 0]], &device);
        let mask = padding_mask(ids, 0);
        assert_eq!(mask.dims(), [2, 1, 1, 3]);
        assert_eq!(hidden(mask), [false, false, true, false, true, true]);
    }

    #[test]
    fn later_positions_are_hidden() {
        let mask = causal_mask(3, &Device::default());
        assert_eq!(mask.dims(), [1, 1, 3, 3]);
        assert_eq!(
            hidden(mask),
            [false, true, true, false, false, true, false, false, false]
        );
    }
}
