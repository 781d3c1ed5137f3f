//! The models of a server: loaded when they are first needed, given back when others need the memory, and loaded anew
//! when their folders change.

use std::error::Error;
use std::fmt;
use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use attend_infer::{Language, Translator};
use tokio::sync;
use tokio::task::block_in_place;
use tokio::time::{sleep, timeout_at};
use tracing::{info, warn};

use crate::error::ApiError;
use crate::scheduler::ScheduleError;

/// The time between two looks at the folders of loaded models.
const WATCH_PERIOD: Duration = Duration::from_secs(1);

/// The files of a model folder end in these.
const MODEL_FILES: [&str; 4] = ["bin", "json", "safetensors", "spm"];

/// A model folder that a server translates with.
#[derive(Clone, Debug)]
pub struct ServedFolder {
    /// The path of the folder.
    pub folder: PathBuf,
    /// The language of the text that the model reads.
    pub source: Language,
    /// The language of the text that the model writes.
    pub target: Language,
    /// The code of this language in the vocabulary of a model of several target languages, such as `deu` for the token
    /// `>>deu<<`. The folder of such a model is served once for each.
    pub target_language: Option<String>,
}

/// A function that loads the model of a folder.
type Load = dyn Fn(&Path) -> Result<Translator, Box<dyn Error + Send + Sync>> + Send + Sync;

/// The models of a server, each in its folder. A model is loaded when a request needs it. If a folder changes, its
/// model is loaded anew, and the old one answers until then.
pub struct Models {
    folders: Vec<ServedFolder>,
    most_loaded: NonZeroUsize,
    load: Box<Load>,
    /// The models in memory; the one that was used last is the last one.
    loaded: Mutex<Vec<Loaded>>,
    /// Locked while a model is loaded, so that there are never two of the same folder.
    loading: sync::Mutex<()>,
}

/// A model in memory.
struct Loaded {
    /// The place of its folder among those that are served.
    place: usize,
    translator: Translator,
    /// The version of the folder that was read, or that could not be read anew.
    version: Version,
}

/// The lengths and the times of the files in a model folder, in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Version(Vec<(PathBuf, u64, SystemTime)>);

impl Models {
    /// Serves the models of `folders`, of which at most `most_loaded` are in memory. Before a further one is loaded by
    /// `load`, the one that has not been used for longest is given back. A model that is given back stays in memory
    /// until the requests that it translates are done.
    ///
    /// The translators that `load` returns compute on workers other than those of the
    /// [`Scheduler`](crate::Scheduler).
    #[must_use]
    pub fn new(
        folders: Vec<ServedFolder>,
        most_loaded: NonZeroUsize,
        load: impl Fn(&Path) -> Result<Translator, Box<dyn Error + Send + Sync>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            folders,
            most_loaded,
            load: Box::new(load),
            loaded: Mutex::default(),
            loading: sync::Mutex::default(),
        }
    }

    /// Returns the folders that are served. Models are known by their places among them.
    pub(crate) fn folders(&self) -> &[ServedFolder] {
        &self.folders
    }

    /// Returns the number of models in memory.
    pub(crate) fn count_loaded(&self) -> usize {
        self.loaded().len()
    }

    /// Returns the translator of the folder at `place`, which is loaded if it is not in memory.
    ///
    /// # Errors
    ///
    /// If the model cannot be loaded, or if others are loaded until the `deadline`.
    pub(crate) async fn translator(&self, place: usize, deadline: Instant) -> Result<Translator, ApiError> {
        let place = self.first_place(place);
        if let Some(translator) = self.use_loaded(place) {
            return Ok(translator);
        }
        let alone = timeout_at(deadline.into(), self.loading.lock()).await;
        let _alone = alone.map_err(|_| ScheduleError::Deadline)?;
        // Another request may have loaded it meanwhile.
        if let Some(translator) = self.use_loaded(place) {
            return Ok(translator);
        }
        let given_back = self.loaded().len().saturating_sub(self.most_loaded.get() - 1);
        self.loaded().drain(..given_back);
        match block_in_place(|| self.read(place)) {
            Ok(loaded) => {
                let translator = loaded.translator.clone();
                self.loaded().push(loaded);
                Ok(translator)
            }
            Err(error) => {
                let ServedFolder {
                    source,
                    target,
                    folder,
                    ..
                } = &self.folders[place];
                warn!(folder = %folder.display(), "cannot load a model: {error}");
                let message = format!("the model from {source} to {target} cannot be loaded");
                Err(ApiError::internal(message))
            }
        }
    }

    /// Returns the first place of the folder at `place`, which is served at several if its model has several target
    /// languages. The model is in memory once.
    fn first_place(&self, place: usize) -> usize {
        let folder = &self.folders[place].folder;
        let first = self.folders.iter().position(|other| other.folder == *folder);
        first.unwrap_or(place)
    }

    /// Returns the translator of a folder if it is in memory. It is then the one that was used last.
    fn use_loaded(&self, place: usize) -> Option<Translator> {
        let mut loaded = self.loaded();
        let found = loaded.iter().position(|loaded| loaded.place == place)?;
        let loaded_model = loaded.remove(found);
        let translator = loaded_model.translator.clone();
        loaded.push(loaded_model);
        Some(translator)
    }

    /// Loads the models anew whose folders change, as long as it is polled. A folder is read when it has been the same
    /// for a [`WATCH_PERIOD`], so that no model is made of old and new files. A folder that is not valid is reported,
    /// and its old model stays.
    pub(crate) async fn watch(&self) {
        // The versions that were seen a period ago, and are not those that were read.
        let mut seen: Vec<Option<Version>> = vec![None; self.folders.len()];
        loop {
            sleep(WATCH_PERIOD).await;
            for (place, read) in self.versions() {
                let folder = &self.folders[place].folder;
                // A folder that is being replaced may not be there.
                let found = Version::of(folder).ok().filter(|found| *found != read);
                let is_settled = found.is_some() && found == seen[place];
                seen[place] = found;
                if is_settled && let Some(version) = seen[place].take() {
                    self.reload(place, version).await;
                }
            }
        }
    }

    /// Loads a model anew. `version` is that of its folder.
    async fn reload(&self, place: usize, version: Version) {
        let _alone = self.loading.lock().await;
        let folder = &self.folders[place].folder;
        let read = block_in_place(|| self.read(place));
        let mut loaded = self.loaded();
        // It may have been given back meanwhile.
        let Some(old) = loaded.iter_mut().find(|loaded| loaded.place == place) else {
            return;
        };
        match read {
            Ok(read) => {
                *old = read;
                info!(folder = %folder.display(), "loaded a model anew");
            }
            Err(error) => {
                old.version = version;
                warn!(folder = %folder.display(), "a model stays as it was: {error}");
            }
        }
    }

    /// Reads a model from its folder.
    fn read(&self, place: usize) -> Result<Loaded, Box<dyn Error + Send + Sync>> {
        let folder = &self.folders[place].folder;
        // First, so that a change while the model is being read is seen later.
        let version = Version::of(folder)?;
        Ok(Loaded {
            place,
            translator: (self.load)(folder)?,
            version,
        })
    }

    /// Returns the places of the models in memory, and the versions of their folders.
    fn versions(&self) -> Vec<(usize, Version)> {
        let loaded = self.loaded();
        let versions = loaded.iter().map(|loaded| (loaded.place, loaded.version.clone()));
        versions.collect()
    }

    fn loaded(&self) -> MutexGuard<'_, Vec<Loaded>> {
        self.loaded
            .lock()
            .expect("no thread panics while it holds the models")
    }
}

impl fmt::Debug for Models {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Models")
            .field("folders", &self.folders)
            .field("most_loaded", &self.most_loaded)
            .finish_non_exhaustive()
    }
}

impl Version {
    /// Returns the present version of a folder.
    fn of(folder: &Path) -> io::Result<Self> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let is_of_model = |kind: &str| path.extension().is_some_and(|extension| extension == kind);
            if MODEL_FILES.into_iter().any(is_of_model) {
                let file = fs::metadata(&path)?;
                files.push((path, file.len(), file.modified()?));
            }
        }
        files.sort();
        Ok(Self(files))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Weak};

    use attend_infer::Model;
    use tempfile::TempDir;
    use tokio::runtime::{Builder, Runtime};
    use tokio::task::JoinSet;

    use super::*;
    use crate::common::translator;

    /// Folders whose only file says whether they are valid, and the number of times that each was loaded.
    struct Folders {
        root: TempDir,
        loads: Arc<[AtomicUsize; 3]>,
        models: Arc<Models>,
    }

    impl Folders {
        fn new(most_loaded: usize) -> Self {
            let root = tempfile::tempdir().unwrap();
            let folders: Vec<ServedFolder> = (0..3)
                .map(|place| ServedFolder {
                    folder: root.path().join(place.to_string()),
                    source: Language::default(),
                    target: Language::default(),
                    target_language: None,
                })
                .collect();
            for folder in &folders {
                fs::create_dir(&folder.folder).unwrap();
                fs::write(folder.folder.join("config.json"), "valid").unwrap();
            }
            let loads = Arc::<[AtomicUsize; 3]>::default();
            let counted = Arc::clone(&loads);
            let load = move |folder: &Path| {
                let place: usize = folder.file_name().unwrap().to_str().unwrap().parse()?;
                counted[place].fetch_add(1, Ordering::Relaxed);
                if fs::read(folder.join("config.json"))?.starts_with(b"valid") {
                    Ok(translator())
                } else {
                    Err("the file is not valid".into())
                }
            };
            Self {
                models: Arc::new(Models::new(folders, most_loaded.try_into().unwrap(), load)),
                root,
                loads,
            }
        }

        fn write(&self, place: usize, content: &str) {
            fs::write(self.root.path().join(format!("{place}/config.json")), content).unwrap();
        }

        async fn model(&self, place: usize) -> Weak<Model> {
            let translator = self.models.translator(place, in_a_minute()).await.unwrap();
            Arc::downgrade(translator.model())
        }

        fn loads(&self) -> [usize; 3] {
            [0, 1, 2].map(|place| self.loads[place].load(Ordering::Relaxed))
        }
    }

    fn in_a_minute() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    fn runtime() -> Runtime {
        Builder::new_multi_thread()
            .worker_threads(2)
            .enable_time()
            .build()
            .unwrap()
    }

    async fn until(is_so: impl Fn() -> bool) {
        let limit = in_a_minute();
        while !is_so() {
            assert!(Instant::now() < limit);
            sleep(Duration::from_millis(10)).await;
        }
    }

    #[test]
    fn a_model_is_loaded_once_for_all_who_wait() {
        let folders = Folders::new(2);
        runtime().block_on(async {
            let mut requests = JoinSet::new();
            for place in [0, 1].repeat(8) {
                let models = Arc::clone(&folders.models);
                requests.spawn(async move { models.translator(place, in_a_minute()).await.is_ok() });
            }
            assert!(requests.join_all().await.into_iter().all(|is_loaded| is_loaded));
        });
        assert_eq!(folders.loads(), [1, 1, 0]);
    }

    #[test]
    fn the_model_that_was_not_used_for_longest_is_given_back() {
        let folders = Folders::new(2);
        runtime().block_on(async {
            let [first, second] = [folders.model(0).await, folders.model(1).await];
            folders.model(0).await;
            let third = folders.model(2).await;
            let counts = [&first, &second, &third].map(Weak::strong_count);
            assert_eq!(counts, [1, 0, 1]);
            // A request that translates with a model keeps it.
            let busy = folders.models.translator(0, in_a_minute()).await.unwrap();
            folders.model(2).await;
            folders.model(1).await;
            assert_eq!(first.strong_count(), 1);
            drop(busy);
            assert_eq!(first.strong_count(), 0);
        });
        assert_eq!(folders.loads(), [1, 2, 1]);
    }

    #[test]
    fn a_folder_that_changes_is_loaded_anew_if_it_is_valid() {
        let folders = Folders::new(2);
        runtime().block_on(async {
            let watched = Arc::clone(&folders.models);
            let watching = tokio::spawn(async move { watched.watch().await });
            let old = folders.model(0).await;
            folders.model(1).await;
            folders.write(0, "valid and new");
            until(|| old.strong_count() == 0).await;
            let new = folders.model(0).await;
            assert_eq!(folders.loads(), [2, 1, 0]);
            // It is tried once.
            folders.write(0, "damaged");
            until(|| folders.loads()[0] == 3).await;
            sleep(3 * WATCH_PERIOD).await;
            assert_eq!(folders.loads(), [3, 1, 0]);
            assert!(folders.model(0).await.ptr_eq(&new));
            // It is valid again.
            folders.write(0, "valid");
            until(|| new.strong_count() == 0).await;
            // A folder that is away is no change.
            let model = folders.model(0).await;
            fs::remove_dir_all(folders.root.path().join("0")).unwrap();
            sleep(3 * WATCH_PERIOD).await;
            assert!(folders.model(0).await.ptr_eq(&model));
            watching.abort();
        });
    }

    #[test]
    fn a_model_that_cannot_be_loaded_is_tried_by_each_request() {
        let folders = Folders::new(1);
        folders.write(1, "damaged");
        runtime().block_on(async {
            for _ in 0..2 {
                assert!(folders.models.translator(1, in_a_minute()).await.is_err());
            }
            folders.model(0).await;
            folders.write(1, "valid");
            folders.model(1).await;
        });
        assert_eq!(folders.loads(), [1, 3, 0]);
    }
}
