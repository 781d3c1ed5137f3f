//! Tests of the crate through its face.

mod run;
