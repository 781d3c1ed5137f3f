//! A hash over everything that a prepared corpus depends on.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::format::FORMAT;
use crate::batch::Example;
use crate::corpora::cleaning::Cleaning;
use crate::corpora::compression::without_compression;
use crate::corpora::filter::Filter;
use crate::corpora::parallel_text::ParallelText;
use crate::error::DataError;
use crate::file::sha256;
use crate::tokenizer::PairTokenizer;

/// Returns the name of the folder into which `text` is prepared: the first 32 hexadecimal digits of a SHA-256 sum. The
/// sum depends on the content of the text's files (not on their names), the cleaning, the tokenizer, the filter and the
/// version of the format.
///
/// # Errors
/// Returns [`DataError::Read`] if a file of the text cannot be read.
pub(super) fn fingerprint(
    text: &ParallelText,
    cleaning: &Cleaning,
    tokenizer: &PairTokenizer,
    filter: &Filter,
) -> Result<String, DataError> {
    let mut hash = ContentHash(Sha256::new());
    hash.field(&FORMAT.to_le_bytes());
    hash.field(&serde_json::to_vec(cleaning).expect("numbers and names always serialize"));
    hash.field(&tokenizer.content());
    hash.field(&serde_json::to_vec(filter).expect("numbers always serialize"));
    hash.text(text)?;
    Ok(hash.finish())
}

/// Returns a hash of the tokens of examples, in as many digits.
pub(super) fn of_examples(examples: &[Example]) -> String {
    let mut hash = ContentHash(Sha256::new());
    for side in examples
        .iter()
        .flat_map(|example| [&example.source, &example.target])
    {
        let bytes: Vec<u8> = side.iter().flat_map(|id| id.to_le_bytes()).collect();
        hash.field(&bytes);
    }
    hash.finish()
}

/// A hash over fields. The length of each field is hashed with the field, so that two different lists of fields never
/// give the same bytes.
struct ContentHash(Sha256);

impl ContentHash {
    /// Returns the first 32 hexadecimal digits of the hash.
    fn finish(self) -> String {
        let sum = self.0.finalize();
        sum[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn field(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// Adds the pairs of a text, or the files that hold them.
    fn text(&mut self, text: &ParallelText) -> Result<(), DataError> {
        match text {
            ParallelText::Files { source, target } => {
                self.field(b"files");
                self.file(source)?;
                self.file(target)?;
            }
            ParallelText::Tsv(path) => {
                self.field(b"tsv");
                self.file(path)?;
            }
            ParallelText::Memory { pairs, .. } => {
                self.field(b"pairs");
                for pair in pairs {
                    self.field(pair.source.as_bytes());
                    self.field(pair.target.as_bytes());
                }
            }
            ParallelText::Capitals { text, share } => {
                self.field(b"capitals");
                self.field(&share.to_le_bytes());
                self.text(text)?;
            }
        }
        Ok(())
    }

    /// Adds the content of a file, and the ending of its name without that of its compression. The ending decides how
    /// the content is read.
    fn file(&mut self, path: &Path) -> Result<(), DataError> {
        let name = without_compression(path);
        let ending = name.extension().unwrap_or_default().to_ascii_lowercase();
        self.field(ending.as_encoded_bytes());
        // The file's own SHA-256 sum is hashed, not its bytes: a field begins with its length, which is known only
        // at the end of the file.
        self.field(&sha256(path)?);
        Ok(())
    }
}
