//! All tests of this crate are one program, since each program would link Burn anew.

mod common;
mod ctranslate2;
mod export;
mod firefox;
mod format;
mod hugging_face;
mod marian;
mod tensors;
mod trained;
