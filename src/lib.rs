//! bakeoff measures how long container images take to build, push and pull, cold and hot, layer by layer.
//!
//! The flow is one way: a suite (TOML) and a fixture become a [`suite::Suite`], that becomes a [`plan::Plan`],
//! the [`runner`] drives an [`engine::Engine`] through it and emits [`runner::event::RunEvent`]s, the [`journal`]
//! keeps them, and everything that is shown is computed from the [`journal::RunLog`] that is read back.

#![warn(missing_docs)]

pub mod analysis;
pub mod cli;
pub mod dockerfile;
pub mod engine;
pub mod environment;
pub mod fixture;
pub mod gate;
pub mod history;
pub mod images;
pub mod journal;
pub mod mirror;
pub mod plan;
pub mod report;
pub mod runner;
pub mod scratch;
pub mod stats;
pub mod suite;
pub mod units;
