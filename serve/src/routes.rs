//! The models by which text gets from one language into another.

use std::collections::BTreeMap;

use attend_infer::Language;

use crate::languages::{code, distance};
use crate::models::ServedFolder;

/// How text gets from one language into another. Models are known by their places among the folders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// It stays as it is, since both languages are the same, or one is a variant of the other.
    Same,
    /// One model translates it.
    Direct(usize),
    /// The second model translates what the first one has written in English.
    ByEnglish([usize; 2]),
}

/// Returns the route between two languages, direct if there is a model for it. Of several models, the one whose
/// languages are the nearest is taken, and of these the first.
pub(crate) fn route(folders: &[ServedFolder], source: &Language, target: &Language) -> Option<Route> {
    if source == target {
        let is_known = languages(folders).any(|language| distance(source, language).is_some());
        return is_known.then_some(Route::Same);
    }
    let english = Language::default();
    let by_english = || {
        Some([
            direct(folders, source, &english)?,
            direct(folders, &english, target)?,
        ])
    };
    let direct = direct(folders, source, target).map(Route::Direct);
    let is_variant = distance(source, target).is_some();
    let same = is_variant.then_some(Route::Same);
    direct.or_else(|| by_english().map(Route::ByEnglish)).or(same)
}

/// Returns the place of the model that translates directly.
fn direct(folders: &[ServedFolder], source: &Language, target: &Language) -> Option<usize> {
    let distances = folders.iter().enumerate().filter_map(|(place, folder)| {
        let distances = (
            distance(source, &folder.source)?,
            distance(target, &folder.target)?,
        );
        Some((distances, place))
    });
    distances.min().map(|(_, place)| place)
}

/// Returns the languages of all models, those that they read and those that they write.
pub(crate) fn languages(folders: &[ServedFolder]) -> impl Iterator<Item = &Language> {
    folders.iter().flat_map(|folder| [&folder.source, &folder.target])
}

/// Returns the languages into which text is translated from `source`, directly or by way of English, by their codes.
pub(crate) fn targets<'a>(folders: &'a [ServedFolder], source: &Language) -> BTreeMap<String, &'a Language> {
    let english = Language::default();
    let direct_targets = |source: &Language| {
        let of_source = folders
            .iter()
            .filter(|folder| distance(source, &folder.source).is_some());
        of_source.map(|folder| &folder.target).collect::<Vec<_>>()
    };
    let mut targets = direct_targets(source);
    if targets.iter().any(|target| distance(&english, target).is_some()) {
        targets.extend(direct_targets(&english));
    }
    let others = targets.into_iter().filter(|target| *target != source);
    others.map(|target| (code(target), target)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(pairs: &[(&str, &str)]) -> Vec<ServedFolder> {
        let folder = |(source, target): &(&str, &str)| ServedFolder {
            folder: format!("{source}-{target}").into(),
            source: source.parse().unwrap(),
            target: target.parse().unwrap(),
            target_language: None,
        };
        pairs.iter().map(folder).collect()
    }

    #[test]
    fn the_nearest_model_translates_or_two_by_way_of_english() {
        let folders = folders(&[
            ("fr", "en"),
            ("en", "pt-br"),
            ("en", "pt"),
            ("en", "de"),
            ("en", "de"),
            ("fr", "it"),
            ("de", "it"),
        ]);
        for (source, target, expected) in [
            ("en", "de", Some(Route::Direct(3))),
            ("en-GB", "de-AT", Some(Route::Direct(3))),
            ("en", "pt", Some(Route::Direct(2))),
            ("en", "pt-BR", Some(Route::Direct(1))),
            ("en", "pt-PT", Some(Route::Direct(2))),
            ("fr", "it", Some(Route::Direct(5))),
            ("fr", "de", Some(Route::ByEnglish([0, 3]))),
            ("fr", "fr", Some(Route::Same)),
            ("es", "es", None),
            ("en", "en-US", Some(Route::Same)),
            ("en", "it", None),
            ("de", "en", None),
            ("it", "fr", None),
        ] {
            let found = route(&folders, &source.parse().unwrap(), &target.parse().unwrap());
            assert_eq!(found, expected, "{source} to {target}");
        }
        let of = |source: &str| {
            let targets = targets(&folders, &source.parse().unwrap());
            targets.into_keys().collect::<Vec<_>>()
        };
        assert_eq!(of("fr"), ["de", "en", "it", "pt", "pt-BR"]);
        assert_eq!(of("en"), ["de", "pt", "pt-BR"]);
        assert_eq!(of("it"), [""; 0]);
    }
}
