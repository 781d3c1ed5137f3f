//! All tests of this crate are one program, since each program would link Burn anew.

mod common;
mod scheduler;
