//! The models that the user has: the folders in `models` of Attend's own folder, which commands find by their names or
//! by their languages.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use attend_data::DataError;
use attend_infer::{Language, Languages, ModelFolder, TaskKind};
use clap::builder::{PathBufValueParser, TypedValueParser};

use crate::error::CliError;
use crate::flags::variable;

/// A translator of the user.
pub(crate) struct KnownModel {
    /// The name of its folder.
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) languages: Languages,
}

/// Returns the folder of the user's models: `models` in [Attend's own folder](home).
///
/// # Errors
///
/// That of [`home`].
pub(crate) fn models_folder() -> Result<PathBuf, CliError> {
    Ok(home()?.join("models"))
}

/// Returns the folder of models that are being fetched: `downloads` in [Attend's own folder](home).
///
/// # Errors
///
/// That of [`home`].
pub(crate) fn downloads_folder() -> Result<PathBuf, CliError> {
    Ok(home()?.join("downloads"))
}

/// Returns Attend's own folder: the one that the variable `ATTEND_HOME` names, or else `attend` in the platform's
/// folder for the data of programs.
///
/// # Errors
///
/// Returns [`CliError::NoHome`] if the variable is not set and the platform names no such folder.
fn home() -> Result<PathBuf, CliError> {
    let named = variable("ATTEND_HOME").and_then(env::var_os).map(PathBuf::from);
    let home = named.or_else(|| Some(dirs::data_dir()?.join("attend")));
    home.ok_or(CliError::NoHome)
}

/// Returns the user's translators in the order of their names. A damaged `languages.json` is reported on standard
/// error, and its model has no languages then.
///
/// # Errors
///
/// If the folder cannot be read.
pub(crate) fn known_models() -> Result<Vec<KnownModel>, CliError> {
    let folder = models_folder()?;
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| DataError::read(&folder, error))?,
    };
    let mut models = Vec::new();
    for entry in entries {
        let folder = entry.map_err(|error| DataError::read(&folder, error))?.path();
        // A folder without a configuration is no model, such as one that is being written.
        if TaskKind::of(&folder).is_ok_and(|task| task == TaskKind::Translate)
            && let Some(name) = folder.file_name()
        {
            let languages = ModelFolder::languages(&folder).unwrap_or_else(|error| {
                eprintln!("{error}");
                Languages::default()
            });
            models.push(KnownModel {
                name: name.to_string_lossy().into_owned(),
                languages,
                folder,
            });
        }
    }
    models.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(models)
}

/// Returns the only one of several translators that is between two languages. A model of a variant of a language, such
/// as `pt-br`, is one of `pt`.
///
/// # Errors
///
/// Returns [`CliError::NoModel`] if there is none, and [`CliError::SeveralModels`] if there are several.
fn model_between(models: &[KnownModel], from: &Language, to: &Language) -> Result<PathBuf, CliError> {
    let is_of = |wanted: &Language, language: &Option<Language>| {
        let code = language.as_ref().map(Language::to_string).unwrap_or_default();
        let wanted = wanted.to_string();
        code == wanted || code.split('-').next() == Some(wanted.as_str())
    };
    let found = models
        .iter()
        .filter(|model| is_of(from, &model.languages.source) && is_of(to, &model.languages.target));
    match *found.collect::<Vec<_>>() {
        [] => Err(CliError::NoModel {
            from: from.clone(),
            to: to.clone(),
        }),
        [model] => Ok(model.folder.clone()),
        ref models => Err(CliError::SeveralModels {
            from: from.clone(),
            to: to.clone(),
            names: models.iter().map(|model| model.name.clone()).collect(),
        }),
    }
}

/// The user's models by which text gets from one language into another.
pub(crate) enum Route {
    /// The folder of a model that translates directly.
    Direct(PathBuf),
    /// Two models, of which the second translates what the first has written.
    Pivot(Pivot),
}

/// The models of a route by way of a third language.
pub(crate) struct Pivot {
    /// The language that the first model writes and the last one reads.
    pub(crate) language: Language,
    /// The folder of the model that reads the text.
    pub(crate) first: PathBuf,
    /// The folder of the model that writes the translation.
    pub(crate) last: PathBuf,
}

/// Returns the route between two languages: by way of the language `via` if there is one. Otherwise it is direct, or if
/// no model translates directly, by way of English.
///
/// # Errors
///
/// Those of [`known_models`] and [`model_between`]. Without `via`, they are about a direct model.
pub(crate) fn route(from: &Language, to: &Language, via: Option<&Language>) -> Result<Route, CliError> {
    let models = known_models()?;
    if let Some(via) = via {
        return pivot(&models, from, to, via).map(Route::Pivot);
    }
    match model_between(&models, from, to) {
        Err(error @ CliError::NoModel { .. }) => match pivot(&models, from, to, &Language::default()) {
            Ok(pivot) => Ok(Route::Pivot(pivot)),
            Err(_) => Err(error),
        },
        model => model.map(Route::Direct),
    }
}

/// Returns the models of a route by way of the language `via`.
fn pivot(models: &[KnownModel], from: &Language, to: &Language, via: &Language) -> Result<Pivot, CliError> {
    Ok(Pivot {
        language: via.clone(),
        first: model_between(models, from, via)?,
        last: model_between(models, via, to)?,
    })
}

/// Returns the parser of a model folder, which may also be the name of one of the user's models.
pub(crate) fn model_folder() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().map(named_folder)
}

/// Returns the folder of the user's model with this name; the path itself if it exists or no model has the name.
pub(crate) fn named_folder(path: PathBuf) -> PathBuf {
    let known = models_folder().map(|folder| folder.join(&path));
    match known {
        Ok(known) if is_name(&path) && !path.exists() && known.exists() => known,
        _ => path,
    }
}

/// Returns whether a path is a name in the present folder.
fn is_name(path: &Path) -> bool {
    let mut parts = path.components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
}
