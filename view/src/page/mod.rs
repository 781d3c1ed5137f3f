//! A page of HTML on which a reader looks at all attentions of a network.

use serde_json::to_string;
use svg::node::Text;

use crate::attention_map::AttentionLayers;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Writes a page that loads no other file. The reader chooses the kind of attention, the layer, and a head, the mean of
/// the heads or all heads in colours. The page shows a map of the weights, and the texts of both sides with lines
/// between them, whose width is the weight, as in the appendix of the paper. The pointer shows single weights. A kind
/// without layers is left out.
#[must_use]
pub fn page(title: &str, kinds: &[AttentionLayers]) -> String {
    let title = Text::new(title).to_string();
    // A script ends at `</script>` wherever it stands, so no `<` may stand in its text.
    let shown: Vec<&AttentionLayers> = kinds.iter().filter(|kind| !kind.layers.is_empty()).collect();
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
         <p id=\"value\" role=\"status\">Point at a cell or at a text.</p>\n\
         <p id=\"legend\"></p>\n\
         <div id=\"pictures\"><div id=\"map\"></div><div id=\"lines\"></div></div>\n</main>\n\
         <script id=\"attention\" type=\"application/json\">{data}</script>\n\
         <script>\n{SCRIPT}</script>\n</body>\n</html>\n"
    )
}
