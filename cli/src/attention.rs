//! `attend attention`: what a model attends to in a sentence and its translation.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::slice;
use std::str::FromStr;

use attend_data::write_file;
use attend_device::notice_device_failure;
use attend_infer::{Attention, AttentionKind, Classifier, SentenceAttention, Tagger, TaskKind};
use attend_view::{AttentionLayers, AttentionMap, Colours, Terminal, page, svg};
use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser};
use console::Term;
use serde::Serialize;

use crate::error::CliError;
use crate::flags::{ComputeOptions, DASH, whole_number};
use crate::library::model_folder;
use crate::name::name_of;
use crate::open_model::OpenModel;
use crate::output::print;
use crate::{classify, tag};

/// The width of a picture that is not printed on a terminal.
const COLUMNS: usize = 80;

/// Show what a model attends to: a heat map of the weights, in percent, for a sentence and its translation, or for a
/// text that a classifier or a tagger labels.
///
/// Without further flags, the map shows how the subwords of the translation attend to those of the sentence, or those
/// of a labelled text to each other: for each layer, the mean of its heads.
#[derive(Args)]
pub(crate) struct Options {
    /// The model folder, or the name of one that `attend models` lists.
    #[arg(value_parser = model_folder())]
    model: PathBuf,
    /// The sentence. One that begins with a hyphen stands after all flags and --.
    source: String,
    /// Its translation. Without it, a translator translates the sentence.
    target: Option<String>,
    /// What attends: the encoder to the sentence, the decoder to its translation so far, or, across, the decoder to
    /// the sentence; several with commas between them. [default: cross, or encoder if the model labels]
    #[arg(long, value_name = "KIND,...", value_delimiter = ',', value_parser = name_of::<AttentionKind>())]
    kind: Vec<AttentionKind>,
    /// Show only this layer, counted from 1.
    #[arg(long, value_name = "N", value_parser = whole_number::<NonZeroUsize>)]
    layer: Option<NonZeroUsize>,
    /// The head to show, counted from 1; mean of all heads of a layer; or all, one by one.
    #[arg(long, value_name = "N|mean|all", default_value = "mean")]
    head: Heads,
    /// Show words in place of subwords: weights are summed over the subwords of a word that is attended to, and
    /// averaged over those of one that attends.
    #[arg(long)]
    words: bool,
    /// Also write the maps to this file, as a picture in SVG.
    #[arg(long, value_name = "FILE", value_parser = picture_file())]
    svg: Option<PathBuf>,
    /// Also write a page for a browser to this file, on which all kinds, layers and heads are shown.
    #[arg(long, value_name = "FILE", value_parser = picture_file())]
    html: Option<PathBuf>,
    /// Print a JSON object with the weights of all kinds, layers and heads in place of maps.
    #[arg(long, conflicts_with_all = ["kind", "layer", "head", "svg"])]
    json: bool,
    #[command(flatten)]
    compute: ComputeOptions,
}

/// The heads of a layer that are shown.
#[derive(Clone, Copy, Debug)]
enum Heads {
    Mean,
    All,
    One(NonZeroUsize),
}

impl FromStr for Heads {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text, text.parse()) {
            ("mean", _) => Ok(Self::Mean),
            ("all", _) => Ok(Self::All),
            (_, Ok(number)) => Ok(Self::One(number)),
            _ => Err("neither a number from 1 nor mean nor all"),
        }
    }
}

/// What a model attends to in a sentence.
struct Found {
    /// The line above the maps: the translation, or the labels.
    line: String,
    /// The translation, if the model is a translator.
    translation: Option<String>,
    attention: Vec<Attention>,
    /// The kind that is shown unless others are asked for.
    default: AttentionKind,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Output<'a> {
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    translation: Option<&'a str>,
    attention: Vec<KindOutput<'a>>,
}

/// One kind of attention in what `--json` prints.
#[derive(Serialize)]
struct KindOutput<'a> {
    /// The name of the kind as `--kind` takes it.
    kind: String,
    #[serde(flatten)]
    layers: &'a AttentionLayers,
}

pub(crate) fn run(options: &Options) -> Result<(), CliError> {
    let Found {
        line,
        translation,
        attention,
        default,
    } = options.found()?;
    let all = attention.into_iter().map(|attention| {
        if options.words {
            attention.of_words()
        } else {
            attention
        }
    });
    let all: Vec<Attention> = all.collect();
    let kinds = match options.kind.as_slice() {
        [] => &[default],
        kinds => kinds,
    };
    let shown = |attention: &&Attention| kinds.contains(&attention.kind);
    let maps: Vec<Vec<(String, AttentionMap)>> = all
        .iter()
        .filter(shown)
        .map(|attention| options.maps(attention))
        .collect::<Result<Vec<_>, _>>()?
        .concat();
    let kinds: Vec<AttentionKind> = all.iter().map(|attention| attention.kind).collect();
    let all: Vec<AttentionLayers> = all.into_iter().map(layers).collect();
    if let Some(path) = &options.svg {
        write_file(path, svg(&maps))?;
    }
    if let Some(path) = &options.html {
        let title = match &translation {
            Some(translation) => format!("{} → {translation}", options.source),
            None => options.source.clone(),
        };
        write_file(path, page(&title, &all))?;
    }
    if options.json {
        let output = Output {
            source: &options.source,
            translation: translation.as_deref(),
            attention: kinds
                .iter()
                .zip(&all)
                .map(|(kind, layers)| KindOutput {
                    kind: kind.to_string(),
                    layers,
                })
                .collect(),
        };
        let json = serde_json::to_string(&output).expect("texts and numbers always serialize");
        return print(&(json + "\n"));
    }
    let terminal = terminal();
    let maps = maps.iter().flatten();
    let drawn = maps.map(|(title, map)| {
        let title = textwrap::fill(title, terminal.columns);
        format!("\n{title}\n{}", terminal.heat_map(map))
    });
    print(&format!("{line}{}", drawn.collect::<String>()))
}

impl Options {
    fn found(&self) -> Result<Found, CliError> {
        let model = OpenModel::open(&self.model)?;
        match TaskKind::of(&*model)? {
            TaskKind::Translate => self.of_translator(&model),
            task => self.of_labels(&model, task),
        }
    }

    fn of_translator(&self, model: &Path) -> Result<Found, CliError> {
        let (translator, device) = self.compute.load(model)?;
        let SentenceAttention {
            translation,
            encoder,
            decoder,
            cross,
        } = notice_device_failure(slice::from_ref(&device), || {
            Ok::<_, CliError>(translator.attention(&self.source, self.target.as_deref())?)
        })?;
        Ok(Found {
            line: format!("{translation}\n"),
            translation: Some(translation),
            attention: vec![encoder, decoder, cross],
            default: AttentionKind::Cross,
        })
    }

    /// Returns what a classifier or a tagger attends to.
    fn of_labels(&self, model: &Path, task: TaskKind) -> Result<Found, CliError> {
        let has_other_kind = self.kind.iter().any(|kind| *kind != AttentionKind::Encoder);
        let asked = [
            (self.target.is_some(), "a translation"),
            (has_other_kind, "--kind decoder or cross"),
            (!self.compute.ensemble.is_empty(), "--ensemble"),
        ];
        if let Some((_, asked)) = asked.into_iter().find(|(is_asked, _)| *is_asked) {
            return Err(CliError::OnlyTranslators { asked, task });
        }
        let network = &self.compute.network;
        let (line, attention) = if task == TaskKind::Tag {
            let (tagger, device) = network
                .load(|device, precision, workers| Tagger::load(model, device, precision, workers.clone()))?;
            let words = tag::words(&self.source);
            notice_device_failure(slice::from_ref(&device), || {
                let line = tag::plain_line(&tagger.tag(&[&words])[0]);
                Ok::<_, CliError>((line, tagger.attention(&words)?))
            })?
        } else {
            let (classifier, device) = network.load(|device, precision, workers| {
                Classifier::load(model, device, precision, workers.clone())
            })?;
            notice_device_failure(slice::from_ref(&device), || {
                let found = classifier.classify(&[&self.source]).remove(0);
                let line = classify::plain_line(&found.labels[..1.min(found.labels.len())]);
                Ok::<_, CliError>((line, classifier.attention(&self.source)?))
            })?
        };
        Ok(Found {
            line,
            translation: None,
            attention: vec![attention],
            default: AttentionKind::Encoder,
        })
    }

    /// Returns the maps to show, a row for each layer, each map with its title.
    fn maps(&self, attention: &Attention) -> Result<Vec<Vec<(String, AttentionMap)>>, CliError> {
        let kind = attention.kind.title();
        let layers = layers(attention.clone());
        let count = layers.layers.len();
        if count == 0 {
            return Err(CliError::NoAttention { kind });
        }
        let chosen = match self.layer.map(NonZeroUsize::get) {
            None => 0..count,
            Some(layer) if layer <= count => layer - 1..layer,
            Some(layer) => {
                return Err(CliError::NoSuchLayer { layer, kind, count });
            }
        };
        let row = |layer: usize| {
            let count = layers.layers[layer].len();
            let title = |head: &str| format!("{kind}, layer {}, {head}", layer + 1);
            let one = |head: usize| {
                let map = layers.head(layer, head)?;
                Some((title(&format!("head {}", head + 1)), map))
            };
            match self.head {
                Heads::Mean => {
                    let map = layers.mean(layer).into_iter();
                    Ok(map
                        .map(|map| (title(&format!("mean of {count} heads")), map))
                        .collect())
                }
                Heads::All => Ok((0..count).filter_map(one).collect()),
                Heads::One(head) => one(head.get() - 1)
                    .map(|map| vec![map])
                    .ok_or(CliError::NoSuchHead {
                        head: head.get(),
                        kind,
                        count,
                    }),
            }
        };
        chosen.map(row).collect()
    }
}

/// Returns the weights as the pictures take them.
fn layers(attention: Attention) -> AttentionLayers {
    AttentionLayers {
        name: attention.kind.title().to_owned(),
        queries: attention.queries,
        keys: attention.keys,
        layers: attention.layers,
    }
}

/// Returns what standard output can show. The variables `NO_COLOR` and `COLUMNS` are obeyed.
fn terminal() -> Terminal {
    // `supports_color` takes NO_COLOR=0 as a wish for colours, but https://no-color.org asks for none by any value.
    let wants_none = std::env::var_os("NO_COLOR").is_some();
    let colours = match supports_color::on(supports_color::Stream::Stdout) {
        _ if wants_none => Colours::None,
        Some(level) if level.has_16m => Colours::True,
        Some(level) if level.has_256 => Colours::Palette,
        _ => Colours::None,
    };
    let asked = std::env::var("COLUMNS").ok();
    let asked = asked.and_then(|columns| columns.parse::<NonZeroUsize>().ok());
    let of_terminal = || Some(usize::from(Term::stdout().size_checked()?.1));
    Terminal {
        columns: asked
            .map(NonZeroUsize::get)
            .or_else(of_terminal)
            .unwrap_or(COLUMNS),
        colours,
        unicode: supports_unicode::on(supports_unicode::Stream::Stdout),
    }
}

/// Returns the parser of the file for a picture, which standard output cannot be: it has the maps.
fn picture_file() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| {
        if path == Path::new(DASH) {
            Err("standard output has the maps; name a file")
        } else {
            Ok(path)
        }
    })
}
