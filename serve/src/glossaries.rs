//! The glossaries of clients, in memory and, if they are to outlive the server, in files.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use attend_infer::{Glossary, Language};
use axum::http::StatusCode;
use humantime::format_rfc3339_millis;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use tokio::task::block_in_place;
use tracing::warn;

use crate::error::ApiError;
use crate::files::unguessable;

/// The most glossaries of all clients.
const MOST_GLOSSARIES: usize = 1_000;

/// The most bytes of the terms of all glossaries.
const MOST_BYTES: usize = 16 << 20;

/// The most bytes of a term, as DeepL has it.
const MOST_TERM_BYTES: usize = 1_024;

/// The ending of the files.
const ENDING: &str = "json";

/// Glossaries, each known by a name that nobody guesses, and each of the client who made it.
#[derive(Debug, Default)]
pub struct Glossaries {
    /// The folder that has each glossary as a file; without, they end with the server.
    folder: Option<PathBuf>,
    kept: Mutex<BTreeMap<String, Arc<KeptGlossary>>>,
}

/// A glossary that is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeptGlossary {
    /// The name of the key with which it was made; empty if nobody needs a key.
    owner: String,
    pub(crate) name: String,
    /// When it was made, in the form of RFC 3339.
    pub(crate) created: String,
    pub(crate) dictionaries: Vec<Dictionary>,
}

/// The terms from one language to another.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Entries", into = "Entries")]
pub(crate) struct Dictionary {
    entries: Entries,
    terms: Arc<Glossary>,
}

/// A dictionary, as its file has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entries {
    source: Language,
    target: Language,
    entries: Vec<(String, String)>,
}

impl Glossaries {
    /// Keeps glossaries in a folder, which is made if it is not there, and reads those that it has. A file that is
    /// damaged is reported in the log, and stays as it is.
    ///
    /// # Errors
    ///
    /// If the folder cannot be made or read.
    pub fn open(folder: &Path) -> io::Result<Self> {
        private_folder(folder)?;
        let mut kept = BTreeMap::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_none_or(|ending| ending != ENDING) {
                continue;
            }
            let id = path.file_stem().unwrap_or_default().to_string_lossy();
            match read(&path) {
                Ok(glossary) => {
                    kept.insert(id.into_owned(), Arc::new(glossary));
                }
                Err(error) => {
                    warn!(file = %path.display(), "a glossary is left out, since its file is damaged: {error}")
                }
            }
        }
        Ok(Self {
            folder: Some(folder.to_owned()),
            kept: Mutex::new(kept),
        })
    }

    /// Makes a glossary of a client. Returns its id, and the glossary.
    ///
    /// # Errors
    ///
    /// If there are too many glossaries, if they have too many terms, or if the file cannot be written.
    pub(crate) fn create(
        &self,
        owner: &str,
        name: String,
        dictionaries: Vec<Dictionary>,
    ) -> Result<(String, Arc<KeptGlossary>), ApiError> {
        let id = unguessable().map_err(not_kept)?;
        let glossary = KeptGlossary {
            owner: owner.to_owned(),
            name,
            created: format_rfc3339_millis(SystemTime::now()).to_string(),
            dictionaries,
        };
        let mut kept = self.kept();
        let glossary = self.keep(&mut kept, &id, glossary)?;
        Ok((id, glossary))
    }

    /// Returns the glossaries of a client, by their ids.
    pub(crate) fn list(&self, owner: &str) -> Vec<(String, Arc<KeptGlossary>)> {
        let kept = self.kept();
        let own = kept.iter().filter(|(_, glossary)| glossary.owner == owner);
        own.map(|(id, glossary)| (id.clone(), Arc::clone(glossary)))
            .collect()
    }

    /// Returns a glossary of a client.
    ///
    /// # Errors
    ///
    /// If the client has no glossary of this id.
    pub(crate) fn get(&self, owner: &str, id: &str) -> Result<Arc<KeptGlossary>, ApiError> {
        own(&self.kept(), owner, id)
    }

    /// Changes a glossary of a client. Returns it as it is then.
    ///
    /// # Errors
    ///
    /// If the client has no glossary of this id, the error of `change`, and the errors of [`create`](Self::create). The
    /// glossary is then as before.
    pub(crate) fn change(
        &self,
        owner: &str,
        id: &str,
        change: impl FnOnce(&mut KeptGlossary) -> Result<(), ApiError>,
    ) -> Result<Arc<KeptGlossary>, ApiError> {
        let mut kept = self.kept();
        let mut glossary = (*own(&kept, owner, id)?).clone();
        change(&mut glossary)?;
        self.keep(&mut kept, id, glossary)
    }

    /// Removes a glossary of a client.
    ///
    /// # Errors
    ///
    /// If the client has no glossary of this id, or if its file cannot be removed.
    pub(crate) fn delete(&self, owner: &str, id: &str) -> Result<(), ApiError> {
        let mut kept = self.kept();
        own(&kept, owner, id)?;
        if let Some(path) = self.path(id) {
            block_in_place(|| fs::remove_file(path)).map_err(not_kept)?;
        }
        kept.remove(id);
        Ok(())
    }

    /// Puts a glossary in place of an older one of its id, first into its file.
    fn keep(
        &self,
        kept: &mut BTreeMap<String, Arc<KeptGlossary>>,
        id: &str,
        glossary: KeptGlossary,
    ) -> Result<Arc<KeptGlossary>, ApiError> {
        let others = || kept.iter().filter(|(other, _)| *other != id);
        if others().count() >= MOST_GLOSSARIES {
            let message = format!("the server keeps {MOST_GLOSSARIES} glossaries, and has so many");
            return Err(ApiError::quota_exceeded(message));
        }
        let bytes: usize = others().map(|(_, other)| other.bytes()).sum();
        if bytes + glossary.bytes() > MOST_BYTES {
            let message = format!("the server keeps terms of {MOST_BYTES} bytes, and these are too many");
            return Err(ApiError::quota_exceeded(message));
        }
        if let Some(path) = self.path(id) {
            block_in_place(|| write(&path, &glossary)).map_err(not_kept)?;
        }
        let glossary = Arc::new(glossary);
        kept.insert(id.to_owned(), Arc::clone(&glossary));
        Ok(glossary)
    }

    /// Returns the file of a glossary, if there are files.
    fn path(&self, id: &str) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?;
        Some(folder.join(id).with_extension(ENDING))
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<String, Arc<KeptGlossary>>> {
        self.kept
            .lock()
            .expect("no thread panics while it holds the glossaries")
    }
}

impl KeptGlossary {
    /// Returns the dictionary from one language to another, if there is one.
    pub(crate) fn dictionary(&self, source: &Language, target: &Language) -> Option<&Dictionary> {
        self.dictionaries
            .iter()
            .find(|dictionary| dictionary.is_between(source, target))
    }

    /// Puts a dictionary in place of that between the same languages, if there is one.
    pub(crate) fn put(&mut self, dictionary: Dictionary) {
        let Entries { source, target, .. } = &dictionary.entries;
        self.dictionaries
            .retain(|other| !other.is_between(source, target));
        self.dictionaries.push(dictionary);
    }

    fn bytes(&self) -> usize {
        let entries = self.dictionaries.iter().flat_map(Dictionary::entries);
        entries.map(|(source, target)| source.len() + target.len()).sum()
    }
}

impl Dictionary {
    /// Makes a dictionary of entries, each a term and what it is translated as.
    ///
    /// # Errors
    ///
    /// If there is no entry, or if one is not valid; the entry is named by its number.
    pub(crate) fn new(
        source: Language,
        target: Language,
        entries: Vec<(String, String)>,
    ) -> Result<Self, String> {
        if entries.is_empty() {
            return Err("there are no entries".to_owned());
        }
        let mut terms = Glossary::default();
        for (number, (source, target)) in (1..).zip(&entries) {
            for term in [source, target] {
                if term.len() > MOST_TERM_BYTES {
                    return Err(format!(
                        "entry {number} has a term of more than {MOST_TERM_BYTES} bytes"
                    ));
                }
                if term.contains(char::is_control) {
                    return Err(format!("entry {number} has a control character in {term:?}"));
                }
            }
            let added = terms.add(source, target);
            added.map_err(|error| format!("entry {number} is not valid: {error}"))?;
        }
        Ok(Self {
            entries: Entries {
                source,
                target,
                entries,
            },
            terms: Arc::new(terms),
        })
    }

    pub(crate) fn source(&self) -> &Language {
        &self.entries.source
    }

    pub(crate) fn target(&self) -> &Language {
        &self.entries.target
    }

    pub(crate) fn entries(&self) -> &[(String, String)] {
        &self.entries.entries
    }

    /// Returns the entries, as translations have them.
    pub(crate) fn terms(&self) -> &Arc<Glossary> {
        &self.terms
    }

    pub(crate) fn is_between(&self, source: &Language, target: &Language) -> bool {
        (self.source(), self.target()) == (source, target)
    }
}

impl TryFrom<Entries> for Dictionary {
    type Error = String;

    fn try_from(
        Entries {
            source,
            target,
            entries,
        }: Entries,
    ) -> Result<Self, String> {
        Self::new(source, target, entries)
    }
}

impl From<Dictionary> for Entries {
    fn from(dictionary: Dictionary) -> Self {
        dictionary.entries
    }
}

fn own(
    kept: &BTreeMap<String, Arc<KeptGlossary>>,
    owner: &str,
    id: &str,
) -> Result<Arc<KeptGlossary>, ApiError> {
    let found = kept.get(id).filter(|glossary| glossary.owner == owner);
    found
        .cloned()
        .ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, format!("there is no glossary {id:?}")))
}

fn not_kept(error: io::Error) -> ApiError {
    ApiError::internal(format!("the glossary cannot be kept: {error}"))
}

/// Makes a folder that only this user reads, if it is not there.
fn private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn read(path: &Path) -> io::Result<KeptGlossary> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// Writes the file of a glossary, which only this user reads. An older file stays as it is until the new one is whole.
fn write(path: &Path, glossary: &KeptGlossary) -> io::Result<()> {
    let folder = path.parent().expect("the file is in the folder");
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(&serde_json::to_vec(glossary)?)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dictionary(entries: &[(&str, &str)]) -> Result<Dictionary, String> {
        let entries = entries.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
        Dictionary::new("en".parse().unwrap(), "de".parse().unwrap(), entries.collect())
    }

    fn told(error: &ApiError) -> String {
        format!("{error:?}")
    }

    /// Makes a glossary of one entry.
    fn create(glossaries: &Glossaries, owner: &str, name: &str) -> String {
        let dictionaries = vec![dictionary(&[("house", "Haus")]).unwrap()];
        glossaries.create(owner, name.to_owned(), dictionaries).unwrap().0
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn glossaries_outlive_the_server() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("new/state");
        let glossaries = Glossaries::open(&folder).unwrap();
        let [first, second, third] = ["a", "b", "c"].map(|name| create(&glossaries, "anna", name));
        glossaries
            .change("anna", &second, |glossary| {
                glossary.put(dictionary(&[("house", "Gebäude"), ("man", "Mann")]).unwrap());
                Ok(())
            })
            .unwrap();
        glossaries.delete("anna", &third).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&folder), 0o700);
            assert_eq!(mode(&folder.join(&first).with_extension(ENDING)), 0o600);
        }
        // A file that was being written, one that is damaged, and one of another program.
        fs::write(folder.join(".tmp1"), "{").unwrap();
        fs::write(folder.join("damaged.json"), "{").unwrap();
        let glossaries = Glossaries::open(&folder).unwrap();
        let names: Vec<String> = glossaries
            .list("anna")
            .iter()
            .map(|(_, glossary)| glossary.name.clone())
            .collect();
        assert_eq!(names.len(), 2);
        let read = glossaries.get("anna", &second).unwrap();
        assert_eq!(read.name, "b");
        let [dictionary] = &read.dictionaries[..] else {
            panic!("{read:?}");
        };
        assert_eq!(
            dictionary.entries()[0],
            ("house".to_owned(), "Gebäude".to_owned())
        );
        assert_eq!(dictionary.entries().len(), 2);
        assert!(folder.join("damaged.json").exists());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_glossary_belongs_to_the_client_who_made_it() {
        let glossaries = Glossaries::default();
        let id = create(&glossaries, "anna", "a");
        assert!(glossaries.list("peter").is_empty());
        assert!(told(&glossaries.get("peter", &id).unwrap_err()).contains("404"));
        assert!(glossaries.change("peter", &id, |_| Ok(())).is_err());
        assert!(glossaries.delete("peter", &id).is_err());
        assert!(glossaries.get("anna", &id).is_ok());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_change_that_fails_changes_nothing() {
        let root = tempfile::tempdir().unwrap();
        let glossaries = Glossaries::open(root.path()).unwrap();
        let id = create(&glossaries, "", "a");
        let refused = glossaries.change("", &id, |glossary| {
            glossary.name = "b".to_owned();
            Err(ApiError::bad_request("no"))
        });
        assert!(refused.is_err());
        assert_eq!(glossaries.get("", &id).unwrap().name, "a");
        fs::remove_dir_all(root.path()).unwrap();
        let refused = glossaries.change("", &id, |glossary| {
            glossary.name = "b".to_owned();
            Ok(())
        });
        assert!(told(&refused.unwrap_err()).contains("cannot be kept"));
        assert_eq!(glossaries.get("", &id).unwrap().name, "a");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn there_is_a_bound_of_glossaries_and_of_terms() {
        let glossaries = Glossaries::default();
        for _ in 0..MOST_GLOSSARIES {
            create(&glossaries, "", "a");
        }
        let more = glossaries.create("", "a".to_owned(), vec![dictionary(&[("a", "b")]).unwrap()]);
        assert!(told(&more.unwrap_err()).contains("456"));
        // Changes go on.
        let (id, _) = glossaries.list("").pop().unwrap();
        glossaries.change("", &id, |_| Ok(())).unwrap();
        let long: Vec<(String, String)> = (0..20_000)
            .map(|number| (format!("{number}"), "b".repeat(MOST_TERM_BYTES)))
            .collect();
        let long = Dictionary::new("en".parse().unwrap(), "de".parse().unwrap(), long).unwrap();
        let changed = glossaries.change("", &id, |glossary| {
            glossary.put(long);
            Ok(())
        });
        assert!(told(&changed.unwrap_err()).contains("456"));
    }

    #[test]
    fn entries_that_are_not_valid_are_named() {
        for (entries, reason) in [
            (vec![], "no entries"),
            (
                vec![("a", "b"), ("a", "c")],
                "entry 2 is not valid: \"a\" is there twice",
            ),
            (vec![("a", "")], "entry 1 is not valid: a term is empty"),
            (vec![("a\n", "b")], "entry 1 has a control character"),
        ] {
            let error = dictionary(&entries).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
        let long = "a".repeat(MOST_TERM_BYTES + 1);
        assert!(dictionary(&[("a", long.as_str())]).unwrap_err().contains("1024"));
    }
}
