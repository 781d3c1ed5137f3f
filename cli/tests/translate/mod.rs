//! The subcommands `translate`, `eval`, `score` and `devices`, run from outside.

mod any_bytes;
mod coverage;
mod devices;
mod document;
mod ensemble;
mod evaluate;
mod glossary;
mod input;
mod languages;
mod markup;
mod model_folder;
mod program;
mod remote;
mod score;
mod search_flags;
mod streaming;
mod target_language;
mod terminal;
