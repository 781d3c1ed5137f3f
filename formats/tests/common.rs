//! What the tests share: copies of the foreign models of `make_fixtures.py`, and imports of them.

use std::fs;
use std::path::{Path, PathBuf};

use attend_device::{Workers, auto};
use attend_formats::tensors::{TensorFile, read_safetensors};
use attend_formats::{FormatError, Progress, import};
use attend_infer::search::SearchOptions;
use attend_infer::{
    GivenTranslation, Model, ModelFolder, Precision, Score, TranslateOptions, Translation, Translator,
};
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;

/// Returns the path of a fixture.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// Returns what a foreign program computed with the model `name`.
pub(crate) fn expected<T: DeserializeOwned>(name: &str) -> T {
    let text = fs::read(fixture(name).join("expected.json")).expect("a fixture");
    serde_json::from_slice(&text).expect("values of this type")
}

/// The device that the programs choose without `--device`.
pub(crate) fn device() -> Device {
    auto().expect("a device is built in").device
}

/// Tokens as a network reads them.
pub(crate) fn ids(tokens: &[i32]) -> Tensor<2, Int> {
    let data = TensorData::new(tokens.to_vec(), [1, tokens.len()]);
    Tensor::from_data(data, &device())
}

/// A temporary folder with the copy `foreign` of a model, which `model` is made of.
pub(crate) struct Workspace {
    folder: TempDir,
}

impl Workspace {
    /// Makes a folder without a foreign model.
    pub(crate) fn empty() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { folder }
    }

    /// Copies the fixture `name`.
    pub(crate) fn of(name: &str) -> Self {
        let workspace = Self::empty();
        fs::create_dir(workspace.foreign("")).expect("a new folder");
        for entry in fs::read_dir(fixture(name)).expect("a fixture") {
            let entry = entry.expect("a file");
            fs::copy(
                entry.path(),
                workspace.foreign(entry.file_name().to_str().expect("UTF-8")),
            )
            .expect("a writable folder");
        }
        workspace
    }

    /// Returns the path of a file of the foreign model, or that of its folder for an empty name.
    pub(crate) fn foreign(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().join("foreign");
        if name.is_empty() {
            folder
        } else {
            folder.join(name)
        }
    }

    /// Returns the path of a file of the model folder, or that of the folder for an empty name.
    pub(crate) fn model(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().join("model");
        if name.is_empty() {
            folder
        } else {
            folder.join(name)
        }
    }

    /// Replaces a value in a file of JSON of the foreign model.
    pub(crate) fn set(&self, file: &str, key: &str, value: impl Into<Value>) {
        let path = self.foreign(file);
        let text = fs::read(&path).expect("a file");
        let mut json: Value = serde_json::from_slice(&text).expect("JSON");
        json[key] = value.into();
        fs::write(path, json.to_string()).expect("a writable folder");
    }

    /// Imports the foreign folder.
    pub(crate) fn import(&self) -> Result<Vec<Progress>, FormatError> {
        self.import_from(&self.foreign(""))
    }

    /// Imports a foreign model.
    pub(crate) fn import_from(&self, source: &Path) -> Result<Vec<Progress>, FormatError> {
        let mut steps = Vec::new();
        import(source, self.model(""), &device(), |step| steps.push(step))?;
        Ok(steps)
    }

    /// Asserts that the foreign folder is refused in one sentence that has each of `parts`, and that nothing is
    /// written.
    pub(crate) fn assert_refused(&self, parts: &[&str]) {
        self.assert_refused_from(&self.foreign(""), parts);
    }

    /// Asserts that a foreign model is refused in one sentence that has each of `parts`, and that nothing is written.
    pub(crate) fn assert_refused_from(&self, source: &Path, parts: &[&str]) {
        let error = self
            .import_from(source)
            .expect_err("a model to refuse")
            .to_string();
        for part in parts {
            assert!(error.contains(part), "no {part:?} in: {error}");
        }
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(!self.model("").exists());
        let left: Vec<_> = fs::read_dir(self.folder.path())
            .expect("the folder")
            .map(|entry| entry.expect("an entry").file_name())
            .filter(|name| name.to_string_lossy().starts_with(".attend"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }

    /// Loads the model folder.
    pub(crate) fn load(&self) -> ModelFolder {
        ModelFolder::load(self.model(""), &device()).expect("a model folder")
    }

    /// Returns the pieces of a translation by the model folder.
    pub(crate) fn pieces(&self, translation: &Translation) -> Vec<String> {
        let tokenizer = self.load().target_tokenizer;
        let ids = translation.tokens.iter();
        ids.map(|&id| tokenizer.vocabulary_entry(id)).collect()
    }

    /// Translates lines with the model folder, greedily and in at most `max_length` tokens.
    pub(crate) fn greedy(&self, lines: &[&str], max_length: usize) -> Vec<Translation> {
        self.translate(lines, |defaults| SearchOptions {
            max_length: Some(max_length),
            ..defaults.greedy()
        })
    }

    /// Scores translations with the model folder.
    pub(crate) fn score(&self, pairs: &[GivenTranslation<'_>]) -> Vec<Score> {
        let translator = self.translator();
        let scores = translator.score(pairs, &translator.model().options());
        scores.into_iter().map(|score| score.expect("a pair")).collect()
    }

    /// Loads the model folder for translating.
    fn translator(&self) -> Translator {
        let model = Model::new(self.load(), Precision::Float32).expect("float32");
        Translator::new(model, Workers::start(1, 1).expect("a thread"))
    }

    /// Translates lines with the model folder, by options that `change` its defaults.
    pub(crate) fn translate(
        &self,
        lines: &[&str],
        change: impl FnOnce(SearchOptions) -> SearchOptions,
    ) -> Vec<Translation> {
        let translator = self.translator();
        let defaults = translator.model().options();
        let options = TranslateOptions {
            search: change(defaults.search),
            ..defaults
        };
        let results = translator.translate(lines, &options);
        let best = results
            .into_iter()
            .map(|result| result.expect("a line").remove(0));
        best.collect()
    }
}

/// Asserts that the weights of two model folders have the same names and shapes, and that no number is further from the
/// other than `tolerance`.
pub(crate) fn assert_same_weights(found: &Workspace, wanted: &Workspace, tolerance: f32) {
    let read = |workspace: &Workspace| {
        let path = workspace.model("model.safetensors");
        let bytes = fs::read(&path).expect("weights");
        read_safetensors(&path, bytes).expect("a whole file")
    };
    let (found, wanted) = (read(found), read(wanted));
    assert_eq!(found.names(), wanted.names());
    for name in wanted.names() {
        assert_eq!(found.shape(name), wanted.shape(name), "{name}");
        let read = |file: &dyn TensorFile| file.read(name).expect("numbers");
        for (found, wanted) in read(&found).iter().zip(&read(&wanted)) {
            // Infinity minus infinity would be NaN.
            let is_near = found == wanted || (found - wanted).abs() <= tolerance;
            assert!(is_near, "{name}: {found} and {wanted}");
        }
    }
}
