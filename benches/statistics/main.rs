//! Simulations of what docs/statistics.md promises, with fixed seeds: the same output each time, but for the times at its
//! end. Prints Markdown.
//!
//!     cargo bench --bench statistics [-- aa|between|power|nights|time|check]

mod check;
mod nights;
mod noise;
mod tables;

fn main() {
    let parts: [(&str, fn()); 6] = [
        ("aa", tables::no_difference),
        ("between", tables::between_runs),
        ("power", tables::power),
        ("nights", nights::gate),
        ("time", nights::time),
        ("check", check::gate),
    ];
    // `cargo bench` adds an option of its own.
    let asked: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    if let [check::CHILD, file] = asked.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        return check::child(file.as_ref());
    }
    for (name, part) in parts {
        if asked.is_empty() || asked.iter().any(|asked| asked == name) {
            part();
        }
    }
}
