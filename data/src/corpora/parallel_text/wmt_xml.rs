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
use std::path::Path;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::sentences::{Sentence, Side};
use crate::corpora::lines::Lines;
use crate::error::DataError;

/// The sides of a test set, in the order in which they begin in the file.
pub(super) struct TestSet {
    versions: Vec<Version>,
}

/// A version of a test set's text: the source, the references of one translator, or the translations of one system.
struct Version {
    kind: Kind,
    /// The name of the translator or the system; empty for the source.
    name: String,
    segments: Vec<Segment>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Source,
    Reference,
    Hypothesis,
}

struct Segment {
    /// The ids of segment and document.
    id: String,
    text: String,
    /// The line of the file, counted from one.
    line: usize,
}

impl TestSet {
    /// Reads a file. Documents with the attribute `testsuite` are left out, as WMT leaves them out of its scores.
    ///
    /// # Errors
    /// Returns [`DataError::Xml`] if the file is not well-formed XML, and the errors of [`Lines`].
    pub(super) fn read(path: &Path) -> Result<Self, DataError> {
        let lines: Vec<String> = Lines::open(path)?.collect::<Result<_, _>>()?;
        let xml = lines.join("\n");
        let mut reader = Reader::from_str(&xml);
        let mut parser = Parser::default();
        loop {
            let start = reader.buffer_position() as usize;
            let event = reader.read_event().map_err(|error| DataError::Xml {
                path: path.to_owned(),
                line: 1 + line_feeds(&xml[..reader.error_position() as usize]),
                reason: error.to_string(),
            })?;
            match event {
                Event::Start(tag) => parser.start(&tag),
                Event::End(tag) => parser.end(tag.local_name().as_ref()),
                Event::Text(text) => parser.text(&text),
                Event::CData(text) => parser.text(&text),
                Event::GeneralRef(name) => {
                    parser.text(&html_escape::decode_html_entities(&format!("&{};", &*name)));
                }
                Event::Eof => break,
                _ => {}
            }
            parser.line_feeds += line_feeds(&xml[start..reader.buffer_position() as usize]);
        }
        Ok(Self {
            versions: parser.versions,
        })
    }

    /// Returns the number of translators of references.
    pub(super) fn references(&self) -> usize {
        self.of_kind(Kind::Reference).count()
    }

    /// Returns the sentences of a side, or nothing if the file lacks it. If the file has a source, its sentences give
    /// the order, and those without any reference are left out unless there are none at all. So every side has the same
    /// sentences; where a translator has left one out, it is empty.
    pub(super) fn sentences(&self, side: Side) -> Vec<Sentence> {
        let side = match side {
            Side::Source => self.of_kind(Kind::Source).next(),
            Side::Reference(index) => self.of_kind(Kind::Reference).nth(index),
            Side::Hypothesis => self.of_kind(Kind::Hypothesis).next(),
        };
        let Some(version) = side else {
            return Vec::new();
        };
        let texts: HashMap<&str, &str> = version.texts().collect();
        let references = self.of_kind(Kind::Reference).flat_map(Version::texts);
        let translated: HashSet<&str> = references
            .filter(|(_, text)| !text.is_empty())
            .map(|(id, _)| id)
            .collect();
        let source = self.of_kind(Kind::Source).next().unwrap_or(version);
        let segments = source.segments.iter();
        segments
            .filter(|segment| translated.is_empty() || translated.contains(segment.id.as_str()))
            .map(|segment| Sentence {
                text: texts
                    .get(segment.id.as_str())
                    .copied()
                    .unwrap_or_default()
                    .to_owned(),
                id: Some(segment.id.clone()),
                line: segment.line,
            })
            .collect()
    }

    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Version> {
        self.versions.iter().filter(move |version| version.kind == kind)
    }
}

impl Version {
    fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        let segments = self.segments.iter();
        segments.map(|segment| (segment.id.as_str(), segment.text.as_str()))
    }
}

/// What has been read of a file so far.
#[derive(Default)]
struct Parser {
    versions: Vec<Version>,
    line_feeds: usize,
    /// The id of the document; `None` between documents, and in one that is left out.
    document: Option<String>,
    /// The index of the version that a segment belongs to.
    version: Option<usize>,
    segment: Option<Segment>,
}

impl Parser {
    fn start(&mut self, tag: &BytesStart<'_>) {
        let attribute = |name| {
            let attribute = tag.try_get_attribute(name).ok().flatten()?;
            Some(html_escape::decode_html_entities(&attribute.value).into_owned())
        };
        let named = |name| attribute(name).unwrap_or_default();
        match tag.local_name().as_ref() {
            "doc" => self.document = attribute("testsuite").is_none().then(|| named("id")),
            "src" => self.open_version(Kind::Source, String::new()),
            "ref" => self.open_version(Kind::Reference, named("translator")),
            "hyp" => self.open_version(Kind::Hypothesis, named("system")),
            "seg" => {
                self.segment = self.document.as_ref().map(|document| Segment {
                    id: format!("{} of {document}", named("id")),
                    text: String::new(),
                    line: self.line_feeds + 1,
                });
            }
            _ => {}
        }
    }

    fn open_version(&mut self, kind: Kind, name: String) {
        let is_same = |version: &Version| version.kind == kind && version.name == name;
        self.version = self.versions.iter().position(is_same).or_else(|| {
            self.document.as_ref()?;
            let segments = Vec::new();
            self.versions.push(Version { kind, name, segments });
            Some(self.versions.len() - 1)
        });
    }

    fn text(&mut self, text: &str) {
        if let Some(segment) = &mut self.segment {
            segment.text += text;
        }
    }

    fn end(&mut self, name: &str) {
        match name {
            "doc" => self.document = None,
            "src" | "ref" | "hyp" => self.version = None,
            "seg" => {
                if let (Some(mut segment), Some(version)) = (self.segment.take(), self.version) {
                    // A line break would make two sentences of one.
                    segment.text = segment.text.split_whitespace().collect::<Vec<_>>().join(" ");
                    self.versions[version].segments.push(segment);
                }
            }
            _ => {}
        }
    }
}

fn line_feeds(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}
