//! `bakeoff mirror`: looks after recordings and generated packages. Not for: making them (that is a run's).

pub(super) mod args;
mod bar;
mod file;
mod serve;
mod shelf;
mod stats;
mod tidy;

use super::Failure;
use args::{Command, Mirror};
use shelf::Shelf;

pub(super) async fn mirror(arguments: &Mirror) -> Result<(), Failure> {
    let shelf = Shelf::new()?;
    match &arguments.command {
        Command::Stats(arguments) => stats::stats(&shelf, arguments),
        Command::Verify(arguments) => tidy::verify(&shelf, arguments),
        Command::Prune(arguments) => tidy::prune(&shelf, arguments),
        Command::Export(arguments) => file::export(&shelf, arguments),
        Command::Import(arguments) => file::import(&shelf, arguments),
        Command::Serve(arguments) => serve::serve(&shelf, arguments).await,
    }
}
