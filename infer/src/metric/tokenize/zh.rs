//! The tokenizer `zh`, which makes each Chinese character a word.

use std::ops::RangeInclusive;

use super::western::{separate_marks, separate_periods_and_hyphens};

/// The characters that sacreBLEU takes for Chinese ones. It writes the ideographs beyond U+FFFF, such as those from
/// U+20000 to U+2A6D6, as `\u2000` followed by `0` to `\u2a6d` followed by `6`, which is another range: that of
/// U+2001 to U+2A6D. So punctuation and arrows are words of their own, and the rarest ideographs are not.
const CHINESE: [RangeInclusive<char>; 18] = [
    '\u{3400}'..='\u{4db5}',
    '\u{4e00}'..='\u{9fbb}',
    '\u{f900}'..='\u{fa2d}',
    '\u{fa30}'..='\u{fa6a}',
    '\u{fa70}'..='\u{fad9}',
    '\u{2001}'..='\u{2a6d}',
    '\u{ff00}'..='\u{ffef}',
    '\u{2e80}'..='\u{2eff}',
    '\u{3000}'..='\u{303f}',
    '\u{31c0}'..='\u{31ef}',
    '\u{2f00}'..='\u{2fdf}',
    '\u{2ff0}'..='\u{2fff}',
    '\u{3100}'..='\u{312f}',
    '\u{31a0}'..='\u{31bf}',
    '\u{fe10}'..='\u{fe1f}',
    '\u{fe30}'..='\u{fe4f}',
    '\u{3200}'..='\u{32ff}',
    '\u{3300}'..='\u{33ff}',
];

pub(super) fn separate(line: &str) -> String {
    let mut separated = String::new();
    for c in line.chars() {
        if CHINESE.iter().any(|range| range.contains(&c)) {
            separated.extend([' ', c, ' ']);
        } else {
            separated.push(c);
        }
    }
    separate_periods_and_hyphens(separate_marks(separated))
}
