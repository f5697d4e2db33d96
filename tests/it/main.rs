//! The integration tests: the program as a user calls it. Those in `measuring`,
//! `safety` and `published` drive a real Docker Engine.

mod command_line;
mod isolated;
mod measuring;
mod mirror;
mod mirror_command;
mod published;
mod safety;
mod support;
