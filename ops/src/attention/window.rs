//! Which keys a query sees by their distance.

use burn::tensor::{Bool, Device, Int, Tensor};

/// The keys that a query sees: its own position, `before` positions before it and `after` positions after it.
///
/// The query at index `i` has the position of the key at index `i`. For example, of five positions with one `before` and
/// none `after`, a row for each query and a column for each key, a × marks a key that is out of sight:
///
/// ```text
/// · × × × ×
/// · · × × ×
/// × · · × ×
/// × × · · ×
/// × × × · ·
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The number of positions before its own that a query sees; [`usize::MAX`] for all.
    pub before: usize,
    /// The number of positions after its own that a query sees; [`usize::MAX`] for all.
    pub after: usize,
}

impl Window {
    /// Every query sees all keys, as in the encoder's self-attention and in cross-attention.
    pub const ALL: Self = Self {
        before: usize::MAX,
        after: usize::MAX,
    };

    /// A query sees its own position and those before it, as in the decoder's self-attention (section 3.2.3).
    pub const CAUSAL: Self = Self {
        before: usize::MAX,
        after: 0,
    };

    /// Returns the window without the positions that are more than `radius` before or after a query's own: restricted
    /// self-attention (section 4).
    #[must_use]
    pub fn restricted_to(self, radius: usize) -> Self {
        Self {
            before: self.before.min(radius),
            after: self.after.min(radius),
        }
    }

    /// Returns a mask, which is `true` where a key is out of a query's sight.
    ///
    /// # Shapes
    ///
    /// - output: `[1, 1, queries, keys]`, broadcast over batch and heads
    #[must_use]
    pub fn mask(self, queries: usize, keys: usize, device: &Device) -> Tensor<4, Bool> {
        let shape = [1, 1, queries, keys];
        let position = |length: usize| Tensor::<1, Int>::arange(0..length as i64, device);
        let query = position(queries).reshape([1, 1, queries, 1]);
        let key = || position(keys).reshape([1, 1, 1, keys]).expand(shape);
        // A side without a limit hides nothing, and takes no operation.
        let limit = |most: usize| (most != usize::MAX).then(|| most.min(queries.max(keys)) as i64);
        let too_late = limit(self.after).map(|after| key().greater((query.clone() + after).expand(shape)));
        let too_early = limit(self.before).map(|before| key().lower((query - before).expand(shape)));
        match (too_late, too_early) {
            (Some(late), Some(early)) => late.bool_or(early),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => Tensor::zeros(shape, device),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a line for each query, with an x at each key that is out of sight.
    fn drawn(window: Window, queries: usize, keys: usize) -> Vec<String> {
        let mask = window.mask(queries, keys, &Device::default());
        assert_eq!(mask.dims(), [1, 1, queries, keys]);
        let hidden: Vec<bool> = mask.into_data().iter::<bool>().collect();
        let draw = |row: &[bool]| row.iter().map(|&hidden| if hidden { 'x' } else { '.' }).collect();
        hidden.chunks(keys).map(draw).collect()
    }

    #[test]
    fn positions_out_of_sight_are_hidden() {
        assert_eq!(drawn(Window::ALL, 2, 3), ["...", "..."]);
        assert_eq!(drawn(Window::CAUSAL, 3, 3), [".xx", "..x", "..."]);
        assert_eq!(
            drawn(Window::ALL.restricted_to(1), 4, 4),
            ["..xx", "...x", "x...", "xx.."]
        );
        assert_eq!(
            drawn(Window::CAUSAL.restricted_to(1), 4, 4),
            [".xxx", "..xx", "x..x", "xx.."]
        );
        let window = Window { before: 0, after: 2 };
        assert_eq!(drawn(window, 5, 3), ["...", "x..", "xx.", "xxx", "xxx"]);
    }
}
