# Every recipe builds the whole workspace in the release profile, so that Burn is compiled once for all of them:
# a command with `-p` resolves other features, and compiles it again.

# Arguments reach the programs as they were typed, with their quotes, `$` and spaces.
set positional-arguments

# Training allocates and frees the same gigabyte every update. mimalloc gives memory back after one idle second, and the
# kernel then zeroes it again: with ten seconds, Multi30k trains 1.25 times as fast.
export MIMALLOC_PURGE_DELAY := env("MIMALLOC_PURGE_DELAY", "10000")

# The backends to build in, with commas between them: `just backend=cuda,flex …`. Other features may follow, such as
# `flex,ja-mecab`.
backend := "flex"
features := if backend == "flex" { "" } else { "--no-default-features --features " + backend }
attend := "cargo run -q --release " + features + " --bin attend --"

# The program begins the commands that it suggests with this.
export ATTEND_COMMAND := if backend == "flex" { "just" } else { "just backend=" + backend }

# List the recipes.
_default:
    @just --list

# Train by a recipe file, or on the built-in phrasebook: `just train configs/multi30k.toml`.
[no-exit-message]
train *ARGS: _build
    @{{attend}} train "$@"

# Translate arguments, --input FILE or standard input: `just translate "We are hungry."`.
[no-exit-message]
translate *ARGS:
    @{{attend}} translate "$@"

# Translate a test set and score the translations: BLEU and chrF.
[no-exit-message]
eval MODEL SOURCE REFERENCE *ARGS:
    @{{attend}} eval "$@"

# Print the log-probability of given translations, a line each.
[no-exit-message]
score MODEL SOURCE TARGET *ARGS:
    @{{attend}} score "$@"

# Give texts a label: arguments, --input FILE or standard input: `just classify "Does he sleep?"`.
[no-exit-message]
classify *ARGS:
    @{{attend}} classify "$@"

# Give each word of sentences a tag: arguments, --input FILE or standard input: `just tag "He sleeps ."`.
[no-exit-message]
tag *ARGS:
    @{{attend}} tag "$@"

# Show what a model attends to: `just attention runs/phrasebook "We are hungry."`.
[no-exit-message]
attention MODEL *ARGS:
    @{{attend}} attention "$@"

# Show what each head attends to, and the score without it: `just heads runs/phrasebook test.en test.de`.
[no-exit-message]
heads MODEL SOURCE *ARGS:
    @{{attend}} heads "$@"

# Fetch a translator from the Hugging Face hub: `just get opus-mt-en-de`.
[no-exit-message]
get *ARGS: _build
    @{{attend}} get "$@"

# Make a model folder of a model of another program: `just import opus-mt-en-de --output models/en-de`.
[no-exit-message]
import *ARGS: _build
    @{{attend}} import "$@"

# Write a translator for another program: `just export models/en-de --format ctranslate2 --output ct2/en-de`.
[no-exit-message]
export *ARGS: _build
    @{{attend}} export "$@"

# Serve translators over HTTP to LibreTranslate's and DeepL's clients, all that there are or `--model opus-mt-en-de`.
[no-exit-message]
serve *ARGS: _build
    @{{attend}} serve "$@"

# Fetch a corpus by its name, as `just data list` shows them, or write the phrasebook to files.
[no-exit-message]
data *ARGS:
    @{{attend}} data "$@"

# List the models that commands take by name: `just models`.
[no-exit-message]
models:
    @{{attend}} models

# List the devices that --device takes on this machine: `just backend=vulkan devices`.
[no-exit-message]
devices:
    @{{attend}} devices

# Serve this machine's devices to other machines: `just remote-server --listen 0.0.0.0:3000`.
[no-exit-message]
remote-server *ARGS:
    @cargo run -q --release --no-default-features --features {{backend}},remote --bin attend -- remote-server "$@"

# Measure train, decode, serve, layers, paths, prepare or agree, beside a peer by --python PYTHON: `just bench train`.
[no-exit-message]
bench *ARGS:
    @cargo run -q --release {{features}} --bin bench -- "$@"

# Compare a device with the processor, and run the network's tests on it: `just conformance cuda:1`.
conformance DEVICE:
    cargo run -q --release --features {{replace_regex(DEVICE, ":.*", "")}} --bin bench -- conformance --device {{DEVICE}}
    BURN_DEVICE={{replace_regex(DEVICE, ":.*", "")}} cargo test --release --workspace --features {{replace_regex(DEVICE, ":.*", "")}} --test model

# Run the tests, all or some: `just test --test model`, `just test beam`.
test *ARGS:
    cargo test --release --workspace {{features}} "$@"

# Open translated documents by python-docx and odfpy, which PYTHON has.
test-documents PYTHON="python3":
    PYTHON={{quote(PYTHON)}} cargo test --release --workspace {{features}} --test documents other_programs -- --ignored --nocapture

# Compare BLEU of Japanese with sacreBLEU's, which needs the dictionary of Debian's package mecab-ipadic.
test-japanese *ARGS:
    cargo test --release --workspace --no-default-features --features {{backend}},ja-mecab "$@" --test infer bleu_of_japanese -- --ignored

# Open the page of attention in Chromium, which Debian's package chromium has.
test-page *ARGS:
    cargo test --release --workspace {{features}} --test view "$@" page:: -- --ignored

# Compare tokens with those of Python's sentencepiece, on files of text: `just test-sentencepiece python3 train.en`.
test-sentencepiece PYTHON +FILES:
    #!/usr/bin/env bash
    set -euo pipefail
    SENTENCEPIECE_CASES=$(mktemp -d)
    export SENTENCEPIECE_CASES
    trap 'rm -r "$SENTENCEPIECE_CASES"' EXIT
    "$1" data/tests/make_sentencepiece_cases.py "$SENTENCEPIECE_CASES" "${@:2}"
    cargo test --release --workspace {{features}} --test data sentencepiece::much_text -- --ignored --nocapture

# Compare imported models of Firefox, fetched by pip, with Marian's formulas; PYTHON has numpy, sentencepiece and PyYAML.
test-firefox PYTHON="python3":
    PYTHON={{quote(PYTHON)}} cargo test --release --workspace {{features}} --test formats firefox:: -- --ignored --nocapture

# Call the server by LibreTranslate's Python client, which pip fetches.
test-libretranslate PYTHON="python3":
    PYTHON={{quote(PYTHON)}} cargo test --release --workspace {{features}} --test cli libretranslatepy:: -- --ignored

# Call the server by DeepL's Python client; PYTHON has deepl 1.32.
test-deepl PYTHON="python3":
    PYTHON={{quote(PYTHON)}} cargo test --release --workspace {{features}} --test cli deepl_client:: -- --ignored

# Make the root folder of the server's container, and run the server in it by bubblewrap, which is a package of Debian.
test-container *ARGS:
    cargo test --release --workspace {{features}} --test cli "$@" container:: -- --ignored --nocapture

# Check the server's description by OpenAPI, and answers beside it; PYTHON has openapi-spec-validator.
test-openapi PYTHON="python3":
    PYTHON={{quote(PYTHON)}} cargo test --release --workspace {{features}} --test cli the_description_is_valid -- --ignored --nocapture

# Use the page of `attend serve` in Chromium; PYTHON has playwright and axe-playwright-python.
test-serve-page PYTHON="python3":
    PYTHON={{quote(PYTHON)}} cargo test --release --workspace {{features}} --test cli a_person_translates_on_the_page -- --ignored

# Translate with exports in transformers and CTranslate2, which PYTHON has, and compare with what Attend translates.
test-export PYTHON="python3":
    PYTHON={{quote(PYTHON)}} cargo test --release --workspace {{features}} --test cli other_toolkits:: -- --ignored --nocapture

# Check the format and the lints.
lint:
    cargo fmt --all --check
    cargo clippy --release --workspace --all-targets {{features}} -- -D warnings

# Build the documentation into target/doc.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps {{features}}

# Check all that a change must pass: lint, test and doc.
ci: lint test doc

# Build the program and show how far that is: the first time it takes minutes.
_build:
    @cargo build --release {{features}} --bin attend
