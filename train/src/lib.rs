//! The visible training loop, its settings, checkpoints and reports.
//!
//! A run reads a recipe ([`recipe`]), prepares its data ([`dataset`]), takes updates ([`trainer`]) and validates by
//! translating ([`validation`]), and leaves a model folder with `checkpoints/` and reports ([`report`]) in it.

pub mod average;
pub mod checkpoint;
pub mod dataset;
pub mod environment;
pub mod error;
pub mod gradients;
pub mod interrupt;
pub mod loss;
pub mod loss_scale;
pub mod model_card;
pub mod optimizer;
pub mod recipe;
pub mod report;
pub mod run_folder;
pub mod schedule;
pub mod trainer;
pub mod validation;

pub use error::TrainError;
pub use recipe::Recipe;
