//! The tokenizer `ja-mecab`: the words that the program MeCab finds in Japanese by the dictionary IPADIC.

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use encoding_rs::EUC_JP;
use sha2::{Digest, Sha256};
use vibrato::errors::VibratoError;
use vibrato::{SystemDictionaryBuilder, Tokenizer};

use super::is_python_whitespace;
use crate::metric::MetricError;

/// The environment variable that names the folder of the dictionary's source files.
const VARIABLE: &str = "ATTEND_MECAB_DICTIONARY";

/// The folder of Debian's package `mecab-ipadic`, which is read if no variable names another one.
const DEBIAN: &str = "/usr/share/mecab/dic/ipadic";

/// MeCab's limit for words that are in no dictionary: the number of characters after the first one.
const MAX_GROUPING_LENGTH: usize = 24;

/// The SHA-256 sum of the [`Sources`] of IPADIC 2.7.0-20070801 with the 392,126 words that sacreBLEU asks for.
const IPADIC: &str = "1be960ca4067bf59d1165b0ddf44c946a20384c36c748db0e8760bd74ef2406e";

/// A word that Debian has added to IPADIC: the name of the era that began in 2019. sacreBLEU's IPADIC is without it.
const REIWA: &str = "令和,1288,1288,5904,名詞,固有名詞,一般,*,*,*,令和,レイワ,レイワ\n";

/// For characters of EUC-JP that WHATWG's standard reads otherwise than MeCab, the reading of WHATWG, then of MeCab.
const READINGS: [(&str, &str); 6] = [
    ("～", "〜"),
    ("∥", "‖"),
    ("－", "−"),
    ("￠", "¢"),
    ("￡", "£"),
    ("￢", "¬"),
];

/// The text of a dictionary's source files.
#[derive(Debug)]
struct Sources {
    /// A line for each word, from all files that end in `.csv`.
    words: String,
    /// What each pair of adjacent words costs: `matrix.def`.
    matrix: String,
    /// The categories of characters: `char.def`.
    characters: String,
    /// How words are made up of characters of a category: `unk.def`.
    unknown: String,
}

/// Returns the line with white space between its words.
pub(super) fn separate(line: &str) -> Result<String, MetricError> {
    Ok(cut(ipadic()?, line))
}

/// Returns the tokenizer of this process, which is made from IPADIC when it is first asked for.
fn ipadic() -> Result<&'static Tokenizer, MetricError> {
    static TOKENIZER: OnceLock<Result<Tokenizer, MetricError>> = OnceLock::new();
    let tokenizer = TOKENIZER.get_or_init(|| {
        let named = env::var_os(VARIABLE).filter(|folder| !folder.is_empty());
        let folder = named.map_or_else(|| PathBuf::from(DEBIAN), PathBuf::from);
        let sources = Sources::read(&folder)?;
        if sources.sum() != IPADIC {
            return Err(unusable(
                &folder,
                "it is not IPADIC 2.7.0-20070801, or is damaged",
            ));
        }
        sources.compile().map_err(|error| unusable(&folder, error))
    });
    tokenizer.as_ref().map_err(Clone::clone)
}

/// Returns the line as MeCab prints it with `-Owakati`. Like MeCab's binding for Python, it stops at the character
/// U+0000.
fn cut(tokenizer: &Tokenizer, line: &str) -> String {
    let line = line.split('\0').next().unwrap_or_default();
    let mut worker = tokenizer.new_worker();
    worker.reset_sentence(line.trim_matches(is_python_whitespace));
    worker.tokenize();
    let words: Vec<&str> = worker.token_iter().map(|word| word.surface()).collect();
    words.join(" ")
}

impl Sources {
    /// Reads the files of a folder, in UTF-8 or in EUC-JP.
    fn read(folder: &Path) -> Result<Self, MetricError> {
        let entries = fs::read_dir(folder).map_err(|error| unusable(folder, error))?;
        let mut lexicons = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| unusable(folder, error))?.path();
            if path.extension().is_some_and(|extension| extension == "csv") {
                lexicons.push(path);
            }
        }
        // A folder lists its files in any order.
        lexicons.sort();
        let words: Vec<String> = lexicons.iter().map(|path| read(path)).collect::<Result<_, _>>()?;
        Ok(Self {
            words: words.concat().replace(REIWA, ""),
            matrix: read(&folder.join("matrix.def"))?,
            characters: read(&folder.join("char.def"))?,
            unknown: read(&folder.join("unk.def"))?,
        })
    }

    /// Returns the SHA-256 sum of all text, in hexadecimal digits.
    fn sum(&self) -> String {
        let mut sum = Sha256::new();
        for text in [&self.words, &self.matrix, &self.characters, &self.unknown] {
            sum.update(text);
        }
        let mut digits = String::new();
        for byte in sum.finalize() {
            write!(digits, "{byte:02x}").expect("a string takes all that is written to it");
        }
        digits
    }

    /// Returns a tokenizer that finds the words that MeCab finds by the same dictionary.
    fn compile(&self) -> Result<Tokenizer, VibratoError> {
        let dictionary = SystemDictionaryBuilder::from_readers(
            self.words.as_bytes(),
            self.matrix.as_bytes(),
            self.characters.as_bytes(),
            self.unknown.as_bytes(),
        )?;
        let tokenizer = Tokenizer::new(dictionary).ignore_space(true)?;
        Ok(tokenizer.max_grouping_len(MAX_GROUPING_LENGTH))
    }
}

fn read(path: &Path) -> Result<String, MetricError> {
    let bytes = fs::read(path).map_err(|error| unusable(path, error))?;
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => return Ok(text),
        Err(error) => error.into_bytes(),
    };
    let text = EUC_JP
        .decode_without_bom_handling_and_without_replacement(&bytes)
        .ok_or_else(|| unusable(path, "it is neither UTF-8 nor EUC-JP"))?;
    let text = text.into_owned();
    Ok(READINGS
        .iter()
        .fold(text, |text, (whatwg, mecab)| text.replace(whatwg, mecab)))
}

fn unusable(path: &Path, reason: impl ToString) -> MetricError {
    MetricError::Dictionary {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use tempfile::TempDir;

    use super::*;

    /// What `infer/tests/make_mecab_fixtures.py` writes: the text of a small dictionary's files, and how MeCab cuts
    /// lines by it.
    #[derive(Deserialize)]
    struct Fixture {
        files: BTreeMap<String, String>,
        cuts: Vec<(String, String)>,
    }

    fn fixture() -> Fixture {
        serde_json::from_str(include_str!("../../../tests/fixtures/mecab.json"))
            .expect("fixtures/mecab.json is what its script writes")
    }

    /// Writes the files of the small dictionary into a folder.
    fn folder() -> TempDir {
        let folder = TempDir::new().unwrap();
        for (name, text) in fixture().files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn words_are_those_of_mecab() {
        let folder = folder();
        let tokenizer = Sources::read(folder.path()).unwrap().compile().unwrap();
        let cuts = fixture().cuts;
        assert!(cuts.len() > 100);
        for (line, expected) in cuts {
            assert_eq!(cut(&tokenizer, &line), expected, "{line:?}");
        }
    }

    /// The bytes are those that iconv writes.
    #[test]
    fn files_in_euc_jp_are_read_as_iconv_reads_them() {
        let folder = folder();
        let path = folder.path().join("Noun.csv");
        fs::write(&path, "〜−‖¬¢£今日,1,1,0\n").unwrap();
        let utf8 = Sources::read(folder.path()).unwrap();
        let bytes = b"\xa1\xc1\xa1\xdd\xa1\xc2\xa2\xcc\xa1\xf1\xa1\xf2\xba\xa3\xc6\xfc,1,1,0\n";
        fs::write(&path, bytes).unwrap();
        let euc_jp = Sources::read(folder.path()).unwrap();
        assert_eq!(utf8.words, euc_jp.words);
        assert_eq!(utf8.sum(), euc_jp.sum());
    }

    #[test]
    fn what_is_added_to_ipadic_is_left_out() {
        let folder = folder();
        let before = Sources::read(folder.path()).unwrap().sum();
        let more = folder.path().join("Noun.csv");
        fs::write(&more, REIWA).unwrap();
        assert_eq!(Sources::read(folder.path()).unwrap().sum(), before);
        fs::write(&more, REIWA.replace("令和", "平成")).unwrap();
        assert_ne!(Sources::read(folder.path()).unwrap().sum(), before);
    }

    #[test]
    fn files_that_are_missing_or_unreadable_are_named() {
        let folder = folder();
        let path = folder.path().join("unk.def");
        let message = || Sources::read(folder.path()).unwrap_err().to_string();
        fs::write(&path, [0xff, 0xff]).unwrap();
        assert!(
            message().ends_with("unk.def: it is neither UTF-8 nor EUC-JP"),
            "{}",
            message()
        );
        fs::remove_file(&path).unwrap();
        assert!(message().contains("unk.def: No such file"), "{}", message());
    }
}
