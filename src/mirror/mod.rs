//! The hermetic package mirror: records and replays what builds download, over a shaped link. Not for: deciding which
//! build uses it (that is the runner's), or knowing a suite or an engine.

pub mod index;
pub mod synthetic;
mod transfer;

pub use transfer::{Kind, Origin, Transfer};
