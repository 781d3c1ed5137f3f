//! A part of a document that is XML, and its paragraphs.

use std::ops::Range;

use quick_xml::NsReader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};

use crate::archive::Archive;
use crate::docx::field_mark;
use crate::paragraph::{Kind, Run, Token, passages};
use crate::passage::XmlPassage;
use crate::writer::Writer;
use crate::{DocumentError, Passage, one_line};

/// The maximum number of elements around an element. Tables in tables take some ten for each.
const MAX_DEPTH: usize = 256;

/// What an element is for the text of a paragraph.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A paragraph or heading.
    Paragraph,
    /// Text that looks the same, with its properties first.
    Run,
    RunProperties,
    /// A property of a run that changes nothing in its look.
    Language,
    /// Text in a run.
    Text,
    /// An element around runs or text, such as a hyperlink.
    Container,
    /// What stands first in a container and is no content of it.
    ContainerProperties,
    /// The only child of a container that has content.
    ContainerContent,
    /// A tab or a line break.
    Divider,
    /// Blanks beyond the first.
    Space,
    /// What no reader sees and what says nothing about the text.
    Hidden,
    /// The beginning, middle or end of a field, whose text is computed.
    Field,
    /// The formula of a field.
    FieldCode,
    /// What has paragraphs that are not to be read.
    Skipped,
    /// Anything else. In a paragraph, it stands between two words.
    Other,
}

/// What a character of a field marks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldMark {
    Begin,
    Separate,
    End,
}

/// The elements of a format.
pub(crate) struct Dialect {
    /// Returns the role of the element of a namespace and a name.
    pub(crate) role: fn(namespace: &str, name: &str) -> Role,
    /// Whether text stands in paragraphs themselves, and not only in elements of their own.
    pub(crate) has_mixed_content: bool,
}

/// A part of a document.
#[derive(Debug)]
pub(crate) struct XmlPart {
    member: usize,
    /// The XML, perhaps with a byte order mark.
    source: String,
    runs: Vec<Run>,
    /// The passages, by their places in the XML.
    passages: Vec<XmlPassage>,
}

impl XmlPart {
    /// Reads a member of an archive.
    ///
    /// # Errors
    ///
    /// Those of [`Archive::read`]; [`DocumentError::Damaged`] if the member is not well-formed;
    /// [`DocumentError::Encoding`] if it says that it is not UTF-8; and [`DocumentError::Trap`] if it declares or uses
    /// entities of its own, or nests its elements very deeply.
    pub(crate) fn read(
        archive: &mut Archive,
        member: usize,
        dialect: &Dialect,
    ) -> Result<(Self, Vec<Passage>), DocumentError> {
        let source = archive.read(member)?;
        let name = archive.name(member);
        let mut walk = Walk {
            source: &source,
            dialect,
            depth: 0,
            skipped: None,
            frames: Vec::new(),
            runs: Vec::new(),
            found: Vec::new(),
        };
        walk.read(&name, |reason| archive.damaged(&reason))?;
        let Walk { runs, mut found, .. } = walk;
        found.sort_by_key(|(passage, _)| passage.region.start);
        let (of_part, found) = found.into_iter().unzip();
        let part = Self {
            member,
            source,
            runs,
            passages: of_part,
        };
        Ok((part, found))
    }

    /// Returns the number of the part's member in the archive.
    pub(crate) fn member(&self) -> usize {
        self.member
    }

    /// Returns the number of passages.
    pub(crate) fn passage_count(&self) -> usize {
        self.passages.len()
    }

    /// Returns the XML with these translations in place of its passages. The passages without one stay. `first` is the
    /// number of passages in other parts before them.
    ///
    /// # Errors
    ///
    /// Returns [`DocumentError::Tags`] if a translation has other tags than its passage.
    pub(crate) fn write(&self, translations: &[Option<&str>], first: usize) -> Result<String, DocumentError> {
        Writer::write_part(&self.source, &self.runs, &self.passages, translations, first)
    }
}

/// Reads the events of a part.
struct Walk<'a> {
    source: &'a str,
    dialect: &'a Dialect,
    /// The number of elements that are open.
    depth: usize,
    /// The depth of the element whose content is not read.
    skipped: Option<usize>,
    /// The paragraphs that are open: one, and within it perhaps others, in a text box or a note.
    frames: Vec<Frame>,
    runs: Vec<Run>,
    found: Vec<(XmlPassage, Passage)>,
}

/// A paragraph that is open.
struct Frame {
    depth: usize,
    tokens: Vec<Token>,
    /// The elements of the paragraph that are open and have a role of their own.
    open: Vec<Open>,
    /// The run that is open, and the number of tokens before it.
    run: Option<(usize, usize)>,
    /// The text that is being read.
    text: Option<Text>,
    /// The element within which nothing belongs to this paragraph.
    opaque: Option<Opaque>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Run,
    Text,
    Container,
    /// A container whose only content is another element, which is open or ended.
    Merged,
    Content,
}

struct Text {
    /// The bytes of the element, or of the text if it is in no element of its own.
    start: usize,
    content: Range<usize>,
    text: String,
    /// Whether blanks at its ends count.
    is_preserved: bool,
}

struct Opaque {
    start: usize,
    depth: usize,
    role: Role,
    mark: Option<FieldMark>,
    /// The tags within that say how text looks.
    format: String,
}

impl Walk<'_> {
    fn read(&mut self, name: &str, damaged: impl Fn(String) -> DocumentError) -> Result<(), DocumentError> {
        let start = self.source.len() - self.source.trim_start_matches('\u{feff}').len();
        let trap = |reason: &str| DocumentError::Trap {
            reason: format!("its member {name} {reason}"),
        };
        let mut reader = NsReader::from_str(&self.source[start..]);
        let mut begin = start;
        loop {
            let event = reader.read_event();
            let end = start + usize::try_from(reader.buffer_position()).unwrap_or_default();
            let event = event
                .map_err(|error| damaged(format!("its member {name} is wrong before byte {end}: {error}")))?;
            let range = begin..end;
            begin = end;
            match event {
                Event::Start(tag) => {
                    self.depth += 1;
                    if self.depth > MAX_DEPTH {
                        return Err(trap(&format!("has more than {MAX_DEPTH} elements in each other")));
                    }
                    self.start(self.role(&reader, &tag), range, &tag);
                }
                Event::Empty(tag) => {
                    self.depth += 1;
                    self.start(self.role(&reader, &tag), range, &tag);
                    self.end(end..end);
                    self.depth -= 1;
                }
                Event::End(_) => {
                    self.end(range);
                    self.depth = self.depth.saturating_sub(1);
                }
                Event::Text(text) => self.text(range, &text.xml10_content()),
                Event::CData(text) => self.text(range, &text.xml10_content()),
                Event::GeneralRef(reference) => {
                    let character = reference.resolve_char_ref();
                    let character =
                        character.map_err(|error| damaged(format!("its member {name}: {error}")))?;
                    match (character, resolve_xml_entity(&reference.xml10_content())) {
                        (Some(character), _) => self.text(range, character.encode_utf8(&mut [0; 4])),
                        (None, Some(text)) => self.text(range, text),
                        (None, None) => {
                            return Err(trap(&format!("uses the entity {}", &self.source[range])));
                        }
                    }
                }
                Event::Decl(declaration) => {
                    let encoding = declaration.encoding().and_then(Result::ok).unwrap_or_default();
                    if !matches!(encoding.to_ascii_lowercase().as_str(), "" | "utf-8" | "us-ascii") {
                        return Err(DocumentError::Encoding {
                            reason: format!("its member {name} says that it is in {encoding}"),
                        });
                    }
                }
                Event::DocType(_) => return Err(trap("declares a document type, which may have entities")),
                Event::Comment(_) | Event::PI(_) => self.hidden(range),
                Event::Eof if self.depth > 0 => {
                    return Err(damaged(format!("its member {name} ends within an element")));
                }
                Event::Eof => return Ok(()),
            }
        }
    }

    fn role(&self, reader: &NsReader<&[u8]>, tag: &BytesStart<'_>) -> Role {
        let (namespace, name) = reader.resolver().resolve_element(tag.name());
        match namespace {
            ResolveResult::Bound(Namespace(namespace)) => (self.dialect.role)(namespace, name.as_ref()),
            _ => Role::Other,
        }
    }

    /// Takes a start tag.
    fn start(&mut self, role: Role, range: Range<usize>, tag: &BytesStart<'_>) {
        if self.skipped.is_some() {
            return;
        }
        if role == Role::Skipped {
            self.skipped = Some(self.depth);
            return;
        }
        let depth = self.depth;
        let opaque = |role, mark| Opaque {
            start: range.start,
            depth,
            role,
            mark,
            format: String::new(),
        };
        if role == Role::Paragraph {
            if let Some(frame) = self.frames.last_mut()
                && frame.opaque.is_none()
            {
                frame.end_mixed_text(self.dialect);
                frame.opaque = Some(opaque(Role::Other, None));
            }
            self.frames.push(Frame::new(depth));
            return;
        }
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        if let Some(opaque) = &mut frame.opaque {
            if opaque.role == Role::RunProperties && role != Role::Language {
                opaque.format += &self.source[range];
            }
            return;
        }
        frame.end_mixed_text(self.dialect);
        if frame.text.is_some() {
            frame.opaque = Some(opaque(Role::Text, None));
            return;
        }
        match role {
            Role::Run if frame.run.is_none() => {
                frame.run = Some((self.runs.len(), frame.tokens.len()));
                frame.open.push(Open::Run);
                self.runs.push(Run {
                    open: range,
                    close: 0..0,
                    format: String::new(),
                });
            }
            Role::Text => {
                let space = attribute(tag, "space");
                frame.text = Some(Text {
                    start: range.start,
                    content: range.end..range.end,
                    text: String::new(),
                    is_preserved: space.is_some_and(|space| space == "preserve"),
                });
                frame.open.push(Open::Text);
            }
            Role::Container if frame.run.is_none() => {
                frame.push(range, Kind::Open);
                frame.open.push(Open::Container);
            }
            Role::ContainerContent
                if frame.open.last() == Some(&Open::Container)
                    && frame.extend_last(Kind::Open, range.end) =>
            {
                frame.open.pop();
                frame.open.extend([Open::Merged, Open::Content]);
            }
            Role::Field => {
                let mark = attribute(tag, "fldCharType").and_then(|kind| field_mark(&kind));
                frame.opaque = Some(opaque(role, mark));
            }
            _ => frame.opaque = Some(opaque(role, None)),
        }
    }

    /// Takes an end tag, or the end of a tag that is both.
    fn end(&mut self, range: Range<usize>) {
        if let Some(depth) = self.skipped {
            self.skipped = (depth != self.depth).then_some(depth);
            return;
        }
        if let Some(frame) = self.frames.pop_if(|frame| frame.depth == self.depth) {
            self.end_paragraph(frame);
        }
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        if let Some(opaque) = frame.opaque.take_if(|opaque| opaque.depth == self.depth) {
            let element = opaque.start..range.end;
            let Some((run, first)) = frame.run.filter(|_| opaque.role == Role::RunProperties) else {
                frame.end_opaque(&opaque, element);
                return;
            };
            // Properties stand first in their run, and belong to its start tag.
            if frame.tokens[first..]
                .iter()
                .all(|token| token.kind == Kind::Hidden)
            {
                frame.tokens.truncate(first);
                self.runs[run].open.end = range.end;
                self.runs[run].format = opaque.format;
            } else {
                frame.push(element, Kind::Hidden);
            }
            return;
        }
        if frame.opaque.is_some() {
            return;
        }
        frame.end_mixed_text(self.dialect);
        match frame.open.pop() {
            Some(Open::Run) => {
                if let Some((run, first)) = frame.run.take() {
                    self.runs[run].close = range.clone();
                    if frame.tokens.len() == first {
                        frame.push(self.runs[run].open.start..range.end, Kind::Hidden);
                    }
                }
            }
            Some(Open::Text) => {
                if let Some(mut text) = frame.text.take() {
                    text.content.end = range.start;
                    frame.push_text(text, range.end, self.source);
                }
            }
            Some(Open::Merged) if frame.extend_last(Kind::Close, range.end) => {}
            Some(Open::Container | Open::Merged | Open::Content) => frame.push(range, Kind::Close),
            None => {}
        }
    }

    fn end_paragraph(&mut self, mut frame: Frame) {
        frame.end_mixed_text(self.dialect);
        self.found.extend(passages(frame.tokens, &self.runs, self.source));
    }

    /// Takes text with its references resolved.
    fn text(&mut self, range: Range<usize>, text: &str) {
        let is_mixed = self.dialect.has_mixed_content;
        let Some(frame) = self.open_frame() else { return };
        match &mut frame.text {
            Some(read) => {
                read.text += text;
                read.content.end = range.end;
            }
            None if is_mixed => {
                frame.text = Some(Text {
                    start: range.start,
                    content: range,
                    text: text.to_owned(),
                    is_preserved: true,
                });
            }
            None => frame.push(range, Kind::Hidden),
        }
    }

    /// Takes what no reader sees.
    fn hidden(&mut self, range: Range<usize>) {
        let dialect = self.dialect;
        if let Some(frame) = self.open_frame() {
            frame.end_mixed_text(dialect);
            if frame.text.is_none() {
                frame.push(range, Kind::Hidden);
            }
        }
    }

    /// Returns the paragraph that is read at this place.
    fn open_frame(&mut self) -> Option<&mut Frame> {
        let is_skipped = self.skipped.is_some();
        self.frames
            .last_mut()
            .filter(|frame| frame.opaque.is_none() && !is_skipped)
    }
}

/// Returns the value of an attribute, whatever the prefix of its name is.
pub(crate) fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    // Equal names would be looked for in time that grows with the square of their number.
    let mut attributes = tag.attributes();
    let found = attributes
        .with_checks(false)
        .flatten()
        .find(|attribute| attribute.key.local_name().as_ref() == name);
    found.map(|attribute| attribute.value.into_owned())
}

impl Frame {
    fn new(depth: usize) -> Self {
        Self {
            depth,
            tokens: Vec::new(),
            open: Vec::new(),
            run: None,
            text: None,
            opaque: None,
        }
    }

    fn push(&mut self, range: Range<usize>, kind: Kind) {
        let run = self.run.map(|(run, _)| run);
        self.tokens.push(Token {
            range,
            before: run,
            after: run,
            kind,
        });
    }

    /// Adds text of an element that ends at the byte `end`.
    fn push_text(&mut self, mut text: Text, end: usize, source: &str) {
        if !text.is_preserved {
            let raw = &source[text.content.clone()];
            text.content.start += raw.len() - raw.trim_start().len();
            text.content.end = text.content.start + raw.trim().len();
            text.text = text.text.trim().to_owned();
        }
        let kind = if text.text.is_empty() {
            Kind::Hidden
        } else {
            Kind::Text {
                content: text.content,
                text: one_line(&text.text),
                is_preserved: text.is_preserved,
            }
        };
        self.push(text.start..end, kind);
    }

    /// Ends text that is in no element of its own, where blanks that follow each other are one.
    fn end_mixed_text(&mut self, dialect: &Dialect) {
        if dialect.has_mixed_content
            && let Some(mut text) = self.text.take()
        {
            let mut collapsed = String::with_capacity(text.text.len());
            for character in text.text.chars() {
                let is_blank = matches!(character, ' ' | '\t' | '\n' | '\r');
                if !is_blank || !collapsed.ends_with(' ') {
                    collapsed.push(if is_blank { ' ' } else { character });
                }
            }
            text.text = collapsed;
            let end = text.content.end;
            self.push_text(text, end, "");
        }
    }

    /// Adds an element that has ended.
    fn end_opaque(&mut self, opaque: &Opaque, element: Range<usize>) {
        let kind = match opaque.role {
            // An element in text, which is replaced with it.
            Role::Text => return,
            Role::ContainerProperties if self.extend_last(Kind::Open, element.end) => return,
            Role::Divider => Kind::Divider,
            Role::Space => Kind::Space,
            Role::Hidden => Kind::Hidden,
            Role::FieldCode => Kind::FieldCode,
            Role::Field => opaque.mark.map_or(Kind::Point, Kind::Field),
            _ => Kind::Point,
        };
        self.push(element, kind);
    }

    /// Extends the last token up to a byte, if it is of a kind but for what is hidden behind it. Returns whether it is.
    fn extend_last(&mut self, kind: Kind, end: usize) -> bool {
        let last = self.tokens.iter().rposition(|token| token.kind != Kind::Hidden);
        match last {
            Some(last) if self.tokens[last].kind == kind && self.run.is_none() => {
                self.tokens.truncate(last + 1);
                self.tokens[last].range.end = end;
                true
            }
            _ => false,
        }
    }
}
