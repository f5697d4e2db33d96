//! The suite: what is measured. [`load`] reads a suite file and its fixture into a [`Suite`], in which every name is
//! known, every path was found and every combination of factors can be built. Not for: laying a build context out
//! (that is the fixture room's) or deciding an order (that is the plan's).

mod dockerfiles;
mod edits;
mod error;
mod expect;
mod factors;
pub mod file;
mod fixture;
mod grants;
mod journey;
mod locate;
mod model;
mod network;
mod overlay;
mod parse;
mod published;
mod quantity;
mod scenarios;
mod schema;
mod validate;

#[cfg(test)]
mod refusals;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use error::SuiteError;
pub(crate) use factors::wildcard;
pub(crate) use locate::nearest;
pub use locate::{Located, Place};
pub use model::*;
pub use overlay::fill_placeholders;
pub(crate) use parse::{PLAIN, is_plain};
pub use schema::{fixture_json_schema, json_schema};
pub use validate::{Overrides, load};
