//! Takes one logical line apart: keyword, leading flags, the rest; and reads `--mount` flags. Every part knows where
//! it stands in the line. Not for: saying whether an instruction makes sense.

use std::ops::Range;

/// A keyword with its flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    /// The keyword in upper case.
    pub keyword: String,
    /// The leading `--…` words.
    pub flags: Vec<Flag>,
    /// Where what follows the flags stands, white space at both ends left out.
    pub arguments: Range<usize>,
}

/// A leading `--name=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flag {
    /// Where it stands, quotes included.
    pub range: Range<usize>,
    /// The whole flag, without quotes and escapes.
    pub text: String,
}

impl Flag {
    /// The name without its dashes.
    pub fn name(&self) -> &str {
        self.text.trim_start_matches('-').split('=').next().unwrap_or_default()
    }

    /// The fields of a `--mount`, keys in lower case; `None` for any other flag.
    pub fn mount(&self) -> Option<Vec<(String, String)>> {
        let fields = csv(self.text.strip_prefix("--mount=")?);
        let pair = |field: String| match field.split_once('=') {
            Some((key, value)) => (key.to_lowercase(), value.to_owned()),
            None => (field.to_lowercase(), String::new()),
        };
        Some(fields.into_iter().map(pair).collect())
    }

    /// The fields if this is a cache mount; a later `type` beats an earlier one, as in the builder.
    pub fn cache_mount(&self) -> Option<Vec<(String, String)>> {
        let fields = self.mount()?;
        let kind = fields.iter().rfind(|(key, _)| key == "type")?;
        kind.1.eq_ignore_ascii_case("cache").then_some(fields)
    }
}

/// Splits at commas outside of double quotes.
fn csv(text: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for ch in text.chars() {
        match (ch, fields.last_mut()) {
            ('"', _) => quoted = !quoted,
            (',', _) if !quoted => fields.push(String::new()),
            (_, Some(field)) => field.push(ch),
            (_, None) => {}
        }
    }
    fields
}

/// White space between the words of an instruction.
pub(super) fn is_blank(ch: char) -> bool {
    matches!(ch, '\t' | '\x0b' | '\x0c' | '\r' | ' ')
}

/// The instruction that begins at or after byte `from` of a logical line.
pub(super) fn split(line: &str, from: usize, escape: char) -> Command {
    let end = from + line[from..].trim_end().len();
    let start = (end - line[from..end].trim_start().len()).max(from);
    let keyword_end = line[start..end].find(is_blank).map_or(end, |at| start + at);
    let (flags, rest) = flags(&line[..end], keyword_end, escape);
    let rest = end - line[rest..end].trim_start().len();
    Command {
        keyword: line[start..keyword_end].to_uppercase(),
        flags,
        arguments: rest..end,
    }
}

/// The leading flags of `line` from byte `at`, and where what follows them begins.
fn flags(line: &str, mut at: usize, escape: char) -> (Vec<Flag>, usize) {
    let mut found = Vec::new();
    loop {
        at += line[at..].len() - line[at..].trim_start().len();
        if !line[at..].starts_with("--") {
            return (found, at);
        }
        let start = at;
        let mut text = String::new();
        let mut quote = None;
        let mut chars = line[start..].char_indices();
        at = line.len();
        while let Some((offset, ch)) = chars.next() {
            match quote {
                None if ch.is_whitespace() => {
                    at = start + offset;
                    break;
                }
                None if ch == '\'' || ch == '"' => quote = Some(ch),
                Some(open) if ch == open => quote = None,
                // Unlike in a shell, the escape works in single quotes too.
                _ if ch == escape => text.extend(chars.next().map(|(_, ch)| ch)),
                _ => text.push(ch),
            }
        }
        if text == "--" {
            return (found, at);
        }
        found.push(Flag { range: start..at, text });
    }
}

/// The words of `line[range]` between white space, with where they stand.
pub(super) fn blank_separated(line: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = range.start;
    for word in line[range].split(is_blank) {
        if !word.is_empty() {
            found.push(at..at + word.len());
        }
        at += word.len() + 1;
    }
    found
}

/// The words of an `ARG`: white space inside quotes or after an escape does not end one; quotes and escapes stay.
pub(super) fn quoted_words(text: &str, escape: char) -> Vec<String> {
    let mut found = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(ch) = chars.next() {
        if quote.is_none() && ch.is_whitespace() {
            if !word.is_empty() {
                found.push(std::mem::take(&mut word));
            }
            continue;
        }
        word.push(ch);
        if ch == escape && quote != Some('\'') {
            word.extend(chars.next());
        } else if Some(ch) == quote {
            quote = None;
        } else if quote.is_none() && (ch == '\'' || ch == '"') {
            quote = Some(ch);
        }
    }
    if !word.is_empty() {
        found.push(word);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(command: &Command) -> Vec<&str> {
        command.flags.iter().map(|flag| flag.text.as_str()).collect()
    }

    #[test]
    fn keyword_flags_and_rest_are_taken_apart() {
        let line = "  run\t--mount=type=cache,target=/x  --network=none pip --install ";
        let command = split(line, 0, '\\');
        assert_eq!(command.keyword, "RUN");
        assert_eq!(texts(&command), ["--mount=type=cache,target=/x", "--network=none"]);
        assert_eq!(&line[command.flags[0].range.clone()], "--mount=type=cache,target=/x");
        assert_eq!(&line[command.arguments], "pip --install");
    }

    #[test]
    fn flags_lose_quotes_and_escapes_but_not_their_place() {
        let line = r#"RUN --mount="type=cache,target=/a b" --mount='type=ca'che --x=a\ b -- --y cmd"#;
        let command = split(line, 0, '\\');
        assert_eq!(
            texts(&command),
            ["--mount=type=cache,target=/a b", "--mount=type=cache", "--x=a b"]
        );
        assert_eq!(
            &line[command.flags[0].range.clone()],
            r#"--mount="type=cache,target=/a b""#
        );
        assert_eq!(&line[command.arguments], "--y cmd");
        assert_eq!(split("RUN", 0, '\\').arguments, 3..3);
        assert_eq!(split("", 0, '\\').keyword, "");
    }

    #[test]
    fn cache_mounts_are_told_from_others() {
        let is_cache = |text: &str| {
            let line = format!("RUN {text} cmd");
            split(&line, 0, '\\')
                .flags
                .iter()
                .any(|flag| flag.cache_mount().is_some())
        };
        for text in [
            "--mount=type=cache,target=/x",
            "--mount=target=/x,type=cache",
            "--mount=type=\"cache\",target=/x",
            "--mount=TYPE=Cache,target=/x",
            "--mount=id=a,sharing=locked,'type=cache',dst=/x",
            "--mount=type=bind,type=cache,target=/x",
        ] {
            assert!(is_cache(text), "{text}");
        }
        for text in [
            "--mount=type=bind,source=type=cache,target=/x",
            "--mount=target=/type=cache",
            "--mount=type=secret,id=cache",
            "--mount=type=cache,type=tmpfs,target=/x",
            "--Mount=type=cache,target=/x",
            "--network=none",
            "echo --mount=type=cache",
        ] {
            assert!(!is_cache(text), "{text}");
        }
    }

    #[test]
    fn words_of_arg_respect_quotes() {
        assert_eq!(
            quoted_words(r#"A B=1 C="x y" D='p \' E=q\ r"#, '\\'),
            ["A", "B=1", "C=\"x y\"", "D='p \\'", "E=q\\ r"]
        );
    }
}
