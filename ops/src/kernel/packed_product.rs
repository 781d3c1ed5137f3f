//! Products with a weight that was packed once.

use pulp::{Simd, WithSimd};

/// Columns of a panel: as many as fill three of the widest registers.
pub(crate) const PANEL: usize = 48;

/// Registers of a row of sums.
const REGISTERS: usize = 3;
/// Rows whose sums fill 24 of 32 registers.
const ROWS: usize = 8;

/// `out = rows · W` of `n_rows` rows. The columns of `W` lie in panels of [`PANEL`], each `[d_input, PANEL]`; the
/// last panel may have more columns than `out`.
pub(crate) fn packed_product(out: &mut [f32], rows: &[f32], panels: &[f32], n_rows: usize) {
    pulp::Arch::new().dispatch(PackedProduct::new(out, rows, panels, n_rows));
}

struct PackedProduct<'a> {
    out: &'a mut [f32],
    d_output: usize,
    rows: &'a [f32],
    d_input: usize,
    panels: &'a [f32],
}

impl WithSimd for PackedProduct<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        // The widest vectors come with 32 registers, others with at least 16.
        match lanes::<S>() {
            16 => self.all::<S, ROWS>(simd),
            _ => self.all::<S, { ROWS / 2 }>(simd),
        }
    }
}

fn lanes<S: Simd>() -> usize {
    size_of::<S::f32s>() / size_of::<f32>()
}

impl<'a> PackedProduct<'a> {
    fn new(out: &'a mut [f32], rows: &'a [f32], panels: &'a [f32], n_rows: usize) -> Self {
        Self {
            d_output: out.len() / n_rows,
            out,
            d_input: rows.len() / n_rows,
            rows,
            panels,
        }
    }

    /// The whole product, `M` rows at a time. A single row goes alone, since it waits for memory anyway.
    #[inline(always)]
    fn all<S: Simd, const M: usize>(&mut self, simd: S) {
        let n_rows = self.rows.len() / self.d_input;
        let alone = n_rows % M == 1;
        let groups = (n_rows - usize::from(alone)).div_ceil(M);
        let packed: Vec<[f32; M]> = (0..groups).flat_map(|group| self.pack::<M>(group * M)).collect();
        let last: Vec<[f32; 1]> = match alone {
            true => self.pack(n_rows - 1).collect(),
            false => Vec::new(),
        };
        // A panel stays in a near cache while all rows pass by it.
        for panel in 0..self.d_output.div_ceil(PANEL) {
            for part in (0..PANEL).step_by(REGISTERS * lanes::<S>()) {
                for (group, rows) in packed.chunks_exact(self.d_input).enumerate() {
                    self.tile::<S, M>(simd, group * M, rows, panel, part);
                }
                if alone {
                    self.tile::<S, 1>(simd, n_rows - 1, &last, panel, part);
                }
            }
        }
    }

    /// Each column of `M` rows from `row` on, zeros beyond the last.
    #[inline(always)]
    fn pack<const M: usize>(&self, row: usize) -> impl Iterator<Item = [f32; M]> {
        let (rows, d_input) = (self.rows, self.d_input);
        (0..d_input).map(move |k| {
            std::array::from_fn(|i| rows.get((row + i) * d_input + k).copied().unwrap_or_default())
        })
    }

    /// `M` rows of the columns that start at `part` of a panel.
    #[inline(always)]
    fn tile<S: Simd, const M: usize>(
        &mut self,
        simd: S,
        row: usize,
        rows: &[[f32; M]],
        panel: usize,
        part: usize,
    ) {
        let (panels, _) = self.panels.as_chunks::<PANEL>();
        let panel_rows = &panels[panel * self.d_input..][..self.d_input];
        let mut sums = [[simd.splat_f32s(0.0); REGISTERS]; M];
        for (factors, values) in rows.iter().zip(panel_rows) {
            let (values, _) = S::as_simd_f32s(&values[part..]);
            let values: &[_; REGISTERS] = values.first_chunk().expect("a part is within its panel");
            for i in 0..M {
                let factor = simd.splat_f32s(factors[i]);
                for j in 0..REGISTERS {
                    sums[i][j] = simd.mul_add_e_f32s(factor, values[j], sums[i][j]);
                }
            }
        }
        let first = panel * PANEL + part;
        let out_rows = self.out.chunks_exact_mut(self.d_output).skip(row);
        for (out, sums) in out_rows.zip(&sums) {
            let sums: &[f32] = pulp::bytemuck::cast_slice(sums);
            // Beyond the last column there is nothing to write.
            let out = out.get_mut(first..).unwrap_or_default();
            let columns = sums.len().min(out.len());
            out[..columns].copy_from_slice(&sums[..columns]);
        }
    }
}

#[cfg(test)]
mod tests {
    use pulp::Scalar;

    use super::*;

    /// Whole numbers, whose sums are exact in any order.
    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count)
            .map(|index| ((index * 7 + seed) % 13) as f32 - 6.0)
            .collect()
    }

    #[test]
    fn vectors_of_every_width_give_the_exact_product() {
        for (n_rows, d_input, d_output) in [
            (1, 3, 1),
            (2, 5, 48),
            (5, 1, 50),
            (9, 4, 72),
            (16, 8, 97),
            (17, 2, 130),
        ] {
            let (rows, weight) = (numbers(n_rows * d_input, 1), numbers(d_input * d_output, 2));
            let mut panels = vec![0.0; d_output.div_ceil(PANEL) * d_input * PANEL];
            let mut expected = vec![0.0; n_rows * d_output];
            for column in 0..d_output {
                for k in 0..d_input {
                    let value = weight[k * d_output + column];
                    panels[(column / PANEL * d_input + k) * PANEL + column % PANEL] = value;
                    for row in 0..n_rows {
                        expected[row * d_output + column] += rows[row * d_input + k] * value;
                    }
                }
            }
            let mut out = vec![f32::NAN; n_rows * d_output];
            packed_product(&mut out, &rows, &panels, n_rows);
            assert_eq!(out, expected, "{n_rows} rows, {d_input} to {d_output}");
            out.fill(f32::NAN);
            PackedProduct::new(&mut out, &rows, &panels, n_rows).with_simd(Scalar);
            assert_eq!(
                out, expected,
                "{n_rows} rows, {d_input} to {d_output}, no vectors"
            );
            #[cfg(target_arch = "x86_64")]
            if let Some(avx2) = pulp::x86::V3::try_new() {
                out.fill(f32::NAN);
                Simd::vectorize(avx2, PackedProduct::new(&mut out, &rows, &panels, n_rows));
                assert_eq!(out, expected, "{n_rows} rows, {d_input} to {d_output}, AVX2");
            }
        }
    }
}
