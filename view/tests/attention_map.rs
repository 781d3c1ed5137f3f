//! Heads of a layer, and their mean.

use attend_view::{AttentionLayers, AttentionMap};

use crate::three;

fn kind() -> AttentionLayers {
    AttentionLayers {
        name: "decoder to encoder".to_owned(),
        queries: vec!["Wir".to_owned()],
        keys: vec!["We".to_owned(), "are".to_owned()],
        layers: vec![vec![vec![vec![1.0, 0.0]], vec![vec![0.5, 0.5]]], vec![]],
    }
}

#[test]
fn a_head_is_a_map_and_so_is_the_mean_of_a_layer() {
    let kind = kind();
    let head = kind.head(0, 1).unwrap();
    assert_eq!(head.weights, [[0.5, 0.5]]);
    assert_eq!(
        (head.queries, head.keys),
        (kind.queries.clone(), kind.keys.clone())
    );
    assert_eq!(kind.mean(0).unwrap().weights, [[0.75, 0.25]]);
}

#[test]
fn there_is_no_map_of_what_does_not_exist() {
    let kind = kind();
    assert_eq!(kind.head(0, 2), None);
    assert_eq!(kind.head(2, 0), None);
    assert_eq!((kind.mean(1), kind.mean(2)), (None, None));
}

#[test]
fn a_map_whose_weights_do_not_fit_its_texts_is_not_read() {
    let text = serde_json::to_string(&three()).unwrap();
    assert_eq!(serde_json::from_str::<AttentionMap>(&text).unwrap(), three());
    let error = |old: &str, new: &str| {
        let damaged = text.replace(old, new);
        serde_json::from_str::<AttentionMap>(&damaged)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(error(",\"hungrig\"", ""), "2 queries have 3 rows of weights");
    assert_eq!(error(",\"hungry\"", ""), "2 keys have 3 weights in a row");
    assert_eq!(
        error("[0.25,0.5,0.25]", "[0.25,0.5]"),
        "3 keys have 2 weights in a row"
    );
}
