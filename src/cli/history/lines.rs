//! `bakeoff history export` and `bakeoff history import`.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use super::args::{Export, Import};
use crate::cli::export::file;
use crate::cli::{Failure, print};
use crate::history::{Filter, History};

pub(super) fn export(arguments: &Export) -> Result<(), Failure> {
    let history = History::open_existing(&arguments.database.db)?;
    let filter = Filter {
        branch: arguments.branch.clone(),
        suite: arguments.suite.clone(),
        ..Filter::default()
    };
    let Some(path) = &arguments.output else {
        let mut text = Vec::new();
        history.export(&filter, &mut text)?;
        return std::io::stdout().lock().write_all(&text).map_err(writing);
    };
    let mut text = Vec::new();
    let count = history.export(&filter, &mut text)?;
    file::write(path, &text).map_err(writing)?;
    print(&format!("{count} runs in {}\n", path.display()))
}

fn writing(source: std::io::Error) -> Failure {
    Failure::Output {
        operation: "writing the runs",
        source,
    }
}

pub(super) fn import(arguments: &Import) -> Result<(), Failure> {
    let is_input = arguments.file.as_os_str() == "-";
    let (mut from, name): (Box<dyn BufRead>, &Path) = if is_input {
        (Box::new(BufReader::new(std::io::stdin())), Path::new("standard input"))
    } else {
        let file = File::open(&arguments.file).map_err(|source| Failure::Input {
            path: arguments.file.clone(),
            source,
        })?;
        (Box::new(BufReader::new(file)), &arguments.file)
    };
    let mut history = History::open(&arguments.database.db)?;
    let (new, known) = history.import(&mut from, name)?;
    print(&format!(
        "{new} runs added to {}, {known} were there already\n",
        history.path().display()
    ))
}
