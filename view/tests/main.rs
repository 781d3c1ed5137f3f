//! Pictures of small maps, whose numbers are known.

mod terminal;
