//! The path from WMT's archives to a model, on a miniature mirror with the same file names and formats.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;

use attend_data::download::{Checksum, Downloader, Mirror, Source};
use attend_model::NormPlacement;
use attend_phrasebook::{Pair, Phrasebook};
use attend_train::{OptimizerKind, Recipe};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use super::common::{Workspace, counts, stderr};

/// Returns one side of the pairs, one sentence a line.
fn lines(pairs: &[Pair], side: fn(&Pair) -> &String) -> String {
    pairs.iter().flat_map(|pair| [side(pair), "\n"]).collect()
}

/// Returns one side of the pairs in the SGML format of WMT's test sets.
fn sgm(tag: &str, pairs: &[Pair], side: fn(&Pair) -> &String) -> String {
    let mut text = format!("<{tag} setid=\"newstest\" srclang=\"any\">\n");
    for (document, pairs) in pairs.chunks(3).enumerate() {
        text += &format!("<doc docid=\"paper.{document}\" genre=\"news\">\n<p>\n");
        for (id, pair) in pairs.iter().enumerate() {
            let sentence = side(pair).replace('&', "&amp;").replace('"', "&quot;");
            text += &format!("<seg id=\"{}\">{sentence}</seg>\n", id + 1);
        }
        text += "</p>\n</doc>\n";
    }
    text + &format!("</{tag}>\n")
}

/// Returns the text of a member of an archive. The archives also have text of other languages, which must be left out.
fn contents(member: &str, phrasebook: &Phrasebook) -> String {
    let side_of = |member: &str| -> fn(&Pair) -> &String {
        if member.ends_with(".en") || member.ends_with(".en.sgm") {
            |pair| &pair.english
        } else {
            |pair| &pair.german
        }
    };
    let side = side_of(member);
    let train = &phrasebook.train;
    match member.rsplit('/').next().unwrap() {
        name if name.starts_with("europarl-v7.de-en") => lines(&train[..400], side),
        name if name.starts_with("commoncrawl.de-en") => {
            let noise = [
                ("Home", "Home"),
                ("Click here.", "Нажмите здесь."),
                ("   ", "Leer."),
            ];
            let noise: Vec<Pair> = noise
                .map(|(english, german)| Pair {
                    english: english.to_owned(),
                    german: german.to_owned(),
                })
                .into();
            let pairs = [&train[400..500], &noise, &train[400..410]].concat();
            lines(&pairs, side).replace('\n', "\r\n")
        }
        name if name.starts_with("news-commentary-v9.de-en") => lines(&train[500..550], side),
        name if name.starts_with("newstest2013") && name.ends_with(".sgm") => {
            sgm("refset", &phrasebook.valid[..8], side)
        }
        name if name.starts_with("newstest2014-deen") && name.ends_with(".sgm") => {
            sgm("srcset", &phrasebook.test[..7], side)
        }
        name => format!("{name} is of another language\n"),
    }
}

fn archive(members: &[String], phrasebook: &Phrasebook) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    let other = ["training/europarl-v7.fr-en.fr".to_owned()];
    for member in other.iter().chain(members) {
        let text = contents(member, phrasebook);
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, member, text.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

/// Serves the files of a folder over HTTP and returns the address. The connection ends in the middle of the first file
/// that is asked for.
fn serve(folder: &Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let folder = folder.to_owned();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            // Writing fails if the client hangs up first. The test looks at what the client then reports.
            let _ = answer(&stream.unwrap(), &folder, number == 0);
        }
    });
    address
}

fn answer(mut stream: &TcpStream, folder: &Path, cut: bool) -> std::io::Result<()> {
    let mut request = BufReader::new(stream).lines().map_while(Result::ok);
    let line = request.next().unwrap_or_default();
    let start = request
        .take_while(|header| !header.is_empty())
        .find_map(|header| {
            header
                .to_lowercase()
                .strip_prefix("range: bytes=")?
                .strip_suffix('-')?
                .parse()
                .ok()
        })
        .unwrap_or(0);
    let path = line.split(' ').nth(1).unwrap_or_default();
    let Ok(bytes) = fs::read(folder.join(path.trim_start_matches('/'))) else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    let (status, end) = match start {
        0 => ("200 OK", if cut { bytes.len() / 2 } else { bytes.len() }),
        _ => ("206 Partial Content", bytes.len()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nContent-Range: bytes {start}-{}/{}\r\nConnection: close\r\n\r\n",
        bytes.len() - start,
        bytes.len() - 1,
        bytes.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&bytes[start..end])
}

fn recipe_path(size: &str) -> String {
    let folder = env!("CARGO_MANIFEST_DIR");
    format!("{folder}/../configs/wmt14-en-de-{size}.toml")
}

/// The paper gives the settings in table 3 and in sections 5.3, 5.4 and 6.1.
#[test]
fn the_recipes_have_the_settings_of_the_paper() {
    for (size, shape, dropout, updates, averaged) in [
        ("base", (512, 2_048, 8), 0.1, 100_000, 5),
        ("big", (1_024, 4_096, 16), 0.3, 300_000, 20),
    ] {
        let recipe = Recipe::load(Path::new(&recipe_path(size)), &[]).unwrap();
        let model = recipe.transformer_config(37_000, 0);
        assert_eq!((model.encoder_layers, model.decoder_layers), (6, 6), "{size}");
        assert_eq!((model.d_model, model.d_ff, model.n_heads), shape, "{size}");
        assert_eq!(
            (model.norm, model.dropout),
            (NormPlacement::Post, dropout),
            "{size}"
        );

        let training = &recipe.training;
        assert_eq!(
            (training.updates, training.average_last),
            (Some(updates), Some(averaged)),
            "{size}"
        );
        assert_eq!(
            (training.optimizer, training.label_smoothing, training.clip_norm),
            (OptimizerKind::Adam, 0.1, 0.0),
            "{size}"
        );
        assert_eq!(
            (recipe.search.beam_size, recipe.search.length_penalty),
            (4, 0.6),
            "{size}"
        );
        // This is equation 3 of the paper. The recipe rounds the highest learning rate, which differs by less than 0.2
        // %.
        let schedule = training.schedule(model.d_model);
        for update in [1, 1_000, 4_000, 16_000, updates] {
            let step = update as f64;
            let rate = (model.d_model as f64).powf(-0.5) * step.powf(-0.5).min(step * 4_000f64.powf(-1.5));
            let found = schedule.learning_rate(update);
            assert!(
                (found / rate - 1.0).abs() < 2e-3,
                "{size}, update {update}: {found}, not {rate}"
            );
        }
    }
}

#[test]
fn archives_become_a_model() {
    let workspace = Workspace::new();
    let phrasebook = Phrasebook::generate();
    let sources = Source::all();
    let mut source = sources
        .iter()
        .find(|source| source.name == "wmt14-en-de")
        .unwrap()
        .clone();
    let mirror = workspace.path("mirror");
    for file in &mut source.files {
        let bytes = archive(&file.members, &phrasebook);
        file.size = bytes.len() as u64;
        let sum: String = Sha256::digest(&bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        file.checksum = Checksum::Sha256(sum);
        let folder = mirror.join(file.folder.as_ref().unwrap_or(&source.folder));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(&file.name), bytes).unwrap();
    }

    let downloader = Downloader {
        mirror: Some(Mirror::Server(serve(&mirror))),
        ..Downloader::default()
    };
    let output = workspace.path("corpora/wmt14-en-de");
    let error = downloader.fetch(&source, &output, |_, _| {}).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("wmt13/training-parallel-europarl-v7.tgz"),
        "{error}"
    );
    assert!(output.join("training-parallel-europarl-v7.tgz.part").exists());
    downloader.fetch(&source, &output, |_, _| {}).unwrap();
    assert_eq!(
        fs::read_dir(&output).unwrap().count(),
        4 + 10,
        "archives and members"
    );

    for (recipe, updates) in [("base", "2"), ("big", "1")] {
        let path = recipe_path(recipe);
        let small = [
            "model.d_model=32",
            "model.d_ff=64",
            "model.n_heads=4",
            "model.encoder_layers=1",
            "model.decoder_layers=1",
            "data.vocab_size=400",
            "training.batch_tokens=512",
            &format!("training.updates={updates}"),
        ];
        let overrides = small.iter().flat_map(|setting| ["--set", setting]);
        let arguments: Vec<&str> = [path.as_str()].into_iter().chain(overrides).collect();
        let output = workspace.train(&arguments);
        let message = stderr(&output);
        assert!(output.status.success(), "{message}");
        let expected = [
            ("pairs read", [400, 113, 50, 563]),
            ("- empty", [0, 1, 0, 1]),
            ("- source equals target", [0, 1, 0, 1]),
            ("- wrong script", [0, 1, 0, 1]),
            ("- duplicate in corpus", [0, 10, 0, 10]),
            ("pairs kept", [400, 100, 50, 550]),
        ];
        for (title, row) in expected {
            assert_eq!(counts(&message, title), row, "{title} in:\n{message}");
        }
        let names = "europarl-v7.de-en  commoncrawl.de-en  news-commentary-v9.de-en  all";
        assert!(message.contains(names), "{message}");
        let model_card = workspace.model_card(&format!("runs/wmt14-en-de-{recipe}"));
        assert!(
            model_card.contains("7 test pairs, beam 4, length penalty 0.6"),
            "{model_card}"
        );
    }
}
