//! The subcommand `attend models` lists the translators that commands find by their names or their languages.

use crate::error::CliError;
use crate::library::{known_models, models_folder};
use crate::output::print;

pub(crate) fn run() -> Result<(), CliError> {
    let models = known_models()?;
    if models.is_empty() {
        eprintln!("no models in {}", models_folder()?.display());
    }
    let width = models.iter().map(|model| model.name.chars().count()).max();
    let width = width.unwrap_or_default();
    let code =
        |language: Option<attend_infer::Language>| language.map_or("?".to_owned(), |code| code.to_string());
    let lines = models.into_iter().map(|model| {
        let (source, target) = (code(model.languages.source), code(model.languages.target));
        format!("{:<width$}  {source} to {target}\n", model.name)
    });
    print(&lines.collect::<String>())
}
