//! One program for all of these files, since each program links everything that is tested.

mod common;
mod encoder_classifier;
mod fixtures;
mod heads;
mod inference;
mod invariants;
mod parity;
mod worked_example;
