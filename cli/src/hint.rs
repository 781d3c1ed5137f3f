//! What a user can do about an error, in the terms of this program: its flags, its subcommands, the keys of a recipe.

use std::io;
use std::path::Path;

use attend_data::download::DownloadError;
use attend_data::{DataError, STANDARD_INPUT, is_compressed};
use attend_device::DeviceError;
use attend_documents::DocumentError;
use attend_formats::FormatError;
use attend_infer::InferError;
use attend_infer::metric::MetricError;
use attend_serve::KeysError;
use attend_train::{Place, TrainError};

use shlex::Quoter;

use crate::error::CliError;
use crate::{classify, command, tag, typed_command};

/// An error that may come with a hint.
pub trait Hint {
    /// Returns what the user can do about the error, or `None` if its message says it all.
    fn hint(&self) -> Option<String>;
}

impl Hint for DataError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Read { path, error } => return read_hint(path, error),
            Self::InvalidPrepared { path, .. } => {
                let folder = path.parent().unwrap_or(path).display();
                return Some(format!(
                    "remove the folder {folder}: the next run prepares the corpus anew"
                ));
            }
            Self::Encoding { path, encoding } => return Some(encoding_hint(path, encoding)),
            Self::Archive { .. } => "unpack it, and name the files with the sentences",
            Self::ReadOnce { .. } => {
                "write its text into a file first; files that gzip, xz, Zstandard or bzip2 have compressed can be \
                 named as they are"
            }
            Self::Write { .. } => "check that the folder exists, is writable and has free space",
            Self::InvalidUtf8 { .. } => {
                "convert the file to UTF-8, for example from Latin-1 by `iconv -f ISO-8859-1 -t UTF-8`"
            }
            Self::LongLine { .. } => "check that the file is text, and break it into lines",
            Self::Columns { .. } => "write one pair a line: source sentence, tab, target sentence",
            Self::LabelColumns { .. } => "write one text a line: its label, a tab, the text",
            Self::Incomplete {
                missing: "label" | "text",
                ..
            } => "write one text a line: its label, a tab, the text; or remove the line",
            Self::Incomplete { .. } => {
                "write one word a line: the word, a tab, its tag; sentences have a blank line between them"
            }
            Self::BlankLine { .. } => "remove the line; blank lines may only end the file",
            Self::SpacedTag { .. } => "write the tag as one word, such as B-full-name",
            Self::NumberedWords { .. } => {
                "leave the words and their tags in the file, such as the parts of speech by `grep -vE '^[0-9]+[-.]' | \
                 cut -f 2,4`"
            }
            Self::Segment { .. } => "write each segment on a line of its own",
            Self::TestSet { .. } => {
                "name the file by --input, which reads its sources, or have lines of markup translated by --format"
            }
            Self::RepeatedText { .. } => "give each translator and each system a name of its own",
            Self::Xml { .. } => "fetch the file again, or write its sentences into a text file, one a line",
            Self::NoSegments { element: "src", .. } => {
                "name a file with the sources, such as the .src.xml of the same test set"
            }
            Self::NoSegments { element: "ref", .. } => {
                "name a file with the references, such as the .ref.xml of the same test set"
            }
            Self::NoSegments { .. } => "name a file with the translations of a system",
            Self::UnequalSegments { .. } => {
                "the two files must be the source and the reference of the same test set"
            }
            Self::UnequalLengths { .. } => {
                "look for a missing or an extra line, or <seg> in an .sgm or .xml file; the two files must have the \
                 same sentences in the same order"
            }
            Self::EmptyCorpus { .. } | Self::EmptyLabelled { .. } => {
                "check that the path names the right file"
            }
            Self::VocabularyTooSmall { .. } => "ask for a larger vocabulary; 4,000 to 32,000 is usual",
            Self::InvalidTokenizer { .. } => {
                "use the tokenizer.json of a model folder that Attend wrote, or the vocab.json beside its .spm files"
            }
            Self::InvalidSentencePiece { .. } => "copy the file again from the model that it belongs to",
            Self::UnusedCorpus { .. } => "raise the weight, or leave the corpus out of the recipe",
            Self::TrainTokenizer { .. } | Self::NoTokenizerJson { .. } | Self::Mixture { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

impl Hint for DownloadError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::File(error) => return error.hint(),
            Self::NotInMirror { .. } => {
                "a mirror holds each file under the same path as its public server: all that follows the host"
            }
            Self::NotInArchive { .. } => "correct the members of this file in data/sources.toml",
            Self::Connection { .. } => {
                "check the network and run the command again: it goes on where it stopped"
            }
            Self::HttpStatus {
                status: 401 | 403, ..
            } => {
                "the server gives this file only to some: download it by a browser, or name another place with --mirror"
            }
            Self::HttpStatus { .. } => "try again later, or name another place with --mirror",
            Self::NoModel { .. } => {
                return Some(format!(
                    "check its name; a model that is not shown to everybody can be downloaded from its page and made a \
                     model folder by `{}`",
                    typed_command(&["import"])
                ));
            }
            Self::ModelName { .. } => "the page of a model on the hub has its name at the top",
            Self::List { .. } => "name another place with --mirror, which is laid out as the hub is",
            Self::WrongChecksum { .. } => {
                "the file is damaged or has changed at its source; run the command again, or try another --mirror"
            }
        };
        Some(hint.to_owned())
    }
}

impl Hint for DeviceError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unknown { nearest, .. } => {
                let list = command();
                return Some(format!(
                    "did you mean {nearest}? `{list} devices` lists what there is"
                ));
            }
            Self::NotCompiledIn { feature, .. } => {
                let backend = match feature.as_str() {
                    "remote" => "flex,remote",
                    feature => feature,
                };
                return Some(format!(
                    "build with `just backend={backend} …`, or `cargo install --locked --path cli --features {feature}`"
                ));
            }
            Self::Absent { .. } => return Some(format!("`{} devices` lists what there is", command())),
            Self::NoDevice => "build with the feature flex, which computes on any processor",
            Self::Unreachable { .. } => {
                return Some(format!(
                    "serve one there by `{} remote-server`, and name it remote:ws://HOST:PORT",
                    command()
                ));
            }
            Self::CannotOpen { .. } => {
                return Some(format!(
                    "another program may hold it for itself, or its driver not work; `{} devices` lists the others",
                    command()
                ));
            }
            Self::Failed { .. } => {
                "if its memory is full, have it compute less at once: train with a smaller training.batch_tokens and a \
                 larger training.accumulate, translate with a smaller --batch-tokens"
            }
            Self::Lost { .. } => {
                "start it again, and every remote-server, whose output tells more, or take another; a training goes on \
                 by --resume"
            }
            Self::Threads(_) => "ask for fewer by --workers",
            #[cfg(feature = "remote")]
            Self::Server { .. } => "take another port by --listen, and devices of one backend",
        };
        Some(hint.to_owned())
    }
}

impl Hint for FormatError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Data(error) => return error.hint(),
            Self::Infer(error) => return error.hint(),
            Self::Damaged { .. } => "fetch the file again",
            Self::Tensor { .. } | Self::Settings { .. } => {
                "fetch all files of the model again; they must be of the same model"
            }
            Self::Unsupported { .. } | Self::NotExportable { .. } => return None,
            Self::Trap { .. } => {
                "it may have been made to do harm: fetch the model from a place that you trust"
            }
            Self::Several { .. } => {
                "name the file of weights, and have only its own vocabularies and settings in its folder"
            }
            Self::OwnFolder { .. } => "translate with it by --model",
            Self::Missing { .. } => "fetch it from where the model is; it must be beside the other files",
            Self::UnknownFormat { .. } => {
                "name a folder of Hugging Face or CTranslate2, a .npz or .bin of Marian, or an .argosmodel"
            }
            Self::OutputExists { .. } => "name another folder with --output",
        };
        Some(hint.to_owned())
    }
}

impl Hint for DocumentError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Damaged { .. } => "open it in its own program and save it again",
            Self::Trap { .. } => {
                "it may have been made to do harm: take the document from those whom you trust, or save it again in its \
                 own program"
            }
            Self::Encoding { .. } => {
                "convert it to UTF-8, for example from Latin-1 by `iconv -f ISO-8859-1 -t UTF-8`"
            }
            Self::Subtitle { .. } => {
                "a subtitle is a line with its number, a line with its times, lines of text, and a blank line"
            }
            Self::Count { .. } | Self::Tags { .. } | Self::Pack { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

impl Hint for MetricError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::UnequalCounts { .. } | Self::EmptyCorpus | Self::UnequalSystems { .. } => {
                "give one hypothesis a line for each line of the reference"
            }
            // No subcommand compares tags of different words.
            Self::UnequalTags { .. } => return None,
            Self::NotBuiltIn { tokenizer } => {
                return Some(format!(
                    "build with `just backend=flex,{tokenizer} …`, or `cargo install --locked --path cli --features \
                     {tokenizer}`; without it take char, which needs no dictionary"
                ));
            }
            Self::Dictionary { .. } => {
                "install IPADIC, on Debian and Ubuntu by `apt install mecab-ipadic`, or name the folder of its .csv \
                 and .def files by the variable ATTEND_MECAB_DICTIONARY"
            }
        };
        Some(hint.to_owned())
    }
}

impl Hint for InferError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Data(error) => return error.hint(),
            Self::Device(error) => return error.hint(),
            Self::Metric(error) => return error.hint(),
            Self::Search(_) => return None,
            Self::NotAModel { path } => {
                let defaults = [
                    (classify::DEFAULT_MODEL, "configs/phrasebook-classify.toml"),
                    (tag::DEFAULT_MODEL, "configs/phrasebook-tag.toml"),
                ];
                let recipe = defaults.into_iter().find(|(model, _)| path == Path::new(model));
                let words: Vec<&str> = ["train"]
                    .into_iter()
                    .chain(recipe.map(|(_, recipe)| recipe))
                    .collect();
                return Some(format!(
                    "train a model first, for example by `{}`, or name another folder",
                    typed_command(&words)
                ));
            }
            Self::OtherTask { path, found, .. } => {
                let words = [&found.to_string(), "--model", &path.display().to_string()];
                return Some(format!("`{}` takes it", typed_command(&words)));
            }
            Self::InvalidSettings { .. } => "restore the file from the training run that wrote the folder",
            Self::NotFinite { .. } => {
                "take an earlier checkpoint, or train again with a smaller learning rate"
            }
            Self::InvalidShortlist { .. } => {
                "copy the file again, or remove it: the search then chooses among all tokens, and is slower"
            }
            Self::InvalidWeights { .. } => "copy the file again from where it was trained",
            Self::WeightsMismatch { .. } | Self::VocabularyMismatch { .. } => {
                "take config.json, model.safetensors and the tokenizer's files from the same training run"
            }
            Self::OneTargetLanguage { .. } => "leave --target-language out",
            Self::EnsembleTokenizers { .. } => "train its models on the same data, with other seeds",
            Self::TooLong { .. } => "split the line into sentences",
            Self::NothingToAttend { .. } => "give a sentence; without a translation, the model finds one",
            Self::Refused { .. }
            | Self::OneSentence { .. }
            | Self::NoAlignment { .. }
            | Self::NoSentences
            | Self::TwoTokenizers { .. }
            | Self::UnknownTargetLanguage { .. }
            | Self::NoWord { .. } => {
                return None;
            }
            Self::RequestTooLong { .. } => {
                "ask for a shorter prefix or fewer words, or raise --max-length, as far as the model has positions"
            }
            Self::Unmet { .. } => "ask for fewer words, ban fewer, or raise --max-length",
            Self::Precision { .. } => "every device computes in float32",
        };
        Some(hint.to_owned())
    }
}

impl Hint for TrainError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Data(error) => return error.hint(),
            Self::Device(error) => return error.hint(),
            Self::Infer(InferError::OtherTask { .. }) => {
                "a run starts from a model of its own task: name one by --from or init, or start from none"
            }
            Self::Infer(error) => return error.hint(),
            Self::Recipe {
                nearest: Some(key), ..
            } => return Some(format!("did you mean `{key}`?")),
            Self::Recipe {
                place: Place::Override(assignment),
                ..
            } if !assignment.contains('=') => "write section.key=value",
            Self::Recipe { .. } | Self::Config(_) => return None,
            Self::OtherThanInitial { .. } => {
                "leave this key, or the preset that sets it, out of the recipe to take the model's value; without \
                 --from and init a run may have any shape"
            }
            Self::OutputExists { .. } => {
                "go on with that run by --resume, or name another folder with --output"
            }
            Self::NoCheckpoint { .. } => "train without --resume into a new folder",
            Self::ChangedRecipe { path, .. } => {
                return Some(format!(
                    "resume with the recipe {} and --output {} (only these may change: training.epochs, minutes and \
                     patience, training.updates where the schedule is not cosine, and the languages), or train into \
                     another folder by --output",
                    path.join("recipe.toml").display(),
                    path.display()
                ));
            }
            Self::ChangedInput { .. } => "put it back as it was, or train into another folder by --output",
            Self::Busy { .. } => "wait until it has ended, or train into another folder by --output",
            Self::InvalidCheckpoint { .. } => {
                "train anew into another folder by --output; the model folder's weights are not affected"
            }
            Self::NotFinite { .. } => {
                "lower training.learning_rate or lengthen training.warmup, then train anew; the last good checkpoint \
                 is intact"
            }
            Self::NoModel => "lower training.learning_rate or lengthen training.warmup, then train anew",
            Self::Precision { .. } => "take another training.dtype, or other devices",
            Self::NothingToScore { left_out, .. } if left_out.too_long == 0 => {
                "check that the files in [data] have text on both sides"
            }
            Self::NothingToScore { .. } => {
                "raise model.max_length, or name files with shorter lines in [data]"
            }
            Self::NothingToTrain { unit, dropped, .. } => return Some(filters_hint(unit, dropped)),
            Self::UnknownLabel { .. } => {
                "correct the label, leave the text out, or train on texts that have this label"
            }
            Self::OneLabel { .. } => "name files in data.train whose texts have different labels",
        };
        Some(hint.to_owned())
    }
}

impl Hint for KeysError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Read { path, .. } => {
                let path = path.to_string_lossy();
                return Some(format!(
                    "make its first key by `{}`",
                    typed_command(&["serve", "--keys", &path, "--new-key", "NAME"])
                ));
            }
            Self::Write { .. } => "check that the folder exists, is writable and has free space",
            Self::Invalid { .. } => {
                "each [[key]] has a name, a sha256, and perhaps characters and requests_per_minute"
            }
            Self::NameTaken { .. } => "take another name, or remove the old key from the file",
        };
        Some(hint.to_owned())
    }
}

impl Hint for CliError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Data(error) => return error.hint(),
            Self::Device(error) => return error.hint(),
            Self::Download(error) => return error.hint(),
            Self::Document { error, .. } => return error.hint(),
            Self::Format(error) => return error.hint(),
            Self::Infer(error) => return error.hint(),
            Self::Keys(error) => return error.hint(),
            Self::Train(error) => return error.hint(),
            Self::RepeatedDevice { .. } => "name each device once",
            Self::SeveralDevices { .. } => "name one device by --device, or by ATTEND_DEVICE",
            Self::IdleDevices { .. } => "take a worker for each device, or leave out --workers",
            Self::Prefixes { .. } => "give a line for each line of the input; it may be empty",
            Self::Glossary { .. } => {
                "write each term once, in a line with a tab and what it is translated as"
            }
            Self::State { .. } => "name a folder by --state that this user may write to",
            Self::NoPairs { .. } => "name the files of a test set, with one sentence a line",
            Self::OnlyTranslators { .. } => "leave it out, or name the folder of a translator",
            Self::NoReference => "name it after the file of the sentences",
            Self::NoAttention { .. } => {
                "a translator has attention of its decoder to the source: ask for --kind cross"
            }
            Self::NoSuchLayer { .. } | Self::NoSuchHead { .. } => {
                "layers and heads are counted from 1; leave the flag out to see what there is"
            }
            Self::HasModel { .. } => {
                "remove the folder to fetch the model anew, or name another one by --output"
            }
            Self::Busy { .. } => "wait until it has ended",
            Self::NoTranslator { .. } => "MarianMT models are read, such as those of Helsinki-NLP",
            Self::NoHome => "name a folder by the variable ATTEND_HOME",
            Self::NoModel { .. } => {
                return Some(format!(
                    "`{}` lists what there is; two models can translate by way of a language that --via names",
                    typed_command(&["models"])
                ));
            }
            Self::SeveralModels { .. } => {
                "name one of them by --model; in place of --via, translate by one model and then by the other"
            }
            Self::NothingToServe { .. } => {
                return Some(format!(
                    "fetch one by `{}`, or train one by `{}`",
                    typed_command(&["get", "opus-mt-en-de"]),
                    typed_command(&["train"])
                ));
            }
            Self::NoLanguages { .. } => {
                "write them into its languages.json, for example {\"source\": \"en\", \"target\": \"de\"}"
            }
            Self::Listen { .. } => "take another port by --port, or an address of this machine by --host",
            Self::NotWell { .. } => "name its address by --host and --port, or see its log",
            Self::NotUtf8 { .. } => "rename it",
            Self::TooLong { .. } => "split the sentences, or take a model with more positions",
            Self::Signals(_) => "check the limits of this system",
        };
        Some(hint.to_owned())
    }
}

/// Returns the settings of a recipe that decide what these filters drop. `unit` is what they drop, pairs or texts, and
/// `dropped` names the filters as the table of pairs does.
fn filters_hint(unit: &str, dropped: &[(&str, usize)]) -> String {
    let too_long = format!("data.max_length and model.max_length say which {unit} are too long");
    let settings = dropped.iter().filter_map(|(filter, _)| match *filter {
        "empty" => Some("pairs with an empty side are always dropped"),
        "source equals target" => Some("data.clean.copies says whether a target may equal its source"),
        "wrong script" => {
            Some("data.clean.source_scripts and data.clean.target_scripts say which scripts are right")
        }
        "duplicate in corpus" => Some("data.clean.duplicates says whether a pair may occur again"),
        "repeated side" => Some("data.clean.max_repeats says how often a sentence may occur"),
        "too long" => Some(too_long.as_str()),
        "uneven lengths" => Some("data.max_ratio says which pairs have uneven lengths"),
        _ => None,
    });
    settings.collect::<Vec<_>>().join("; ")
}

/// Returns a message of a library with the flags of a subcommand in place of the options that it names in backquotes:
/// `--top-p` for `sampling.top_p`. An option of a library and the field of its flag have the same name in the code.
pub(crate) fn with_flags(message: &str, subcommand: &clap::Command) -> String {
    let mut message = message.to_owned();
    for argument in subcommand.get_arguments() {
        if let Some(flag) = argument.get_long() {
            let option = argument.get_id();
            for option in [format!("`{option}`"), format!("`sampling.{option}`")] {
                message = message.replace(&option, &format!("--{flag}"));
            }
        }
    }
    message
}

fn read_hint(path: &Path, error: &io::Error) -> Option<String> {
    match error.kind() {
        io::ErrorKind::NotFound => Some("check the path".to_owned()),
        io::ErrorKind::PermissionDenied | io::ErrorKind::IsADirectory => None,
        _ if is_compressed(path) => Some(format!(
            "the compressed file {} is damaged or cut short: fetch it again",
            path.display()
        )),
        _ => None,
    }
}

/// Returns the command that converts a file to UTF-8.
fn encoding_hint(path: &Path, encoding: &str) -> String {
    let convert = format!("iconv -f {encoding} -t UTF-8");
    let quoter = Quoter::new();
    let mut words = [path.to_owned(), path.with_added_extension("utf8")];
    let mut words = words.iter_mut().map(|word| quoter.quote(word.to_str()?).ok());
    match (words.next().flatten(), words.next().flatten()) {
        (Some(from), Some(to))
            if path != Path::new(STANDARD_INPUT) && path.is_file() && !is_compressed(path) =>
        {
            format!("convert it by `{convert} {from} > {to}`")
        }
        _ => format!("convert it by `{convert}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_is_decides_what_to_do_about_it() {
        let read = |path: &str, kind: io::ErrorKind| DataError::read(Path::new(path), kind.into()).hint();
        for ending in ["bz2", "gz", "xz", "zst"] {
            let hint = read(&format!("cut.{ending}"), io::ErrorKind::InvalidData).unwrap();
            assert!(hint.contains(ending) && hint.contains("damaged"), "{hint}");
        }
        assert_eq!(
            read("no/such/file.en", io::ErrorKind::NotFound).unwrap(),
            "check the path"
        );
        assert_eq!(read("text", io::ErrorKind::PermissionDenied), None);

        let encoding = DataError::Encoding {
            path: "no/such/text.de".into(),
            encoding: "UTF-16",
        };
        assert_eq!(
            encoding.hint().unwrap(),
            "convert it by `iconv -f UTF-16 -t UTF-8`"
        );

        for name in ["tokenizer.json", "vocab.json"] {
            let damaged = DataError::InvalidTokenizer {
                path: name.into(),
                reason: String::new(),
            };
            assert!(damaged.hint().unwrap().contains(name));
        }

        let status = |status| {
            let url = "https://some.where/file".to_owned();
            DownloadError::HttpStatus { url, status }.hint().unwrap()
        };
        assert!(status(503).contains("later"));
        assert!(status(403).contains("only to some"));

        let not_utf8 = DataError::InvalidUtf8 {
            path: "latin1.de".into(),
            line: 3,
        };
        assert!(not_utf8.hint().unwrap().contains("UTF-8"));
        let damaged = DataError::InvalidPrepared {
            path: "prepared/0123/00000.shard".into(),
            reason: "it is missing".to_owned(),
        };
        assert!(
            damaged
                .hint()
                .unwrap()
                .contains("remove the folder prepared/0123:")
        );
    }

    #[test]
    fn a_command_to_be_typed_is_one_that_the_user_has() {
        let hint = DeviceError::Absent {
            name: "cuda:9".to_owned(),
            present: Vec::new(),
        };
        assert!(hint.hint().unwrap().contains(&format!("`{} devices`", command())));
    }
}
