//! One program for all of these files, since each program links everything that is tested.

mod common;
mod fixtures;
mod heads;
mod inference;
mod invariants;
mod parity;
mod worked_example;
