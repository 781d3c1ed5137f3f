//! The tokenizer `13a`, that of the script `mteval-v13a.pl`.

use super::western::{replace_in_turn, separate_marks, separate_periods_and_hyphens};

pub(super) fn separate(line: &str) -> String {
    const LITERAL: [(&str, &str); 7] = [
        ("<skipped>", ""),
        ("-\n", ""),
        ("\n", " "),
        ("&quot;", "\""),
        ("&amp;", "&"),
        ("&lt;", "<"),
        ("&gt;", ">"),
    ];
    let text = replace_in_turn(line, &LITERAL);
    separate_periods_and_hyphens(separate_marks(format!(" {text} ")))
}
