//! The parts of an OpenDocument text that have text, and their elements.

use crate::archive::Archive;
use crate::xml_part::{Dialect, Role, XmlPart};
use crate::{DocumentError, Passage};

/// The members with text: the body, and the headers and footers of pages.
const MEMBERS: [&str; 2] = ["content.xml", "styles.xml"];

/// The namespace of paragraphs and of what is in them.
const NAMESPACE: &str = "urn:oasis:names:tc:opendocument:xmlns:text:1.0";

/// The elements of OpenDocument.
const DIALECT: Dialect = Dialect {
    role,
    has_mixed_content: true,
};

/// Reads the parts of a document that have text, the body first.
///
/// # Errors
///
/// Those of [`XmlPart::read`]; and [`DocumentError::Damaged`] if the archive is no OpenDocument text.
pub(crate) fn parts(archive: &mut Archive) -> Result<Vec<(XmlPart, Vec<Passage>)>, DocumentError> {
    let mimetype = archive
        .member("mimetype")
        .map(|member| archive.read(member))
        .transpose()?;
    match mimetype {
        Some(kind) if kind.trim().starts_with("application/vnd.oasis.opendocument.text") => {}
        Some(kind) => {
            let kind: String = kind.trim().chars().take(80).collect();
            return Err(archive.damaged(&format!("its type is {kind:?}")));
        }
        None => return Err(archive.damaged("it has no member mimetype")),
    }
    if let Some(manifest) = archive.member("META-INF/manifest.xml")
        && archive.read(manifest)?.contains("encryption-data")
    {
        return Err(archive.damaged("it is encrypted"));
    }
    if archive.member(MEMBERS[0]).is_none() {
        return Err(archive.damaged(&format!("it has no member {}", MEMBERS[0])));
    }
    let members = MEMBERS.iter().filter_map(|name| archive.member(name));
    let members: Vec<usize> = members.collect();
    let read = |member| XmlPart::read(archive, member, &DIALECT);
    members.into_iter().map(read).collect()
}

fn role(namespace: &str, name: &str) -> Role {
    if namespace != NAMESPACE {
        return Role::Other;
    }
    match name {
        "p" | "h" => Role::Paragraph,
        "span" | "a" | "meta" => Role::Container,
        "tab" | "line-break" => Role::Divider,
        "s" => Role::Space,
        "soft-page-break" => Role::Hidden,
        // Paragraphs that were deleted.
        "tracked-changes" => Role::Skipped,
        _ => Role::Other,
    }
}
