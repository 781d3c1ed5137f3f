//! From text in files to the batches of a run.

mod batch_plan;
mod batches;
mod cleaning;
mod compression;
mod examples;
mod filter;
mod labelled;
mod lines;
mod mixture;
mod parallel_text;
mod random;
mod report;

pub use batch_plan::BatchPlan;
pub use batches::{Batches, BpeDropout, Position};
pub use cleaning::Cleaning;
pub use compression::is_compressed;
pub use examples::{Examples, Progress};
pub use filter::Filter;
pub use labelled::{LabelledText, TaggedText};
pub use lines::{Lines, read_lines};
pub use mixture::Mixture;
pub use parallel_text::{ParallelText, References, Sources, open_sources};
pub use report::PreparationReport;
