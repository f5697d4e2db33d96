//! The integration tests: the program as a user calls it. Those in `measuring`,
//! `safety`, `published` and `endpoint` drive a real Docker Engine.

mod command_line;
mod endpoint;
mod export;
mod failures;
mod filesync;
mod gate_command;
#[path = "../../examples/inventory/held.rs"]
mod held;
mod history_command;
mod isolated;
mod layers;
mod measuring;
mod mirror;
mod mirror_command;
mod phases;
mod published;
mod records;
mod resuming;
mod sabotage;
mod safety;
mod support;
