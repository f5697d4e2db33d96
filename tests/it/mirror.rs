//! The package mirror against an upstream that misbehaves on demand, and against real clients. No engine is needed.

mod clients;
mod faults;
mod hostile;
mod recordings;
mod serving;
mod stage;
mod upstream;
