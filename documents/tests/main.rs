//! All tests of this crate are one program.

mod any_bytes;
mod common;
mod hostile;
mod office;
mod text;
