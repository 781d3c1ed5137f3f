//! The page of attention, opened in a browser.
//!
//! The tests need Chromium (Debian's package `chromium`): `just test-page` runs them.

use std::fs;
use std::sync::Arc;

use attend_view::{AttentionKind, page};
use headless_chrome::{Browser, LaunchOptions, Tab};
use tempfile::TempDir;

/// A page that is open in a browser.
struct Opened {
    tab: Arc<Tab>,
    _browser: Browser,
    _folder: TempDir,
}

/// Two kinds: two layers of two heads, and one layer of one head.
fn kinds() -> [AttentionKind; 2] {
    let texts = |texts: &str| texts.split(' ').map(str::to_owned).collect();
    let (even, first) = (vec![vec![0.5, 0.5]; 3], vec![vec![1.0, 0.0]; 3]);
    [
        AttentionKind {
            name: "decoder to encoder".to_owned(),
            queries: texts("Wir sind </script>"),
            keys: texts("We are"),
            layers: vec![vec![even.clone(), first.clone()], vec![first, even]],
        },
        AttentionKind {
            name: "encoder self-attention".to_owned(),
            queries: texts("We are"),
            keys: texts("We are"),
            layers: vec![vec![vec![vec![0.125, 0.875], vec![0.75, 0.25]]]],
        },
    ]
}

impl Opened {
    fn new(kinds: &[AttentionKind]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("attention.html");
        fs::write(&path, page("We are <b>", kinds)).unwrap();
        // A container gives its processes no namespaces of their own, which the sandbox needs.
        let options = LaunchOptions::default_builder().sandbox(false).build().unwrap();
        let browser = Browser::new(options).expect("Chromium starts");
        let tab = browser.new_tab().unwrap();
        tab.navigate_to(&format!("file://{}", path.display())).unwrap();
        tab.wait_until_navigated().unwrap();
        Self {
            tab,
            _browser: browser,
            _folder: folder,
        }
    }

    /// The value of an expression of JavaScript.
    fn value(&self, expression: &str) -> String {
        let found = self
            .tab
            .evaluate(&format!("String({expression})"), false)
            .unwrap();
        found.value.unwrap().as_str().unwrap().to_owned()
    }

    fn choose(&self, id: &str, place: usize) {
        self.value(&format!(
            "(() => {{ const choice = document.getElementById('{id}'); choice.selectedIndex = {place}; \
             choice.dispatchEvent(new Event('change')); }})()"
        ));
    }

    /// What the page says when the pointer is on the element at `place` of those that `selector` finds.
    fn pointed_at(&self, selector: &str, place: usize) -> String {
        let elements = self.tab.find_elements(selector).unwrap();
        elements[place].move_mouse_over().unwrap();
        self.value("document.getElementById('value').textContent")
    }

    fn options(&self, id: &str) -> String {
        self.value(&format!(
            "[...document.getElementById('{id}').options].map((option) => option.text)"
        ))
    }

    fn fills(&self) -> String {
        self.value(
            "[...document.querySelectorAll('#map rect')].map((cell) => cell.getAttribute('fill')).join(' ')",
        )
    }
}

#[test]
#[ignore = "needs Chromium"]
fn a_reader_chooses_kind_layer_and_head_and_reads_values() {
    let opened = Opened::new(&kinds());
    assert_eq!(opened.value("document.title"), "We are <b>");
    assert_eq!(
        opened.options("kind"),
        "decoder to encoder,encoder self-attention"
    );
    assert_eq!(opened.options("head"), "mean,all, in colours,1,2");
    // The mean of the heads of layer 1 is 0.75 and 0.25.
    assert_eq!(
        opened.pointed_at("#map rect", 0),
        "Wir → We: 0.750  ·  head 1 0.500  ·  head 2 1.000"
    );
    assert_eq!(
        opened.pointed_at("#map rect", 5).split(':').next(),
        Some("</script> → are")
    );

    opened.choose("head", 3);
    assert_eq!(opened.pointed_at("#map rect", 0), "Wir → We: 1.000");
    assert!(opened.fills().starts_with("rgb(8, 48, 107) rgb(255, 255, 255) "));
    opened.choose("layer", 1);
    assert_eq!(opened.pointed_at("#map rect", 0), "Wir → We: 0.500");

    opened.choose("kind", 1);
    assert_eq!(opened.options("layer"), "1");
    assert_eq!(opened.options("head"), "mean,all, in colours,1");
    assert_eq!(opened.value("document.querySelectorAll('#map rect').length"), "4");
    assert_eq!(
        opened.pointed_at("#lines text.query", 0),
        "We → are 0.875  ·  We 0.125"
    );
    assert_eq!(
        opened.pointed_at("#lines text.key", 0),
        "We ← are 0.750  ·  We 0.125"
    );
}

#[test]
#[ignore = "needs Chromium"]
fn the_width_of_a_line_is_its_weight() {
    let opened = Opened::new(&kinds());
    let widths = |opened: &Opened| {
        opened.value(
            "[...document.querySelectorAll('#lines line')].map((line) => line.getAttribute('stroke-width'))",
        )
    };
    opened.choose("head", 3);
    // Weights of 0 have no line.
    assert_eq!(widths(&opened), "6,6,6");
    opened.choose("head", 1);
    assert_eq!(widths(&opened).matches(',').count() + 1, 6 + 3);
    let colours = opened.value(
        "new Set([...document.querySelectorAll('#lines line')].map((line) => line.getAttribute('stroke'))).size",
    );
    assert_eq!(colours, "2");
    // The lines of other texts fade while the pointer is on one.
    opened.pointed_at("#lines text.query", 0);
    assert_eq!(
        opened.value("document.querySelectorAll('#lines line.faint').length"),
        "6"
    );
}

#[test]
#[ignore = "needs Chromium"]
fn a_page_without_attention_is_a_page() {
    let opened = Opened::new(&[]);
    assert_eq!(
        opened.value("document.querySelector('h1').textContent"),
        "We are <b>"
    );
}
