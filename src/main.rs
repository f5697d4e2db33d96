//! The `bakeoff` program.

fn main() -> std::process::ExitCode {
    bakeoff::cli::main()
}
