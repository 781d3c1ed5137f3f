//! The subcommand `attend train`, run from outside.

mod average;
mod bad_state;
mod common;
mod corpora;
mod dataset;
mod dry_run;
mod events;
mod files;
mod from_model;
mod imported;
mod interrupt;
mod killed_preparation;
mod labelling;
mod limits;
mod mixed_precision;
mod program;
mod remote;
mod reports;
mod resume;
mod system;
mod wmt14;
mod workers;
