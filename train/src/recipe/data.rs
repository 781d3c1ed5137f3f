//! `[data]`: the text of a run.

use std::path::{Path, PathBuf};

use attend_data::{Cleaning, Normalization, ParallelText, TokenizerKind};
use attend_infer::metric::BleuTokenizer;
use attend_infer::{Language, Languages, TaskKind};
use attend_model::bounds;
use serde::{Deserialize, Serialize};

use super::out_of_range::{MOST, OutOfRange, check_bounds};

/// The text of a run: the embedded corpus, or files. A run of the task `classify` or `tag` reads labelled texts in place
/// of pairs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSettings {
    /// Name of an embedded corpus: `phrasebook`. With it, `train`, `valid` and `test` are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedded: Option<EmbeddedCorpus>,
    /// The language of the sources, by a code of ISO 639, a tag of BCP 47 or a locale, such as `en`, `zh-Hant` or
    /// `pt_BR`. The model folder keeps it: texts to translate are divided into sentences by its rules. Default:
    /// unknown, so that texts are divided by the rules of English.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_language: Option<Language>,
    /// The language of the targets, in the same notation as `source_language`. The model folder keeps it. Default:
    /// unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_language: Option<Language>,
    /// Training pairs: a table that names the files of one corpus, or a list of such tables. The corpora of a list are
    /// mixed by their weights.
    #[serde(default, with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub train: Vec<CorpusFiles>,
    /// Validation pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid: Option<CorpusFiles>,
    /// Test pairs, which are translated once, at the end. Default: the validation pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<CorpusFiles>,
    /// How text is cut into tokens: `bpe`, `unigram` or `whitespace`. The kind `whitespace` is for text that another
    /// program has segmented. Its marks, `@@ ` at the end of a piece of a word, are removed from translations. Default
    /// `bpe`, or the kind of the model that the run starts from, which may be `sentencepiece`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<TokenizerKind>,
    /// How text is normalised before it is cut into tokens, in training and in translating: a list of the steps `nfc`,
    /// `nfkc`, `whitespace` and `quotes`, in their order. References, with which translations are compared, stay as
    /// they are. Default: no step, or the normalizer of the model that the run starts from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub normalization: Vec<Normalization>,
    /// The share of the training pairs, in [0, 1], that are also trained on in capital letters. Default 0.
    #[serde(default)]
    pub capitals: f64,
    /// The maximum number of tokens in the joint vocabulary. Default 8000 subwords, or with `whitespace` all words of
    /// the training text, or the number of tokens of the model that the run starts from: in its vocabulary of sources
    /// if it has two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vocab_size: Option<usize>,
    /// The maximum number of training pairs that subwords are learnt from, spread evenly over the corpora. It limits
    /// the memory that the learning takes. With `whitespace`, words come from all pairs. Default 500000.
    #[serde(default = "default_vocab_pairs")]
    pub vocab_pairs: usize,
    /// BPE-dropout: the probability, in [0, 1], with which each applicable merge is skipped when a training sentence is
    /// cut into tokens. The merges are drawn anew each time the sentence is taken. Above 0, a batch may have more
    /// tokens than `training.batch_tokens`. Default 0.
    #[serde(default)]
    pub bpe_dropout: f64,
    /// The maximum number of tokens in either sentence of a training pair, `</s>` included. Pairs with a longer
    /// sentence are dropped and counted. Default 100. If the model has fewer positions, their number is the maximum.
    #[serde(default = "default_max_length")]
    pub max_length: usize,
    /// The maximum ratio of the longer to the shorter sentence of a training pair, both in tokens. Pairs above it are
    /// dropped and counted. Default 4.
    #[serde(default = "default_max_ratio")]
    pub max_ratio: f32,
    /// How BLEU finds words: `13a` for text as people write it, or `none` for text whose words and punctuation are
    /// separated already; `intl`, `char`, `zh` and `ja-mecab` are sacreBLEU's as well. Default `13a`.
    #[serde(default)]
    pub bleu: BleuTokenizer,
    /// The rules by which training pairs are dropped for their text, before they are cut into tokens and their lengths
    /// are known.
    #[serde(default)]
    pub clean: Cleaning,
}

/// The corpora that come with the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EmbeddedCorpus {
    /// English and German sentences from a grammar: [`attend_phrasebook`].
    Phrasebook,
}

/// Parallel text, in two files or in one file of two columns; or labelled text, in one file. Paths are relative to the
/// working folder. Compressed files are decompressed. A run reads the files several times, so that none can be a pipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorpusFiles {
    /// File of source sentences: one on each line, or in a test set of WMT, `.sgm` or `.xml`, one in each `<seg>`.
    /// Those of an `.xml` file are in `<src>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<PathBuf>,
    /// File of their translations, in one of the same formats. Those of an `.xml` file are in its first `<ref>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<PathBuf>,
    /// File with a source sentence, a tab and a target sentence on each line; or for the task `classify`, with a label, a
    /// tab and a text. With it, the other files are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tsv: Option<PathBuf>,
    /// File of the task `tag`, in the columns of CoNLL: a word and its tag on each line, and a blank line after each
    /// sentence. With it, the other files are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conll: Option<PathBuf>,
    /// Number of times that an epoch takes each training pair, on average. Only training pairs have a weight. Default
    /// 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
}

impl CorpusFiles {
    /// Returns the text in the files. Returns `None` unless either `source` and `target` are named, or `tsv` alone.
    #[must_use]
    pub fn text(&self) -> Option<ParallelText> {
        match (&self.source, &self.target, &self.tsv) {
            _ if self.conll.is_some() => None,
            (Some(source), Some(target), None) => Some(ParallelText::Files {
                source: source.clone(),
                target: target.clone(),
            }),
            (None, None, Some(tsv)) => Some(ParallelText::Tsv(tsv.clone())),
            _ => None,
        }
    }

    /// Returns the path of the file of labelled text. Returns `None` unless this file alone is named: `tsv` for the task
    /// `classify`, `conll` for `tag`.
    #[must_use]
    pub fn labelled(&self, task: TaskKind) -> Option<&Path> {
        let file = match task {
            TaskKind::Translate => &None,
            TaskKind::Classify => &self.tsv,
            TaskKind::Tag => &self.conll,
        };
        file.as_deref().filter(|_| self.paths().count() == 1)
    }

    /// Returns the files that are named.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.source, &self.target, &self.tsv, &self.conll]
            .into_iter()
            .flatten()
    }

    /// Returns which files must be named, if they are not those of the task.
    fn missing(&self, task: TaskKind) -> Option<&'static str> {
        match task {
            TaskKind::Translate => self.text().is_none().then_some("needs source and target, or tsv"),
            TaskKind::Classify => self
                .labelled(task)
                .is_none()
                .then_some("needs tsv, and no other file, since task = \"classify\""),
            TaskKind::Tag => self
                .labelled(task)
                .is_none()
                .then_some("needs conll, and no other file, since task = \"tag\""),
        }
    }
}

fn default_vocab_pairs() -> usize {
    500_000
}
fn default_max_length() -> usize {
    100
}
fn default_max_ratio() -> f32 {
    4.0
}

impl DataSettings {
    /// Takes from `languages` those that the recipe does not name.
    pub(super) fn complete_languages(&mut self, languages: &Languages) {
        let Languages { source, target } = languages;
        self.source_language = self.source_language.take().or_else(|| source.clone());
        self.target_language = self.target_language.take().or_else(|| target.clone());
    }

    /// Returns the languages that the recipe names.
    pub(crate) fn languages(&self) -> Languages {
        Languages {
            source: self.source_language.clone(),
            target: self.target_language.clone(),
        }
    }

    /// Checks that each whole number lies within its bounds.
    pub(super) fn check_bounds(&self) -> Result<(), OutOfRange> {
        check_bounds("data.vocab_size", self.vocab_size, 1..=bounds::VOCAB_SIZE as u64)?;
        check_bounds("data.vocab_pairs", Some(self.vocab_pairs), 1..=MOST)?;
        check_bounds("data.max_length", Some(self.max_length), 1..=MOST)?;
        check_bounds("data.clean.max_repeats", Some(self.clean.max_repeats), 0..=MOST)
    }

    /// Returns the keys that have a meaning for translation alone, each with whether it is set to another value than its
    /// default.
    pub(super) fn only_of_translation(&self) -> [(&'static str, bool); 8] {
        [
            ("data.source_language", self.source_language.is_some()),
            ("data.target_language", self.target_language.is_some()),
            ("data.capitals", self.capitals != 0.0),
            ("data.vocab_pairs", self.vocab_pairs != default_vocab_pairs()),
            ("data.bpe_dropout", self.bpe_dropout != 0.0),
            ("data.max_ratio", self.max_ratio != default_max_ratio()),
            ("data.bleu", self.bleu != BleuTokenizer::default()),
            ("data.clean", self.clean != Cleaning::default()),
        ]
    }

    /// Checks the settings that are not whole numbers, and that the settings go together. `from_model` says whether the
    /// run starts from a model, whose tokenizers it takes.
    pub(super) fn validate(&self, task: TaskKind, from_model: bool) -> Result<(), OutOfRange> {
        if self.max_ratio.is_nan() || self.max_ratio < 1.0 {
            return OutOfRange::of("data.max_ratio", "must be at least 1");
        }
        if !(0.0..=1.0).contains(&self.bpe_dropout) {
            return OutOfRange::of("data.bpe_dropout", "must lie in [0, 1]");
        }
        if !(0.0..=1.0).contains(&self.capitals) {
            return OutOfRange::of("data.capitals", "must lie in [0, 1]");
        }
        if self.tokenizer == Some(TokenizerKind::SentencePiece) && !from_model {
            let reason =
                "must be \"bpe\", \"unigram\" or \"whitespace\": a SentencePiece tokenizer is not learnt";
            return OutOfRange::of("data.tokenizer", reason);
        }
        if let Some(kind) = self.tokenizer
            && self.bpe_dropout > 0.0
            && kind != TokenizerKind::Bpe
        {
            let reason = format!("needs data.tokenizer = \"bpe\", not \"{kind}\"");
            return OutOfRange::of("data.bpe_dropout", &reason);
        }
        self.validate_corpora(task)
    }

    fn validate_corpora(&self, task: TaskKind) -> Result<(), OutOfRange> {
        let files_missing = "needs train and valid files, or an embedded corpus";
        let problem = match (self.embedded, self.train.as_slice(), &self.valid, &self.test) {
            (Some(_), [], None, None) | (None, [_, ..], Some(_), _) => None,
            (Some(_), ..) => Some((
                "data.embedded",
                "names an embedded corpus, so it can have no train, valid or test files",
            )),
            (None, [], ..) => Some(("data.train", files_missing)),
            (None, ..) => Some(("data.valid", files_missing)),
        };
        if let Some((field, reason)) = problem {
            return Err(OutOfRange {
                field: field.to_owned(),
                reason: format!("[data] {reason}"),
            });
        }
        let train = self.train.iter().enumerate().map(|(index, files)| {
            // A single corpus may be written as a table outside a list, without an index.
            let field = match self.train.len() {
                1 => "data.train".to_owned(),
                _ => format!("data.train.{index}"),
            };
            ("data.train", field, files)
        });
        let held_out = [("data.valid", &self.valid), ("data.test", &self.test)];
        let held_out = held_out
            .into_iter()
            .filter_map(|(name, files)| Some((name, name.to_owned(), files.as_ref()?)));
        for (name, field, files) in train.chain(held_out) {
            let (key, problem) = match (files.missing(task), files.weight) {
                (Some(problem), _) => ("", problem),
                _ if files.paths().any(|path| path.to_str().is_none()) => {
                    ("", "has a path that is not UTF-8")
                }
                _ if files.paths().any(|path| path == Path::new("-")) => (
                    "",
                    "names standard input, which can be read only once, but a run reads its text several times",
                ),
                (_, Some(_)) if name != "data.train" => {
                    (".weight", "has a weight, which only training corpora have")
                }
                (_, Some(weight)) if !(weight > 0.0 && weight.is_finite()) => {
                    (".weight", "has a weight that is no number above 0")
                }
                _ => continue,
            };
            return Err(OutOfRange {
                field: field + key,
                reason: format!("{name} {problem}"),
            });
        }
        Ok(())
    }
}

mod one_or_many {
    //! The serialization of a list of corpora. A list of one corpus is written as the corpus alone: `train = { … }`.

    use std::fmt;

    use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
    use serde::de::{MapAccess, SeqAccess, Visitor};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::CorpusFiles;

    pub(super) fn serialize<S: Serializer>(
        corpora: &[CorpusFiles],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match corpora {
            [corpus] => corpus.serialize(serializer),
            corpora => corpora.serialize(serializer),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<CorpusFiles>, D::Error> {
        // The errors of an untagged enum would not name the wrong key.
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Vec<CorpusFiles>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of corpus files, or a list of them")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                CorpusFiles::deserialize(MapAccessDeserializer::new(map)).map(|corpus| vec![corpus])
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list))
            }
        }

        deserializer.deserialize_any(OneOrMany)
    }
}
