//! Python modules that mean nothing, but compile, import and compress about as real ones do.

use crate::units::SplitMix64;

/// What names and sentences are made of. Names have two and more, so that none is a keyword of Python or built in.
const WORDS: [&str; 64] = [
    "access", "batch", "branch", "buffer", "cache", "channel", "chunk", "client", "cluster", "column", "config",
    "context", "counter", "cursor", "decoder", "device", "digest", "domain", "encoder", "entry", "event", "field",
    "filter", "folder", "format", "frame", "graph", "group", "handle", "header", "index", "kernel", "label", "layer",
    "limit", "loader", "logger", "matrix", "memory", "method", "metric", "module", "network", "origin", "offset",
    "option", "output", "packet", "parser", "pattern", "policy", "process", "query", "record", "region", "request",
    "result", "schema", "segment", "server", "session", "signal", "stream", "vector",
];

/// How wide the lines of comments are at most, in bytes with the line's end.
const WIDTH: usize = 80;

/// A module of exactly `size` bytes: functions, classes and tables while they fit, then comments.
pub(super) fn module(random: &mut SplitMix64, size: usize) -> String {
    let mut text = String::with_capacity(size);
    loop {
        let block = match random.below(8) {
            0 => table(random),
            1 | 2 => class(random),
            _ => function(random, ""),
        };
        if text.len() + block.len() > size {
            break;
        }
        text.push_str(&block);
    }
    while text.len() < size {
        text.push_str(&comment(random, WIDTH.min(size - text.len())));
    }
    text
}

fn word(random: &mut SplitMix64) -> &'static str {
    let count = WORDS.len() as u64;
    usize::try_from(random.below(count)).map_or("", |index| WORDS[index])
}

fn name(random: &mut SplitMix64) -> String {
    format!("{}_{}", word(random), word(random))
}

fn sentence(random: &mut SplitMix64, words: u64) -> String {
    let words: Vec<_> = (0..words).map(|_| word(random)).collect();
    words.join(" ")
}

/// A line of exactly so many bytes, at least 1.
fn comment(random: &mut SplitMix64, size: usize) -> String {
    let Some(room) = size.checked_sub(2) else {
        return "\n".to_owned();
    };
    let mut text = String::new();
    while text.len() < room {
        text.push(' ');
        text.push_str(word(random));
    }
    format!("#{}\n", &text[..room])
}

fn table(random: &mut SplitMix64) -> String {
    let mut text = format!("{} = {{\n", name(random).to_uppercase());
    for _ in 0..4 + random.below(12) {
        text.push_str(&format!("    \"{}\": {},\n", name(random), random.below(1 << 48)));
    }
    text + "}\n\n\n"
}

fn class(random: &mut SplitMix64) -> String {
    let field = name(random);
    let mut text = format!("class {}{}:\n", capitalized(word(random)), capitalized(word(random)));
    text.push_str(&format!("    \"\"\"{}.\"\"\"\n\n", capitalized(&sentence(random, 8))));
    text.push_str(&format!(
        "    def __init__(self, {field}):\n        self.{field} = {field}\n\n"
    ));
    for _ in 0..=random.below(4) {
        text.push_str(&function(random, "    "));
    }
    text + "\n"
}

/// A function; in a class, which is to be indented, a method.
fn function(random: &mut SplitMix64, indent: &str) -> String {
    let (first, local) = (name(random), name(random));
    // A word more than the first: two parameters of one name are an error.
    let second = format!("{}_{}", name(random), word(random));
    let this = if indent.is_empty() { "" } else { "self, " };
    let mut text = format!(
        "{indent}def {}({this}{first}, {second}={}):\n",
        name(random),
        random.below(1000)
    );
    let words = 6 + random.below(10);
    text.push_str(&format!(
        "{indent}    \"\"\"{}.\"\"\"\n",
        capitalized(&sentence(random, words))
    ));
    text.push_str(&format!(
        "{indent}    {local} = {first} * {} + {second}\n",
        random.below(1 << 32)
    ));
    for _ in 0..2 + random.below(5) {
        let number = random.below(1 << 14);
        let other = name(random);
        let lines = match random.below(5) {
            0 => format!("# {}\n{indent}    {local} += {number}", sentence(random, 7)),
            1 => format!(
                "if {local} > {number}:\n{indent}        {local} -= {second} % {}",
                1 + random.below(99)
            ),
            2 => format!("{other} = [{first} ^ {number}, {local}]\n{indent}    {local} = max({other})"),
            3 => format!(
                "for {other} in range({}):\n{indent}        {local} += {other} ^ {number}",
                random.below(9)
            ),
            _ => format!(
                "{other} = {{\"{}\": {local}}}\n{indent}    {local} = len({other}) + {number}",
                name(random)
            ),
        };
        text.push_str(&format!("{indent}    {lines}\n"));
    }
    let end = if indent.is_empty() { "\n\n\n" } else { "\n\n" };
    text + &format!("{indent}    return {local}{end}")
}

fn capitalized(text: &str) -> String {
    let (first, rest) = text.split_at(1.min(text.len()));
    first.to_ascii_uppercase() + rest
}
