//! The mask of padding, which is `true` where a position is hidden from attention.

use burn::tensor::{Bool, Int, Tensor};

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

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

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
}
