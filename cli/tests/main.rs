//! One program for all of these files, since each program links everything that is tested.

mod common;
mod data;
mod program;
mod train;
mod translate;
