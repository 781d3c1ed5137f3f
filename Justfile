# Every recipe builds the whole workspace in the release profile, so that Burn is compiled once for all of them:
# a command with `-p` resolves other features, and compiles it again.

# Arguments reach the programs as they were typed, with their quotes, `$` and spaces.
set positional-arguments

# Training allocates and frees the same gigabyte every update. mimalloc gives memory back after one idle second, and the
# kernel then zeroes it again: with ten seconds, Multi30k trains 1.25 times as fast.
export MIMALLOC_PURGE_DELAY := env("MIMALLOC_PURGE_DELAY", "10000")

# The backend to build in: flex, or `just backend=ndarray …`.
backend := "flex"
features := if backend == "flex" { "" } else { "--no-default-features --features " + backend }
attend := "cargo run -q --release " + features + " --bin attend --"

# What commands begin with that the program suggests.
export ATTEND_COMMAND := if backend == "flex" { "just" } else { "just backend=" + backend }

# List the recipes.
_default:
    @just --list

# Train a translator by a recipe file; without one, on the embedded phrasebook.
[no-exit-message]
train *ARGS: _build
    @{{attend}} train "$@"

# Translate sentences, --input FILE or standard input, a line each.
[no-exit-message]
translate *ARGS:
    @{{attend}} translate "$@"

# Score a model folder on a test set: BLEU and chrF.
[no-exit-message]
eval MODEL SOURCE REFERENCE *ARGS:
    @{{attend}} eval "$@"

# Score given translations, a line each: the logarithm of each one's probability.
[no-exit-message]
score MODEL SOURCE TARGET *ARGS:
    @{{attend}} score "$@"

# Fetch a corpus by its name, write the phrasebook to files, or list what there is.
[no-exit-message]
data *ARGS:
    @{{attend}} data "$@"

# List the devices of this machine that --device takes.
[no-exit-message]
devices:
    @{{attend}} devices

# Serve this machine's devices to other programs: `just backend=vulkan remote-server --listen 0.0.0.0:3000`.
[no-exit-message]
remote-server *ARGS:
    @cargo run -q --release --no-default-features --features {{backend}},remote --bin attend -- remote-server "$@"

# Measure speed and memory (train, decode, prepare) or agreement (agree), beside a peer by `--python PATH`.
[no-exit-message]
bench *ARGS:
    @cargo run -q --release {{features}} --bin bench -- "$@"

# Compare what DEVICE computes with the processor, then test the network on it: `just conformance cuda:1`.
conformance DEVICE:
    cargo run -q --release --features {{replace_regex(DEVICE, ":.*", "")}} --bin bench -- conformance --device {{DEVICE}}
    BURN_DEVICE={{replace_regex(DEVICE, ":.*", "")}} cargo test --release --workspace --features {{replace_regex(DEVICE, ":.*", "")}} --test model

# Run the tests, all or those that `cargo test` finds by ARGS: `just test --test model`, `just test beam`.
test *ARGS:
    cargo test --release --workspace {{features}} "$@"

# Check format and lints.
lint:
    cargo fmt --all --check
    cargo clippy --release --workspace --all-targets {{features}} -- -D warnings

# Build the documentation into target/doc.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps {{features}}

# Everything that a change must pass.
ci: lint test doc

# Builds what `train` needs, and shows it: the first time it takes minutes.
_build:
    @cargo build --release {{features}} --bin attend
