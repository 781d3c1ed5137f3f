//! Heat maps of a terminal, as text.

use attend_view::{AttentionMap, Colours, Terminal};
use unicode_width::UnicodeWidthStr;

use crate::{map, three};

const PLAIN: Terminal = Terminal {
    columns: 80,
    colours: Colours::None,
    unicode: true,
};

#[test]
fn without_colours_a_cell_has_a_shade_and_a_number() {
    assert_eq!(
        PLAIN.heat_map(&three()),
        "        We   are  hungry\n\
         Wir     █ 90   10    0\n\
         sind    ░ 25 ▒ 50 ░ 25\n\
         hungrig    0    0 █100\n"
    );
    let ascii = Terminal {
        unicode: false,
        ..PLAIN
    };
    assert_eq!(
        ascii.heat_map(&three()),
        "        We   are  hungry\n\
         Wir     # 90   10    0\n\
         sind    . 25 : 50 . 25\n\
         hungrig    0    0 #100\n"
    );
}

#[test]
fn a_cell_has_the_colour_of_its_weight() {
    let one = map(&["a"], &["b"], &[&[1.0]]);
    let coloured = |colours| Terminal { colours, ..PLAIN }.heat_map(&one);
    assert_eq!(
        coloured(Colours::True),
        "  b\na \u{1b}[38;2;255;255;255m\u{1b}[48;2;8;48;107m100 \u{1b}[0m\n"
    );
    // In xterm's palette, 231 is white, and 23 is (0, 95, 95), the nearest to (8, 48, 107).
    assert_eq!(
        coloured(Colours::Palette),
        "  b\na \u{1b}[38;5;231m\u{1b}[48;5;23m100 \u{1b}[0m\n"
    );
}

#[test]
fn a_narrow_terminal_has_the_map_in_parts() {
    let narrow = Terminal { columns: 20, ..PLAIN };
    let drawn = narrow.heat_map(&three());
    assert_eq!(
        drawn,
        "       We   are\n\
         Wir    █ 90   10\n\
         sind   ░ 25 ▒ 50\n\
         hungr…    0    0\n\
         \n\
         \x20      hungry\n\
         Wir       0\n\
         sind   ░ 25\n\
         hungr… █100\n"
    );
    for columns in 0..60 {
        let terminal = Terminal { columns, ..PLAIN };
        let widest = terminal
            .heat_map(&three())
            .lines()
            .map(UnicodeWidthStr::width)
            .max();
        assert!(widest.unwrap() <= columns.max(7), "{columns}: {widest:?}");
    }
}

#[test]
fn wide_and_combining_characters_are_aligned() {
    let map = map(
        &["我们", "e\u{301}te\u{301}", "हिन्दी", "a\u{7}b"],
        &["苹果手机很贵很贵", "x"],
        &[&[1.0, 0.0][..]; 4],
    );
    let drawn = PLAIN.heat_map(&map);
    let places: Vec<usize> = drawn
        .lines()
        .skip(1)
        .map(|line| line[..line.find('█').unwrap()].width())
        .collect();
    assert_eq!(places, [places[0]; 4]);
    // The heading is cut between characters, with room for the dots: five characters of two columns.
    assert!(drawn.lines().next().unwrap().contains("苹果手机很…"), "{drawn}");
}

#[test]
fn a_map_without_positions_is_no_picture() {
    assert_eq!(PLAIN.heat_map(&AttentionMap::default()), "");
}
