//! One program for all of these files, since each program links everything that is tested.

mod any_bytes;
mod any_options;
mod common;
mod constraints;
mod coverage;
mod devices;
mod ensemble;
mod evaluate;
mod metric;
mod model_folder;
mod remote;
mod sample;
mod score;
mod search;
mod stopping;
mod streaming;
mod terminal;
mod toy;
mod translate;
mod translate_search;
mod translator;
mod workers;
