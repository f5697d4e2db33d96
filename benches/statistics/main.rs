//! Simulations of what docs/statistics.md promises, with fixed seeds: the same output each time, but for the times at its
//! end. Prints Markdown.
//!
//!     cargo bench --bench statistics [-- aa|between|power|nights|time]

mod nights;
mod noise;
mod tables;

fn main() {
    let parts: [(&str, fn()); 5] = [
        ("aa", tables::no_difference),
        ("between", tables::between_runs),
        ("power", tables::power),
        ("nights", nights::gate),
        ("time", nights::time),
    ];
    // `cargo bench` adds an option of its own.
    let asked: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    for (name, part) in parts {
        if asked.is_empty() || asked.iter().any(|asked| asked == name) {
            part();
        }
    }
}
