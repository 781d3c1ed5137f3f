//! All tests of this crate are one program, since each program would link Burn anew.

mod any_bytes;
mod any_request;
mod common;
mod scheduler;
