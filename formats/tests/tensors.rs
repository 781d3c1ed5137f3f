//! The readers of files of tensors: the numbers that other programs have written, and files that are damaged.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use attend_formats::FormatError;
use attend_formats::tensors::{
    Npz, PyTorchFile, TensorBytes, TensorFile, read_ctranslate2, read_marian_bin, read_safetensors,
};
use proptest::prelude::*;
use tempfile::TempDir;
use zip::write::SimpleFileOptions;

use crate::common::fixture;

/// The matrix `single` and `columns` of `make_fixtures.py`.
const MATRIX: [f32; 6] = [0.5, -1.25, 3.0, 4.0, 5.5, -6.0];
/// The vectors `half`, `brain` and `double` of `make_fixtures.py`.
const VECTOR: [f32; 4] = [1.0, 2.0, 3.0, 4.0];

fn open_safetensors(bytes: Vec<u8>) -> Result<TensorBytes, FormatError> {
    read_safetensors(Path::new("model.safetensors"), bytes)
}

fn open_marian(bytes: Vec<u8>) -> Result<TensorBytes, FormatError> {
    read_marian_bin(Path::new("model.bin"), bytes)
}

fn open_ctranslate2(bytes: Vec<u8>) -> Result<TensorBytes, FormatError> {
    read_ctranslate2(Path::new("model.bin"), bytes)
}

/// Writes bytes to a file, and opens it. The folder must live as long as the file.
fn open_npz(bytes: &[u8]) -> (TempDir, Result<Npz, FormatError>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.npz");
    fs::write(&path, bytes).expect("a writable folder");
    let opened = Npz::open(&path);
    (folder, opened)
}

fn open_pytorch(bytes: &[u8]) -> (TempDir, Result<PyTorchFile, FormatError>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("pytorch_model.bin");
    fs::write(&path, bytes).expect("a writable folder");
    let opened = PyTorchFile::open(&path);
    (folder, opened)
}

/// Asserts that a file has exactly these vectors beside the matrix `single`, with the numbers that were written.
fn assert_numbers(file: &dyn TensorFile, vectors: &[&str], matrices: &[&str]) {
    let mut names: Vec<&str> = vectors.iter().chain(matrices).copied().collect();
    names.sort_unstable();
    assert_eq!(file.names(), names);
    for name in matrices {
        assert_eq!(file.shape(name), Some(&[2, 3][..]), "{name}");
        assert_eq!(file.read(name).expect("numbers"), MATRIX, "{name}");
    }
    for name in vectors {
        assert_eq!(file.shape(name), Some(&[4][..]), "{name}");
        assert_eq!(file.read(name).expect("numbers"), VECTOR, "{name}");
    }
    let error = file.read("absent").expect_err("no such tensor").to_string();
    assert!(error.contains("absent") && error.contains("missing"), "{error}");
}

/// Returns the message of an error that must have come up.
fn message<T>(result: Result<T, FormatError>) -> String {
    result.map(|_| ()).expect_err("a damaged file").to_string()
}

#[test]
fn safetensors_of_every_width_are_read() {
    let bytes = fs::read(fixture("numbers.safetensors")).expect("a fixture");
    let file = open_safetensors(bytes).expect("a whole file");
    assert_numbers(&file, &["brain", "double", "half"], &["single"]);
}

#[test]
fn files_of_torch_save_of_both_formats_are_read() {
    for name in ["numbers.bin", "numbers_before_1.6.bin"] {
        let file = PyTorchFile::open(&fixture(name)).expect(name);
        assert_numbers(&file, &["brain", "double", "half"], &["columns", "single"]);
    }
}

#[test]
fn arrays_of_numpy_are_read_in_both_orders() {
    let file = Npz::open(&fixture("numbers.npz")).expect("a fixture");
    assert_numbers(&file, &["double", "half"], &["columns", "single"]);
}

/// A tensor of [`marian_bin`]: name, type, shape, data.
type MarianTensor<'a> = (&'a str, u64, &'a [i32], Vec<u8>);

/// Returns a Marian `.bin` with 256 bytes of padding.
fn marian_bin(tensors: &[MarianTensor<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let number = |bytes: &mut Vec<u8>, number: u64| bytes.extend(number.to_le_bytes());
    number(&mut bytes, 1);
    number(&mut bytes, tensors.len() as u64);
    for (name, kind, shape, data) in tensors {
        number(&mut bytes, name.len() as u64 + 1);
        number(&mut bytes, *kind);
        number(&mut bytes, shape.len() as u64);
        number(&mut bytes, data.len() as u64);
    }
    for (name, ..) in tensors {
        bytes.extend(name.bytes().chain([0]));
    }
    for size in tensors.iter().flat_map(|(_, _, shape, _)| *shape) {
        bytes.extend(size.to_le_bytes());
    }
    number(&mut bytes, 256);
    bytes.extend([0; 256]);
    for (.., data) in tensors {
        bytes.extend(data);
    }
    bytes
}

fn little_endian(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Returns 8-bit integers with their multiplier behind them, and bytes up to a multiple of 256 as Marian writes them.
fn quantized(integers: &[i8], multiplier: f32) -> Vec<u8> {
    let mut data: Vec<u8> = integers.iter().map(|integer| integer.to_le_bytes()[0]).collect();
    data.extend(multiplier.to_le_bytes());
    data.resize(256, 0);
    data
}

#[test]
fn marian_divides_integers_and_stores_matrices_by_columns() {
    // Half of 1, -2, 3 / 4, 5, -6: column by column in a matrix, row by row in the embedding.
    let by_columns = quantized(&[1, 4, -2, 5, 3, -6], 2.0);
    let by_rows = quantized(&[1, -2, 3, 4, 5, -6], 2.0);
    let bytes = marian_bin(&[
        ("encoder_l1_self_Wq", 0x4101, &[2, 3], by_columns),
        ("Wemb", 0x4101, &[2, 3], by_rows.clone()),
        ("encoder_Wemb", 0x4101, &[2, 3], by_rows),
        ("encoder_l1_self_bq", 0x404, &[1, 4], little_endian(&VECTOR)),
    ]);
    let file = open_marian(bytes).expect("a whole file");
    let expected = [0.5, -1.0, 1.5, 2.0, 2.5, -3.0];
    assert_eq!(file.read("encoder_l1_self_Wq").expect("numbers"), expected);
    assert_eq!(file.read("Wemb").expect("numbers"), expected);
    assert_eq!(file.read("encoder_Wemb").expect("numbers"), expected);
    assert_eq!(file.read("encoder_l1_self_bq").expect("numbers"), VECTOR);
    assert_eq!(file.shape("encoder_l1_self_bq"), Some(&[1, 4][..]));
}

#[test]
fn marian_files_that_contradict_themselves_are_refused() {
    let vector = little_endian(&VECTOR);
    for (kind, shape, data, expected) in [
        (0x404, &[1, 5][..], vector.clone(), "only 16 bytes"),
        (
            0x404,
            &[i32::MAX, i32::MAX, i32::MAX],
            vector.clone(),
            "only 16 bytes",
        ),
        (0x404, &[-1, 4], vector.clone(), "negative"),
        (0x4101, &[4, 4], vector.clone(), "no multiplier"),
        (0x802, &[1, 4], vector.clone(), "0x802"),
    ] {
        let error = message(open_marian(marian_bin(&[("Wemb", kind, shape, data)])));
        assert!(error.contains(expected), "{error}");
    }
    let twice = || ("Wemb", 0x404, &[1, 4][..], vector.clone());
    let error = message(open_marian(marian_bin(&[twice(), twice()])));
    assert!(error.contains("occurs twice"), "{error}");
    let error = message(open_marian(2_u64.to_le_bytes().to_vec()));
    assert!(error.contains("version is 2"), "{error}");
}

/// Returns a zip archive of these members.
fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        archive
            .start_file(*name, SimpleFileOptions::default())
            .expect("a member");
        archive.write_all(content).expect("memory");
    }
    archive.finish().expect("memory").into_inner()
}

/// Returns a numpy array with this header.
fn array(header: &str, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(header.len()).expect("a short header");
    [
        b"\x93NUMPY\x01\x00",
        &length.to_le_bytes()[..],
        header.as_bytes(),
        data,
    ]
    .concat()
}

#[test]
fn archives_that_are_traps_are_refused() {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }";
    let good = array(header, &little_endian(&VECTOR));
    let (_folder, opened) = open_npz(&archive(&[("../../vector.npy", &good)]));
    let error = message(opened);
    assert!(
        error.contains("../../vector.npy") && error.contains("outside"),
        "{error}"
    );

    let zeros = array(header, &vec![0; 4_000_000]);
    let (_folder, opened) = open_npz(&archive(&[("vector.npy", &zeros)]));
    let error = message(opened);
    assert!(error.contains("more than 20 times"), "{error}");

    let (_folder, opened) = open_npz(&archive(&[("notes.txt", b"none")]));
    assert!(message(opened).contains("notes.txt is no array"));
}

#[test]
fn arrays_that_contradict_themselves_are_refused() {
    let data = little_endian(&VECTOR);
    for (header, expected) in [
        ("{'fortran_order': False, 'shape': (4,), }", "no 'descr'"),
        ("{'descr': '<f4', 'shape': (4,), }", "no 'fortran_order'"),
        ("{'descr': '<f4', 'fortran_order': False, }", "no 'shape'"),
        ("{'descr': '<i8', 'fortran_order': False, 'shape': (4,), }", "<i8"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (4,), }", "|O"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (-4,), }", "-4"),
    ] {
        let (_folder, opened) = open_npz(&archive(&[("vector.npy", &array(header, &data))]));
        let error = message(opened);
        assert!(error.contains(expected) && error.contains("vector"), "{error}");
    }
    for shape in ["5,", "18446744073709551615, 2", ""] {
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}");
        let (_folder, opened) = open_npz(&archive(&[("vector.npy", &array(&header, &data))]));
        let error = message(opened.expect("a header").read("vector"));
        assert!(error.contains("16 bytes"), "{error}");
    }
}

#[test]
fn a_pickle_that_would_run_a_program_runs_none() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mark = folder.path().join("ran");
    let command = format!("touch {}", mark.display());
    // Protocol 2: os.system(command).
    let mut pickle = b"\x80\x02cos\nsystem\nX".to_vec();
    pickle.extend(
        u32::try_from(command.len())
            .expect("a short command")
            .to_le_bytes(),
    );
    pickle.extend(command.as_bytes());
    pickle.extend(b"\x85R.");
    let (_folder, opened) = open_pytorch(&archive(&[("model/data.pkl", &pickle)]));
    let error = message(opened);
    assert!(error.contains("PyTorch"), "{error}");
    assert!(!mark.exists());
}

#[test]
fn a_file_that_is_missing_is_said_to_be_missing() {
    let absent = Path::new("no/such/model.bin");
    for error in [message(PyTorchFile::open(absent)), message(Npz::open(absent))] {
        assert!(error.contains("cannot read no/such/model.bin"), "{error}");
    }
}

/// Reads all tensors of a file, if it is one.
fn read_all<F: TensorFile>(opened: Result<F, FormatError>) {
    if let Ok(file) = opened {
        for name in file.names() {
            let _ = file.read(name);
        }
    }
}

/// A format, the bytes of a file, and what opens such bytes and reads all tensors.
type Sample = (&'static str, Vec<u8>, fn(&[u8]));

/// Returns a file of each format that is read.
fn samples() -> Vec<Sample> {
    let read = |name: &str| fs::read(fixture(name)).expect("a fixture");
    let marian = marian_bin(&[
        ("Wemb", 0x4101, &[2, 3], quantized(&[1, -2, 3, 4, 5, -6], 2.0)),
        ("decoder_ff_logit_out_b", 0x404, &[1, 4], little_endian(&VECTOR)),
    ]);
    vec![
        ("safetensors", read("numbers.safetensors"), |bytes| {
            read_all(open_safetensors(bytes.to_vec()));
        }),
        ("Marian", marian, |bytes| read_all(open_marian(bytes.to_vec()))),
        ("CTranslate2", read("ctranslate2/model.bin"), |bytes| {
            read_all(open_ctranslate2(bytes.to_vec()));
        }),
        ("npz", read("numbers.npz"), |bytes| read_all(open_npz(bytes).1)),
        ("PyTorch", read("numbers.bin"), |bytes| {
            read_all(open_pytorch(bytes).1)
        }),
        ("PyTorch before 1.6", read("numbers_before_1.6.bin"), |bytes| {
            read_all(open_pytorch(bytes).1);
        }),
    ]
}

#[test]
fn a_file_that_is_cut_short_is_refused() {
    for (format, bytes, _) in samples() {
        for length in (0..bytes.len()).step_by(bytes.len() / 50 + 1) {
            let cut = bytes[..length].to_vec();
            let error = match format {
                "safetensors" => message(open_safetensors(cut)),
                "Marian" => message(open_marian(cut)),
                "CTranslate2" => message(open_ctranslate2(cut)),
                "npz" => message(open_npz(&cut).1),
                _ => message(open_pytorch(&cut).1),
            };
            assert_eq!(error.lines().count(), 1, "{format}, {length} bytes: {error}");
        }
    }
}

proptest! {
    /// Any change of a file gives an error or other numbers, and never a panic or more memory than there is.
    #[test]
    fn changed_bytes_never_stop_a_reader(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        length in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        for (_, mut bytes, read) in samples() {
            for (place, byte) in &changes {
                let place = place.index(bytes.len());
                bytes[place] = *byte;
            }
            if is_cut {
                bytes.truncate(length.index(bytes.len()));
            }
            read(&bytes);
        }
    }

    #[test]
    fn any_bytes_never_stop_a_reader(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for (_, _, read) in samples() {
            read(&bytes);
        }
    }
}
