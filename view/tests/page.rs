//! The page of attention, opened in a browser.
//!
//! The tests need Chromium (Debian's package `chromium`): `just test-page` runs them. A script at the end of the page
//! chooses and points as a reader does, and Chromium prints the page with what the script has read.

use std::fs;
use std::process::Command;

use attend_view::{AttentionLayers, page};

/// What the scripts of the tests use. `read` takes values of any kind.
const HELPERS: &str = r#"
const found = [];
const read = (value) => found.push(String(value));
const all = (selector) => [...document.querySelectorAll(selector)];
const choose = (id, place) => {
    const choice = document.getElementById(id);
    choice.selectedIndex = place;
    choice.dispatchEvent(new Event("change"));
};
const options = (id) => [...document.getElementById(id).options].map((option) => option.text);
/** Moves the pointer to the middle of an element, and returns what the page then says. */
const point = (selector, place) => {
    const box = all(selector)[place].getBoundingClientRect();
    const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    top.dispatchEvent(new PointerEvent("pointerenter"));
    return document.getElementById("value").textContent;
};
"#;

/// Two kinds: two layers of two heads, and one layer of one head.
fn kinds() -> [AttentionLayers; 2] {
    let texts = |texts: &str| texts.split(' ').map(str::to_owned).collect();
    let (even, first) = (vec![vec![0.5, 0.5]; 3], vec![vec![1.0, 0.0]; 3]);
    [
        AttentionLayers {
            name: "decoder to encoder".to_owned(),
            queries: texts("Wir sind </script>"),
            keys: texts("We are"),
            layers: vec![vec![even.clone(), first.clone()], vec![first, even]],
        },
        AttentionLayers {
            name: "encoder self-attention".to_owned(),
            queries: texts("We are"),
            keys: texts("We are"),
            layers: vec![vec![vec![vec![0.125, 0.875], vec![0.75, 0.25]]]],
        },
    ]
}

/// Opens a page in Chromium, runs a script on it, and returns what the script has read.
fn read(kinds: &[AttentionLayers], script: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("attention.html");
    let script = format!(
        "<script>(() => {{ {HELPERS} {script}\n\
         const end = document.createElement('pre');\n\
         end.id = 'found';\n\
         end.textContent = encodeURIComponent(JSON.stringify(found));\n\
         document.body.append(end); }})();</script>\n</body>"
    );
    fs::write(&path, page("We are <b>", kinds).replace("</body>", &script)).unwrap();
    let output = Command::new("chromium")
        // A container gives its processes no namespaces of their own, which the sandbox needs.
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--window-size=1280,900",
            "--dump-dom",
        ])
        .arg(format!(
            "--user-data-dir={}",
            folder.path().join("profile").display()
        ))
        .arg(format!("file://{}", path.display()))
        .output()
        .expect("Chromium is installed");
    let shown = String::from_utf8(output.stdout).unwrap();
    let (_, found) = shown
        .split_once("<pre id=\"found\">")
        .unwrap_or_else(|| panic!("{shown}"));
    let (found, _) = found.split_once("</pre>").unwrap();
    let found = percent_decoded(found);
    serde_json::from_str(&found).unwrap()
}

fn percent_decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend(part[2..].bytes());
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
#[ignore = "needs Chromium; `just test-page` runs it, and CI does"]
fn a_reader_chooses_kind_layer_and_head_and_reads_values() {
    let found = read(
        &kinds(),
        r##"
        read(document.title);
        read(options("kind"));
        read(options("head"));
        read(point("#map rect", 0));
        read(point("#map rect", 5));
        choose("head", 3);
        read(point("#map rect", 0));
        read(all("#map rect").slice(0, 2).map((cell) => cell.getAttribute("fill")));
        choose("layer", 1);
        read(document.getElementById("value").textContent);
        read(point("#map rect", 0));
        choose("kind", 1);
        read(options("layer"));
        read(options("head"));
        read(all("#map rect").length);
        read(point("#lines text.query", 0));
        read(point("#lines text.key", 0));
        "##,
    );
    assert_eq!(
        found,
        [
            "We are <b>",
            "decoder to encoder,encoder self-attention",
            "mean,all, in colours,1,2",
            // The mean of the heads of layer 1 is 0.75 and 0.25.
            "Wir → We: 0.750  ·  head 1 0.500  ·  head 2 1.000",
            "</script> → are: 0.250  ·  head 1 0.500  ·  head 2 0.000",
            "Wir → We: 1.000",
            "rgb(8, 48, 107),rgb(255, 255, 255)",
            // A value of another layer would be a wrong one.
            "Point at a cell or at a text.",
            "Wir → We: 0.500",
            "1",
            "mean,all, in colours,1",
            "4",
            "We → are 0.875  ·  We 0.125",
            "We ← are 0.750  ·  We 0.125",
        ]
    );
}

#[test]
#[ignore = "needs Chromium; `just test-page` runs it, and CI does"]
fn the_width_of_a_line_is_its_weight() {
    let found = read(
        &kinds(),
        r##"
        const widths = () => all("#lines line").map((line) => line.getAttribute("stroke-width"));
        choose("head", 3);
        read(widths());
        choose("head", 1);
        read(widths().length);
        read(new Set(all("#lines line").map((line) => line.getAttribute("stroke"))).size);
        read(all("#legend span").map((head) => head.textContent));
        point("#lines text.query", 0);
        read(all("#lines line.faint").length);
        "##,
    );
    // Weights of 0 have no line. Of the nine lines of both heads, three belong to the text that is pointed at.
    assert_eq!(found, ["6,6,6", "9", "2", "head 1,head 2", "6"]);
}

/// A picture that is wider than the page is neither smaller nor surrounded by blank space: the reader scrolls.
#[test]
#[ignore = "needs Chromium; `just test-page` runs it, and CI does"]
fn a_long_sentence_scrolls() {
    let words: Vec<String> = (0..60).map(|word| format!("w{word}")).collect();
    let long = AttentionLayers {
        name: "encoder self-attention".to_owned(),
        queries: words.clone(),
        keys: words,
        layers: vec![vec![vec![vec![1.0 / 60.0; 60]; 60]]],
    };
    let found = read(
        &[long],
        r##"
        const box = (selector) => document.querySelector(selector).getBoundingClientRect();
        read(box("#map rect").top - box("#map svg").top < 80);
        read(Math.round(box("#map rect").width));
        read(document.documentElement.scrollWidth <= innerWidth);
        const map = document.getElementById("map");
        read(map.scrollWidth > map.clientWidth);
        read(JSON.parse(document.getElementById("attention").textContent)[0].layers[0][0][0][0]);
        "##,
    );
    assert_eq!(found, ["true", "24", "true", "true", "0.0167"]);
}

#[test]
#[ignore = "needs Chromium; `just test-page` runs it, and CI does"]
fn a_kind_without_layers_is_no_choice() {
    let mut kinds = kinds();
    kinds[0].layers.clear();
    let found = read(&kinds, r#"read(options("kind"));"#);
    assert_eq!(found, ["encoder self-attention"]);
}

#[test]
#[ignore = "needs Chromium; `just test-page` runs it, and CI does"]
fn a_page_without_attention_is_a_page() {
    let found = read(&[], r#"read(document.querySelector("h1").textContent);"#);
    assert_eq!(found, ["We are <b>"]);
}
