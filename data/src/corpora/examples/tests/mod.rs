//! What takes parts that the crate does not show.

mod prepare;
mod shards;
