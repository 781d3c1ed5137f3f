//! The XML files in which WMT publishes test sets since 2021. A file holds the documents of a test set, and each
//! document its source, its reference translations, and the translations of systems:
//!
//! ```xml
//! <dataset id="newstest2021.en-de">
//!   <doc id="letters" origlang="en">
//!     <src lang="en"><p><seg id="1">Dear Anna,</seg></p></src>
//!     <ref lang="de" translator="A"><p><seg id="1">Liebe Anna,</seg></p></ref>
//!     <ref lang="de" translator="B"><p><seg id="1">Hallo Anna,</seg></p></ref>
//!     <hyp lang="de" system="one"><p><seg id="1">Teure Anna,</seg></p></hyp>
//!   </doc>
//! </dataset>
//! ```

use std::collections::{HashMap, HashSet};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::sentences::{Sentence, Side};
use crate::corpora::lines::Lines;
use crate::error::DataError;

/// The texts of a test set, in the order in which they begin in the file.
pub(super) struct TestSet {
    texts: Vec<Text>,
}

/// A text of a test set: the source, the references of one translator, or the translations of one system.
struct Text {
    kind: Kind,
    /// The name of the translator or the system; empty for the source.
    name: String,
    segments: Vec<Segment>,
}

/// What a segment has in common with its translations. Ids alone do not tell segments apart: several documents may have
/// the same id or none, and so may several segments of a document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    /// The number of the document in the file.
    document: usize,
    /// The id of the segment; empty if it has none.
    id: String,
    /// The number of segments before it in the same text of the document that have the same id.
    repetition: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Source,
    Reference,
    Hypothesis,
}

struct Segment {
    key: Key,
    /// The id of the segment and its document, for errors.
    id: String,
    text: String,
    /// The line of the file, counted from one.
    line: usize,
}

impl TestSet {
    /// Reads a file. Documents with the attribute `testsuite` are left out, as WMT leaves them out of its scores.
    ///
    /// # Errors
    /// Returns [`DataError::Xml`] if the file is not well-formed XML or cut short, [`DataError::RepeatedText`] if a
    /// document has two sources or two texts by one translator or system, and the errors of [`Lines`].
    pub(super) fn read(mut lines: Lines) -> Result<Self, DataError> {
        let text: Vec<String> = lines.by_ref().collect::<Result<_, _>>()?;
        let path = lines.path();
        let xml = text.join("\n");
        let mut reader = Reader::from_str(&xml);
        let mut parser = Parser::default();
        let mut open_elements = 0_usize;
        loop {
            let start = reader.buffer_position() as usize;
            let event = reader.read_event().map_err(|error| DataError::Xml {
                path: path.to_owned(),
                line: 1 + line_feeds(&xml[..reader.error_position() as usize]),
                reason: error.to_string(),
            })?;
            match event {
                Event::Start(tag) => {
                    open_elements += 1;
                    parser
                        .start(&tag)
                        .map_err(|(document, text)| DataError::RepeatedText {
                            path: path.to_owned(),
                            line: parser.line_feeds + 1,
                            document,
                            text,
                        })?;
                }
                Event::End(tag) => {
                    open_elements -= 1;
                    parser.end(tag.local_name().as_ref());
                }
                Event::Text(text) => parser.append(&text),
                Event::CData(text) => parser.append(&text),
                Event::GeneralRef(name) => {
                    parser.append(&html_escape::decode_html_entities(&format!("&{};", &*name)));
                }
                Event::Eof if open_elements > 0 => {
                    return Err(DataError::Xml {
                        path: path.to_owned(),
                        line: 1 + line_feeds(&xml),
                        reason: "the file ends within an element".to_owned(),
                    });
                }
                Event::Eof => break,
                _ => {}
            }
            parser.line_feeds += line_feeds(&xml[start..reader.buffer_position() as usize]);
        }
        Ok(Self { texts: parser.texts })
    }

    /// Returns the number of translators of references.
    pub(super) fn references(&self) -> usize {
        self.of_kind(Kind::Reference).count()
    }

    /// Returns the sentences of a side; `None` if the file lacks it. If the file has a source, its sentences give the
    /// order, and those without any reference are left out unless there are none at all. So every side has the same
    /// sentences; where a translator has left one out, it is empty.
    pub(super) fn sentences(&self, side: Side) -> Option<Vec<Sentence>> {
        let text = match side {
            Side::Source => self.of_kind(Kind::Source).next(),
            Side::Reference(index) => self.of_kind(Kind::Reference).nth(index),
            Side::Hypothesis => self.of_kind(Kind::Hypothesis).next(),
        }?;
        let segments = text.segments.iter();
        let by_key: HashMap<&Key, &str> = segments
            .map(|segment| (&segment.key, segment.text.as_str()))
            .collect();
        let references = self.of_kind(Kind::Reference).flat_map(|text| &text.segments);
        let translated: HashSet<&Key> = references
            .filter(|segment| !segment.text.is_empty())
            .map(|segment| &segment.key)
            .collect();
        let source = self.of_kind(Kind::Source).next().unwrap_or(text);
        let segments = source.segments.iter();
        let sentences = segments
            .filter(|segment| translated.is_empty() || translated.contains(&segment.key))
            .map(|segment| Sentence {
                text: by_key.get(&segment.key).copied().unwrap_or_default().to_owned(),
                id: Some(segment.id.clone()),
                line: segment.line,
            });
        Some(sentences.collect())
    }

    /// Returns the texts of a kind that have segments.
    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Text> {
        let texts = self.texts.iter();
        texts.filter(move |text| text.kind == kind && !text.segments.is_empty())
    }
}

/// What has been read of a file so far.
#[derive(Default)]
struct Parser {
    texts: Vec<Text>,
    line_feeds: usize,
    /// The number of documents that have begun.
    documents: usize,
    /// The name of the document; `None` between documents, and in one that is left out.
    document: Option<String>,
    /// The number of segments of the document by their text's index and by their id.
    segments: HashMap<(usize, String), usize>,
    /// The indices of the texts that the document has.
    opened: HashSet<usize>,
    /// The index of the text that a segment belongs to.
    text: Option<usize>,
    segment: Option<Segment>,
}

impl Parser {
    /// Reads the tag at which an element starts.
    ///
    /// # Errors
    /// Returns the name of the document and the tag if the document has such a text already.
    fn start(&mut self, tag: &BytesStart<'_>) -> Result<(), (String, String)> {
        let attribute = |name| {
            let attribute = tag.try_get_attribute(name).ok().flatten()?;
            Some(html_escape::decode_html_entities(&attribute.value).into_owned())
        };
        let named = |name| attribute(name).unwrap_or_default();
        let is_text = matches!(tag.local_name().as_ref(), "src" | "ref" | "hyp");
        match tag.local_name().as_ref() {
            "doc" => {
                self.documents += 1;
                self.segments.clear();
                self.opened.clear();
                let name = || attribute("id").unwrap_or_else(|| format!("document {}", self.documents));
                self.document = attribute("testsuite").is_none().then(name);
            }
            "src" => self.open_text(Kind::Source, String::new()),
            "ref" => self.open_text(Kind::Reference, named("translator")),
            "hyp" => self.open_text(Kind::Hypothesis, named("system")),
            "seg" => self.open_segment(named("id")),
            _ => {}
        }
        match (&self.document, self.text) {
            (Some(document), Some(text)) if is_text && !self.opened.insert(text) => {
                Err((document.clone(), format!("<{}>", &**tag)))
            }
            _ => Ok(()),
        }
    }

    fn open_text(&mut self, kind: Kind, name: String) {
        let is_same = |text: &Text| text.kind == kind && text.name == name;
        self.text = self.texts.iter().position(is_same).or_else(|| {
            self.document.as_ref()?;
            let segments = Vec::new();
            self.texts.push(Text { kind, name, segments });
            Some(self.texts.len() - 1)
        });
    }

    fn open_segment(&mut self, id: String) {
        let (Some(document), Some(text)) = (&self.document, self.text) else {
            return;
        };
        let count = self.segments.entry((text, id.clone())).or_default();
        self.segment = Some(Segment {
            id: format!("{id} of {document}"),
            key: Key {
                document: self.documents,
                id,
                repetition: *count,
            },
            text: String::new(),
            line: self.line_feeds + 1,
        });
        *count += 1;
    }

    fn append(&mut self, text: &str) {
        if let Some(segment) = &mut self.segment {
            segment.text += text;
        }
    }

    fn end(&mut self, name: &str) {
        match name {
            "doc" => self.document = None,
            "src" | "ref" | "hyp" => self.text = None,
            "seg" => {
                if let (Some(mut segment), Some(text)) = (self.segment.take(), self.text) {
                    // A line break would make two sentences of one.
                    segment.text = segment.text.split_whitespace().collect::<Vec<_>>().join(" ");
                    self.texts[text].segments.push(segment);
                }
            }
            _ => {}
        }
    }
}

fn line_feeds(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}
