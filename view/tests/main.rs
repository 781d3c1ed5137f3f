//! Pictures of small maps, whose numbers are known.

mod attention_map;
mod page;
mod svg;
mod terminal;

use attend_view::AttentionMap;

fn map(queries: &[&str], keys: &[&str], weights: &[&[f32]]) -> AttentionMap {
    let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    AttentionMap {
        queries: owned(queries),
        keys: owned(keys),
        weights: weights.iter().map(|row| row.to_vec()).collect(),
    }
}

fn three() -> AttentionMap {
    map(
        &["Wir", "sind", "hungrig"],
        &["We", "are", "hungry"],
        &[&[0.9, 0.1, 0.0], &[0.25, 0.5, 0.25], &[0.0, 0.0, 1.0]],
    )
}
