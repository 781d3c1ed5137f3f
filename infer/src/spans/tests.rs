use proptest::prelude::*;

use super::restore::Restored;
use super::stand_ins::occurrences;
use super::*;
use crate::links::{Link, words};

const ALL: [SpanKind; 5] = [
    SpanKind::Urls,
    SpanKind::Emails,
    SpanKind::Placeholders,
    SpanKind::Emoji,
    SpanKind::Numbers,
];

fn found<'t>(text: &'t str, kinds: &[SpanKind]) -> Vec<&'t str> {
    let spans = find(text, kinds, Vec::new());
    spans.into_iter().map(|span| &text[span.range]).collect()
}

#[test]
fn each_kind_is_found_whole_and_nothing_else_is() {
    let cases: &[(SpanKind, &str, &[&str])] = &[
        (
            SpanKind::Urls,
            "See (https://example.org/a_(b)?c=d#e), or not.",
            &["https://example.org/a_(b)?c=d#e"],
        ),
        (
            SpanKind::Urls,
            "www.example.org/x and report.PDF, Node.Js",
            &["www.example.org/x"],
        ),
        (SpanKind::Urls, "Write to a@example.org.", &[]),
        (
            SpanKind::Emails,
            "Write to anna.b+c@mail.example.org.",
            &["anna.b+c@mail.example.org"],
        ),
        (
            SpanKind::Placeholders,
            "{a} {{ b.c }} ${d} #{e} %{f} {0} { }",
            &["{a}", "{{ b.c }}", "${d}", "#{e}", "%{f}", "{0}", "{ }"],
        ),
        (
            SpanKind::Placeholders,
            "%s, %1$d; %.2f %(name)s %@ %ld",
            &["%s", "%1$d", "%.2f", "%(name)s", "%@", "%ld"],
        ),
        (
            SpanKind::Placeholders,
            "100%discount, 50% of, %off {see the next page}",
            &[],
        ),
        (SpanKind::Placeholders, "v{x}s and {a}{b}", &["v{x}s", "{a}{b}"]),
        (SpanKind::Placeholders, "点击{name}按钮", &["{name}"]),
        (
            SpanKind::Placeholders,
            "%d个文件, %s님, %sさん",
            &["%d", "%s", "%s"],
        ),
        (SpanKind::Emoji, "a 😀 b❤️c", &["😀", "❤️"]),
        (SpanKind::Emoji, "👩‍👩‍👧‍👦 👍🏽 🇩🇪🇫🇷 1️⃣", &["👩‍👩‍👧‍👦", "👍🏽", "🇩🇪", "🇫🇷", "1️⃣"]),
        (
            SpanKind::Emoji,
            "🏴\u{E0067}\u{E0062}\u{E0073}\u{E0063}\u{E0074}\u{E007F} 🤷🏽‍♀️",
            &["🏴\u{E0067}\u{E0062}\u{E0073}\u{E0063}\u{E0074}\u{E007F}", "🤷🏽‍♀️"],
        ),
        (SpanKind::Emoji, "1 © 2 ™ # * ☺", &[]),
        (
            SpanKind::Numbers,
            "25, 1,250.50 and 10:30; 2024-05-01.",
            &["25", "1,250.50", "10:30", "2024-05-01"],
        ),
        (SpanKind::Numbers, "A4 and 3rd, x2y", &[]),
        (SpanKind::Numbers, "२५ और 3.", &["२५", "3"]),
        (SpanKind::Numbers, "我有25个, 25개", &["25", "25"]),
        (SpanKind::Numbers, "a3@example.org", &[]),
        (SpanKind::Urls, "{a} %s 5 😀", &[]),
        (SpanKind::Emails, "a @ b, @name", &[]),
        (SpanKind::Emails, "", &[]),
    ];
    for &(kind, text, expected) in cases {
        assert_eq!(found(text, &[kind]), expected, "{kind} in {text}");
    }
    let text = "https://example.org/25?a={id} anna7@example.org {3} 4️⃣";
    let expected = ["https://example.org/25?a={id}", "anna7@example.org", "{3}", "4️⃣"];
    assert_eq!(found(text, &ALL), expected);
}

#[test]
fn a_url_ends_where_a_text_goes_on_without_a_space() {
    let cases: &[(&str, &[&str])] = &[
        ("我们看见https://x.org/a。他们", &["https://x.org/a"]),
        ("我们看见https://x.org/a，他们", &["https://x.org/a"]),
        ("我们看见https://x.org/a这里。", &["https://x.org/a"]),
        ("我们看见https://x.org这里。", &["https://x.org"]),
        (
            "看https://x.org/a和http://x.org:80/b吧",
            &["https://x.org/a", "http://x.org:80/b"],
        ),
        ("请看www.x.org/a。", &["www.x.org/a"]),
        (
            "【https://x.org/a】「https://x.org/b」（https://x.org/c）",
            &["https://x.org/a", "https://x.org/b", "https://x.org/c"],
        ),
        (
            "„https://x.org/a“ «https://x.org/b» ‘https://x.org’",
            &["https://x.org/a", "https://x.org/b", "https://x.org"],
        ),
        (
            "\"https://x.org/a\" 'https://x.org/b' <https://x.org> [a](http://x.org/(c))",
            &[
                "https://x.org/a",
                "https://x.org/b",
                "https://x.org",
                "http://x.org/(c)",
            ],
        ),
        (
            "https://x.org/a\u{3000}b https://x.org/a\u{a0}b c\u{2003}https://x.org/a\u{3000}d.",
            &["https://x.org/a", "https://x.org/a", "https://x.org/a"],
        ),
        (
            "ไปที่https://x.org/aที่นี่ https://x.org/a에서",
            &["https://x.org/a", "https://x.org/a"],
        ),
        (
            "https://x.org/a۔ https://x.org/b، https://x.org/c।",
            &["https://x.org/a", "https://x.org/b", "https://x.org/c"],
        ),
        (
            "https://x.org/a—so https://x.org/a😀 https://x.org/a–",
            &["https://x.org/a", "https://x.org/a", "https://x.org/a"],
        ),
        (
            "https://x.org/a?b=c&d=e#f, https://x.org/a... https://x.org!",
            &["https://x.org/a?b=c&d=e#f", "https://x.org/a", "https://x.org"],
        ),
        ("смотриhttps://x.org/a", &["https://x.org/a"]),
        // These are whole.
        ("https://例え.jp/パス。次", &["https://例え.jp/パス"]),
        ("見るhttps://www.例え.jp/パス", &["https://www.例え.jp/パス"]),
        ("https://例え.テスト", &["https://例え.テスト"]),
        ("http://пример.рф/путь", &["http://пример.рф/путь"]),
        (
            "https://de.wikipedia.org/wiki/Käse",
            &["https://de.wikipedia.org/wiki/Käse"],
        ),
        (
            "https://x.org/a–b ftp://u:p@x.org:21/a",
            &["https://x.org/a–b", "ftp://u:p@x.org:21/a"],
        ),
        (
            "http://[::1]:8080/a and https://u@[2001:db8::1]/b.",
            &["http://[::1]:8080/a", "https://u@[2001:db8::1]/b"],
        ),
        (
            "http://localhost:8080 http://localhost",
            &["http://localhost:8080", "http://localhost"],
        ),
    ];
    for &(text, expected) in cases {
        assert_eq!(found(text, &[SpanKind::Urls]), expected, "{text}");
    }
}

#[test]
fn an_address_has_the_letters_of_its_domain_only() {
    let cases: &[(&str, &[&str])] = &[
        ("我们看见a@x.org。他们", &["a@x.org"]),
        ("邮箱：a@x.org，或b@x.org这里", &["a@x.org", "b@x.org"]),
        ("a@x.org或b@x.org", &["a@x.org", "b@x.org"]),
        ("a@x.org로 a@x.orgที่", &["a@x.org", "a@x.org"]),
        (
            "„a@x.org“ (b@x.org) <c@x.org> 'd@x.org' **e@x.org**",
            &["a@x.org", "b@x.org", "c@x.org", "d@x.org", "e@x.org"],
        ),
        ("foo.bar+x@example.co.uk", &["foo.bar+x@example.co.uk"]),
        (
            "mailto:a@x.org. a@x.org; a@x.org’s",
            &["mailto:a@x.org", "a@x.org", "a@x.org"],
        ),
        (
            "用户@例え.jp и иван@пример.рф",
            &["用户@例え.jp", "иван@пример.рф"],
        ),
        ("用户@x.org", &["用户@x.org"]),
        ("https://u@x.org/b@x.org @name a@b", &[]),
        (
            "visits\u{a0}a@x.org. Yes.\u{3000}b@x.org\u{3000}No. c@x.org\u{2003}\u{2003}d@x.org",
            &["a@x.org", "b@x.org", "c@x.org", "d@x.org"],
        ),
        ("\u{2003}a@x.org is\u{2028}b@x.org\u{85}", &["a@x.org", "b@x.org"]),
    ];
    for &(text, expected) in cases {
        assert_eq!(found(text, &[SpanKind::Emails]), expected, "{text}");
        let both = found(text, &[SpanKind::Urls, SpanKind::Emails]);
        assert!(
            expected.iter().all(|email| both.contains(email)),
            "{text}: {both:?}"
        );
    }
}

#[test]
fn braces_within_a_placeholder_belong_to_it() {
    let cases: &[(&str, &[&str])] = &[
        (
            "You have {count, plural, one {# file} other {# files}}.",
            &["{count, plural, one {# file} other {# files}}"],
        ),
        (
            "{a, select, x {{b, plural, =0 {no} other {{c}}}} other {z}} and {d}",
            &[
                "{a, select, x {{b, plural, =0 {no} other {{c}}}} other {z}}",
                "{d}",
            ],
        ),
        (
            "{n, number} {0, date, short} {n,number,::percent}",
            &["{n, number}", "{0, date, short}", "{n,number,::percent}"],
        ),
        (
            "{a, select, x {it's '}' or '{'} other {}} don't",
            &["{a, select, x {it's '}' or '{'} other {}}"],
        ),
        ("{{{html}}} {{name}}", &["{{{html}}}", "{{name}}"]),
        ("{see, the next {page}}", &["{page}"]),
        ("{n, plural, one {a} {b}", &["{a}", "{b}"]),
        ("} {n, plural, one {x}} {", &["{n, plural, one {x}}"]),
    ];
    for &(text, expected) in cases {
        assert_eq!(found(text, &[SpanKind::Placeholders]), expected, "{text}");
    }
}

#[test]
fn a_sign_belongs_to_a_number_and_a_hyphen_does_not() {
    let cases: &[(&str, &[&str])] = &[
        ("−5 to +5, ±0.5 (-3) [-2]", &["−5", "+5", "±0.5", "-3", "-2"]),
        ("-5", &["-5"]),
        ("气温是-5度，-3度", &["-5", "-3"]),
        ("„-5“ \"-5\" ＋5", &["-5", "-5", "＋5"]),
        (
            "A-5, 3-5, 3−5, (a)-5, x=-5, --5",
            &["5", "3-5", "3", "5", "5", "5", "5"],
        ),
        ("5 - 3, 5 %, 1.234,50", &["5", "3", "5", "1.234,50"]),
    ];
    for &(text, expected) in cases {
        assert_eq!(found(text, &[SpanKind::Numbers]), expected, "{text}");
    }
}

/// Work that grew with the square of a line's length would take many minutes here.
#[test]
fn long_lines_are_read_in_one_pass() {
    let count = 100_000;
    for (part, spans) in [
        ("{a,plural,", 0),
        ("'{", 0),
        ("{'", 0),
        ("a@x.org或", count),
        ("https://x.org/a。", count),
        ("[::", 0),
        ("://[", 0),
        ("-5", 1),
        ("www.", 1),
    ] {
        let line = part.repeat(count);
        assert_eq!(find(&line, &ALL, Vec::new()).len(), spans, "{part}");
    }
}

#[test]
fn spans_that_are_taken_stay() {
    let text = "{a}{b} or {c}25";
    let taken = |start: usize, end: usize| Span {
        range: start..end,
        role: Role::Name,
        markup: Some("<code>{b}</code>"),
    };
    let with = |range: Range<usize>, kinds: &[SpanKind]| -> Vec<(&str, bool)> {
        let spans = find(text, kinds, vec![taken(range.start, range.end)]).into_iter();
        spans
            .map(|span| (&text[span.range], span.markup.is_some()))
            .collect()
    };
    assert_eq!(with(3..6, &[]), [("{b}", true)]);
    assert_eq!(
        with(3..6, &ALL),
        [("{a}", false), ("{b}", true), ("{c}25", false)]
    );
    // A span that overlaps with it is none.
    assert_eq!(
        with(4..12, &ALL),
        [("{a}", false), ("b} or {c", true), ("25", false)]
    );
}

/// The words of `text`, each linked to the source word whose index is given.
fn linked(source: &str, text: &str, pairs: &[usize]) -> Vec<Link> {
    let sources = words(source);
    let linked = words(text).into_iter().zip(pairs);
    linked
        .map(|(target, &pair)| Link {
            target,
            sources: vec![(sources[pair].clone(), 1.0)],
            span: None,
        })
        .collect()
}

fn restored(line: &str, reading: usize, text: &str, pairs: &[usize]) -> (String, usize) {
    let spans = find(line, &ALL, Vec::new());
    let reading = &readings(line, 0..line.len(), &spans)[reading];
    let links = linked(&reading.text, text, pairs);
    assert_eq!(links.len(), pairs.len(), "{text}");
    let restored = restore(line, &spans, 0, reading, text, &links);
    (restored.text, restored.missing)
}

#[test]
fn a_sentence_is_read_as_it_is_with_names_and_with_numbers() {
    let texts = |line: &str| -> Vec<String> {
        let spans = find(line, &ALL, Vec::new());
        let readings = readings(line, 0..line.len(), &spans).into_iter();
        readings.map(|reading| reading.text).collect()
    };
    assert_eq!(
        texts("{a} sees %s, 25 men 😀."),
        [
            "{a} sees %s, 25 men 😀.",
            "Anna sees Peter, 25 men.",
            "Martin sees Lena, 25 men.",
            "7 sees 3, 4 men."
        ]
    );
    // Names that the sentence has already would be mistaken for stand-ins.
    assert_eq!(texts("Anna sees {a}.")[1], "Anna sees Peter.");
    assert_eq!(
        texts("😀 Yes 😀 or 🎉🎉 no"),
        ["😀 Yes 😀 or 🎉🎉 no", "Yes or no"]
    );
    assert_eq!(texts("点击{a}按钮")[1], "点击 Anna 按钮");
    assert_eq!(texts("Yes."), ["Yes."]);
}

#[test]
fn stand_ins_become_spans_and_missing_spans_take_their_place() {
    let line = "We see {a} and {b}.";
    let case = |text: &str, pairs: &[usize]| restored(line, 1, text, pairs);
    let right = case("Peter und Anna sehen wir.", &[4, 3, 2, 1, 0, 5]);
    assert_eq!(right, ("{b} und {a} sehen wir.".to_owned(), 0));
    // The second name is written twice: that which attends to it less is left out.
    let twice = case("Wir sehen Peter Anna und Peter.", &[0, 1, 0, 2, 3, 4, 5]);
    assert_eq!(twice, ("Wir sehen {a} und {b}.".to_owned(), 1));
    // The first one is garbled.
    let garbled = case("Wir sehen Annika Bo und Peter.", &[0, 1, 2, 2, 3, 4, 5]);
    assert_eq!(garbled, ("Wir sehen {a} und {b}.".to_owned(), 1));
    // The second one has no words at all.
    let absent = case("Wir sehen Anna und.", &[0, 1, 2, 3, 5]);
    assert_eq!(absent, ("Wir sehen {a} und {b}.".to_owned(), 1));
    assert_eq!(case("", &[]), ("{a} {b}".to_owned(), 2));
}

#[test]
fn emoji_stand_where_the_words_around_them_are() {
    let case = |line: &str, text: &str, pairs: &[usize]| restored(line, 1, text, pairs).0;
    assert_eq!(
        case("I am glad 😀.", "Ich bin froh.", &[0, 1, 2, 3]),
        "Ich bin froh 😀."
    );
    assert_eq!(case("😀 Yes", "Ja", &[0]), "😀 Ja");
    assert_eq!(case("😀 🎉 Yes.", "Ja.", &[0, 1]), "😀 🎉 Ja.");
    assert_eq!(case("😀 😀🎉 Yes.", "Ja.", &[0, 1]), "😀 😀🎉 Ja.");
    assert_eq!(case("😀🎉Yes 😀 🎉.", "Ja.", &[0, 1]), "😀🎉Ja 😀 🎉.");
    assert_eq!(case("Yes😀!", "Ja!", &[0, 1]), "Ja😀!");
    assert_eq!(case("red 😀 car", "rotes Auto", &[0, 1]), "rotes 😀 Auto");
}

#[test]
fn a_span_is_kept_with_its_white_space() {
    let line = "\u{2003}x\u{3000} Yes";
    let span = |range| Span {
        range,
        role: Role::Name,
        markup: None,
    };
    let spans = [span(0..line.len() - " Yes".len())];
    let reading = &readings(line, 0..line.len(), &spans)[1];
    assert_eq!(reading.text, "Anna Yes");
    for (text, pairs) in [("Anna Ja", vec![0, 1]), ("Ja", vec![1]), ("", vec![])] {
        let links = linked(&reading.text, text, &pairs);
        let Restored { text, links, .. } = restore(line, &spans, 0, reading, text, &links);
        let kept = links.iter().find(|link| link.span.is_some()).unwrap();
        assert_eq!(text[kept.target.clone()], line[spans[0].range.clone()]);
    }
}

proptest! {
    /// Whatever a model writes, each span is in the translation as often as in the source.
    #[test]
    fn every_span_is_restored(
        source in prop::collection::vec(
            prop::sample::select(vec!["a", "b.", "{x}", "{y}", "https://example.org/", "😀", "🎉", "25", "%s", "no"]),
            1..9,
        ),
        target in prop::collection::vec(
            prop::sample::select(vec![
                "Anna", "Peter", "Martin,", "7", "3", "{x}", "{y}!", "😀", "25", "%s", "x", "yz", "https://example.org/",
            ]),
            0..9,
        ),
        shares in prop::collection::vec(0.0f32..1.0, 400),
    ) {
        let line = source.join(" ");
        let spans = find(&line, &ALL, Vec::new());
        for reading in readings(&line, 0..line.len(), &spans) {
            let text = target.join(" ");
            let sources = words(&reading.text);
            let mut shares = shares.iter().cycle();
            let links: Vec<Link> = words(&text)
                .into_iter()
                .map(|target| Link {
                    target,
                    sources: sources.iter().map(|word| (word.clone(), *shares.next().unwrap())).collect(),
                    span: None,
                })
                .collect();
            let restored = restore(&line, &spans, 0, &reading, &text, &links);
            for span in &spans {
                let span = &line[span.range.clone()];
                let count = |text: &str| occurrences(text, span).count();
                prop_assert_eq!(count(&restored.text), count(&line), "{} in {} of {}", span, restored.text, line);
            }
            prop_assert_eq!(restored.text.trim(), restored.text.as_str());
            prop_assert!(restored.links.is_sorted_by(|a, b| a.target.end <= b.target.start));
            for link in &restored.links {
                let word = restored.text.get(link.target.clone());
                prop_assert!(word.is_some_and(|word| !word.trim().is_empty()), "{:?}", link);
                if let Some(span) = link.span {
                    prop_assert_eq!(word, Some(&line[spans[span].range.clone()]));
                }
            }
        }
    }
}
