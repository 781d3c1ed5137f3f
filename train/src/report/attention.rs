//! The attention at several validations, as a part of the page.

use attend_view::svg;

use crate::attention_record::AttentionRecord;

/// The maximum number of validations that are shown.
const VALIDATIONS: usize = 6;

/// Returns a figure with a row for each pair and a map for each validation, from the first to the last; an empty text if
/// there is no attention. Of many validations, some are shown, spread evenly.
pub(super) fn figure(records: &[AttentionRecord]) -> String {
    let records: Vec<&AttentionRecord> = shown(records.len()).map(|place| &records[place]).collect();
    let pairs = records.iter().map(|record| record.maps.len()).min().unwrap_or(0);
    if pairs == 0 {
        return String::new();
    }
    let row = |pair: usize| {
        let maps = records.iter();
        let titled =
            |record: &&AttentionRecord| (format!("update {}", record.update), record.maps[pair].clone());
        maps.map(titled).collect()
    };
    let picture = svg(&(0..pairs).map(row).collect::<Vec<_>>());
    format!(
        "<figure class=\"attention\">\n<figcaption><b>Attention to the source</b><span>of the references of the first \
         validation pairs, mean of the heads of the second-to-last layer</span></figcaption>\n{picture}\n</figure>\n"
    )
}

/// Returns the places of the validations to show of `count`: the first and the last among them.
fn shown(count: usize) -> impl Iterator<Item = usize> {
    let shown = count.min(VALIDATIONS);
    (0..shown).map(move |place| match shown {
        1 => 0,
        _ => place * (count - 1) / (shown - 1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_validation_are_shown() {
        let places = |count| shown(count).collect::<Vec<_>>();
        assert!(places(0).is_empty());
        assert_eq!(places(1), [0]);
        assert_eq!(places(6), [0, 1, 2, 3, 4, 5]);
        assert_eq!(places(11), [0, 2, 4, 6, 8, 10]);
    }

    #[test]
    fn without_attention_there_is_no_figure() {
        assert_eq!(figure(&[]), "");
        let record = AttentionRecord {
            update: 5,
            maps: Vec::new(),
        };
        assert_eq!(figure(&[record]), "");
    }
}
