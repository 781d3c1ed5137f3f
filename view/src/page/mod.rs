//! A page of HTML on which a reader looks at all attentions of a network.

use html_escape::encode_text;
use serde_json::to_string;

use crate::attention_map::AttentionLayers;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Writes a page that loads no other file. The reader chooses the kind of attention, the layer, and a head, the mean of
/// the heads or all heads in colours. The page shows a map of the weights, and the texts of both sides with lines
/// between them, whose width is the weight, as in the appendix of the paper. The pointer shows single weights. A kind
/// without layers is left out. Weights have four decimals, of which the page shows three.
#[must_use]
pub fn page(title: &str, kinds: &[AttentionLayers]) -> String {
    let title = encode_text(title);
    let shown = kinds.iter().filter(|kind| !kind.layers.is_empty());
    let shown: Vec<AttentionLayers> = shown.cloned().map(rounded).collect();
    // A script ends at `</script>` wherever it stands, so no `<` may stand in its text.
    let data = to_string(&shown)
        .expect("texts and numbers always serialize")
        .replace('<', "\\u003c");
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n\
         <form>\n<label>Attention <select id=\"kind\"></select></label>\n\
         <label>Layer <select id=\"layer\"></select></label>\n\
         <label>Head <select id=\"head\"></select></label>\n</form>\n\
         <p id=\"value\" role=\"status\"></p>\n\
         <p id=\"legend\"></p>\n\
         <div id=\"pictures\"><div id=\"map\"></div><div id=\"lines\"></div></div>\n</main>\n\
         <script id=\"attention\" type=\"application/json\">{data}</script>\n\
         <script>\n{SCRIPT}</script>\n</body>\n</html>\n"
    )
}

/// Rounds the weights to four decimals, which makes the page of a long sentence half as large.
fn rounded(mut kind: AttentionLayers) -> AttentionLayers {
    let heads = kind.layers.iter_mut().flatten();
    for weight in heads.flatten().flatten() {
        *weight = (10_000.0 * *weight).round() / 10_000.0;
    }
    kind
}
