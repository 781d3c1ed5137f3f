//! All tests of this crate are one program, since each program would link Burn anew.

mod conformance;
mod program;
mod serve;
