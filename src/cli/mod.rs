//! The command line: arguments, progress, exit codes. Nobody imports it.

mod args;
mod clean;
mod compare;
mod doctor;
mod downloads;
mod estimate;
mod explain;
mod export;
mod failure;
mod gate;
mod history;
mod list;
mod mirror;
mod noise;
mod paths;
mod progress;
mod record;
mod report;
mod resume;
mod run;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use args::{Arguments, Command};
use failure::Failure;

/// Parses the command line, does what it says, and turns the result into an exit code.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::of_command_line();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(source) => {
            return finish(Err(Failure::Output {
                operation: "starting the runtime",
                source,
            }));
        }
    };
    let result = match arguments.command {
        Command::Run(arguments) => runtime.block_on(run::run(&arguments)),
        Command::Plan(arguments) => run::plan(&arguments),
        Command::Report(arguments) => report::report(&arguments),
        Command::Explain(arguments) => explain::explain_scenarios(&arguments),
        Command::Export(arguments) => runtime.block_on(export::export(&arguments)),
        Command::List(arguments) => list::list(&arguments),
        Command::Compare(arguments) => compare::compare(&arguments),
        Command::Power(arguments) => compare::power(&arguments),
        Command::Check(arguments) => match gate::check(&arguments) {
            // A verdict, not an error.
            Ok(code) => return ExitCode::from(code),
            Err(failure) => Err(failure),
        },
        Command::Trend(arguments) => gate::trend(&arguments),
        Command::History(arguments) => history::history(&arguments),
        Command::Mirror(arguments) => runtime.block_on(mirror::mirror(&arguments)),
        Command::Doctor(arguments) => runtime.block_on(doctor::doctor(&arguments)),
        Command::Clean(arguments) => runtime.block_on(clean::clean(&arguments)),
        Command::Schema => print(&crate::suite::json_schema()),
    };
    // What still hangs on a dead engine must not keep the program from ending.
    runtime.shutdown_background();
    finish(result)
}

fn finish(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // A reader that has seen enough (`| head`) is no failure.
        Err(Failure::Output { source, .. }) if source.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.exit_code())
        }
    }
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).map_err(|source| Failure::Output {
        operation: "writing",
        source,
    })
}

/// How things are shown on standard output: colour only on a terminal, and only if `NO_COLOR` is unset or empty.
fn style() -> crate::report::Style {
    let terminal = std::io::stdout().is_terminal();
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let width = if terminal { console_width() } else { None };
    crate::report::Style {
        color: terminal && !plain,
        width,
    }
}

fn console_width() -> Option<u16> {
    rustix::termios::tcgetwinsize(std::io::stdout())
        .ok()
        .map(|size| size.ws_col)
        .filter(|columns| *columns > 0)
}
