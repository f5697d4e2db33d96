//! Path patterns as Docker understands them, in ignore files and in what a builder asks a session for. Not for: reading
//! ignore files (that is the fixture's), or walking folders.
//!
//! The rules are those of moby's patternmatcher, odd corners included: patterns are anchored at the root, the last match
//! wins, a pattern that matches a folder matches all that is in it, and `**foo` without any other wildcard means "ends
//! with `foo`".

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use regex::Regex;

/// A pattern that no path can match.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("pattern {pattern:?}: {reason}")]
pub struct PatternError {
    /// The pattern as written.
    pub pattern: String,
    /// What was expected.
    pub reason: &'static str,
}

/// A list of patterns, in the order in which they are tried.
#[derive(Debug, Clone, Default)]
pub struct Patterns {
    patterns: Vec<Pattern>,
}

/// Which patterns matched a folder: they match what is in it too.
#[derive(Debug, Clone, Default)]
pub struct Matched(Vec<bool>);

impl Patterns {
    /// Patterns as written; one that begins with `!` takes back what those before it matched. Blank ones are left out.
    ///
    /// # Errors
    /// If no path can match one of them.
    pub fn new<S: AsRef<str>>(written: impl IntoIterator<Item = S>) -> Result<Self, PatternError> {
        let mut patterns = Self::default();
        for pattern in written {
            patterns.push(pattern.as_ref())?;
        }
        Ok(patterns)
    }

    /// Adds a pattern after the others.
    ///
    /// # Errors
    /// If no path can match it.
    pub fn push(&mut self, written: &str) -> Result<(), PatternError> {
        let written = written.trim();
        if !written.is_empty() {
            let pattern = Pattern::parse(written).map_err(|reason| PatternError {
                pattern: written.to_owned(),
                reason,
            })?;
            self.patterns.push(pattern);
        }
        Ok(())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether `path` is matched, given what was found for its folder (the default for what lies at the root), and what
    /// to pass on to what is in it.
    ///
    /// A pattern is only tried where it could change the answer: `!docs` after `**/*.md` is not tried on a folder `docs`
    /// that nothing has matched, so it takes nothing back in there. That is how docker clients since 23 walk.
    #[must_use]
    pub fn step(&self, path: &str, folder: &Matched) -> (bool, Matched) {
        let mut matched = false;
        let mut hits = Vec::with_capacity(self.patterns.len());
        for (index, pattern) in self.patterns.iter().enumerate() {
            let inherited = folder.0.get(index).copied().unwrap_or(false);
            let hit = inherited || (pattern.negated == matched && pattern.matches(path));
            if hit {
                matched = !pattern.negated;
            }
            hits.push(hit);
        }
        (matched, Matched(hits))
    }

    /// Whether one of the patterns (those with `!` if `negated`, else those without) could match something in a folder
    /// that they don't match themselves.
    #[must_use]
    pub fn may_match_in(&self, folder: &str, negated: bool) -> bool {
        self.patterns
            .iter()
            .filter(|pattern| pattern.negated == negated)
            .any(|pattern| {
                let stem = pattern.stem();
                stem.contains(['*', '?', '[', ']', '^', '\\']) || is_or_is_in(stem, folder)
            })
    }
}

/// Whether a path is a folder or lies in it.
#[must_use]
pub fn is_or_is_in(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a file's bare name matches a shell pattern: `**` means no more than `*` here. One that no name can match
/// matches none.
#[must_use]
pub fn name_matches(pattern: &str, name: &str) -> bool {
    let tokens = tokens(pattern, false).ok();
    let regex = tokens.and_then(|tokens| regex_of(&tokens).ok());
    regex.is_some_and(|regex| regex.is_match(name))
}

/// A path's text for matching: each byte that is no UTF-8 counts as one character.
#[must_use]
pub fn text_of(path: &OsStr) -> Cow<'_, str> {
    if let Some(text) = path.to_str() {
        return Cow::Borrowed(text);
    }
    let mut text = String::new();
    for chunk in path.as_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(std::iter::repeat_n(char::REPLACEMENT_CHARACTER, chunk.invalid().len()));
    }
    Cow::Owned(text)
}

/// The shortest path that names the same thing, worked out without looking at the disk.
#[must_use]
pub fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            _ => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

#[derive(Debug, Clone)]
struct Pattern {
    /// Without the `!`, cleaned.
    text: String,
    negated: bool,
    matcher: Matcher,
}

#[derive(Debug, Clone)]
enum Matcher {
    Exact,
    /// `foo/**`: the text before the `**`.
    Prefix(String),
    /// `**foo`: the text after the `**`.
    Suffix(String),
    Regex(Regex),
}

impl Pattern {
    fn parse(written: &str) -> Result<Self, &'static str> {
        let cleaned = clean(written);
        let (negated, text) = match cleaned.strip_prefix('!') {
            Some("") => return Err("expected a path after `!`"),
            Some(rest) => (true, rest.to_owned()),
            None => (false, cleaned),
        };
        let tokens = tokens(&text, true)?;
        let matcher = Matcher::new(&text, &tokens)?;
        Ok(Self { text, negated, matcher })
    }

    fn matches(&self, path: &str) -> bool {
        match &self.matcher {
            Matcher::Exact => path == self.text,
            Matcher::Prefix(prefix) => path.starts_with(prefix.as_str()),
            Matcher::Suffix(suffix) => path.ends_with(suffix.as_str()) || suffix.strip_prefix('/') == Some(path),
            Matcher::Regex(regex) => regex.is_match(path),
        }
    }

    /// What a trailing wildcard matches lies right in the folder before it; one further up could be anywhere.
    fn stem(&self) -> &str {
        let stem = self.text.strip_suffix("/**").unwrap_or(&self.text);
        stem.strip_suffix("/*").unwrap_or(stem)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Char(char),
    Escaped(char),
    /// `?`
    One,
    /// `*`
    Run,
    /// `**` with the slash after it
    Deep,
    /// `[a-z]`: negated, ranges
    Class(bool, Vec<(char, char)>),
}

fn tokens(text: &str, deep: bool) -> Result<Vec<Token>, &'static str> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(ch) = chars.next() {
        tokens.push(match ch {
            '*' if deep && chars.next_if_eq(&'*').is_some() => {
                let _ = chars.next_if_eq(&'/');
                Token::Deep
            }
            '*' => Token::Run,
            '?' => Token::One,
            '\\' => Token::Escaped(chars.next().ok_or("expected a character after `\\`")?),
            '[' => {
                let negated = chars.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                while ranges.is_empty() || chars.next_if_eq(&']').is_none() {
                    let low = class_char(&mut chars)?;
                    let high = if chars.next_if_eq(&'-').is_some() {
                        class_char(&mut chars)?
                    } else {
                        low
                    };
                    ranges.push((low, high));
                }
                Token::Class(negated, ranges)
            }
            _ => Token::Char(ch),
        });
    }
    Ok(tokens)
}

fn class_char(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<char, &'static str> {
    match chars.next() {
        None => Err("expected `]`"),
        Some('-' | ']') => Err("expected a character or range in `[…]`"),
        Some('\\') => chars.next().ok_or("expected a character after `\\`"),
        Some(ch) => Ok(ch),
    }
}

impl Matcher {
    fn new(text: &str, tokens: &[Token]) -> Result<Self, &'static str> {
        let plain = |tokens: &[Token]| tokens.iter().all(|token| matches!(token, Token::Char(_)));
        Ok(match tokens {
            _ if plain(tokens) => Self::Exact,
            [Token::Deep, rest @ ..] if plain(rest) => Self::Suffix(text[2..].to_owned()),
            [rest @ .., Token::Deep] if plain(rest) => Self::Prefix(text[..text.len() - 2].to_owned()),
            _ => Self::Regex(regex_of(tokens)?),
        })
    }
}

fn regex_of(tokens: &[Token]) -> Result<Regex, &'static str> {
    let mut pattern = "^".to_owned();
    for (index, token) in tokens.iter().enumerate() {
        match token {
            Token::Char(ch) | Token::Escaped(ch) => pattern.push_str(&regex::escape(&ch.to_string())),
            Token::One => pattern.push_str("[^/]"),
            Token::Run => pattern.push_str("[^/]*"),
            Token::Deep if index + 1 == tokens.len() => pattern.push_str(".*"),
            Token::Deep => pattern.push_str("(.*/)?"),
            Token::Class(negated, ranges) => pattern.push_str(&class(*negated, ranges)),
        }
    }
    pattern.push('$');
    Regex::new(&pattern).map_err(|_| "expected a range from a lower to a higher character")
}

fn class(negated: bool, ranges: &[(char, char)]) -> String {
    let hex = |ch: char| format!("\\x{{{:x}}}", u32::from(ch));
    let ranges: Vec<String> = ranges.iter().map(|&(low, high)| hex(low) + "-" + &hex(high)).collect();
    format!("[{}{}]", if negated { "^" } else { "" }, ranges.concat())
}

#[cfg(test)]
mod tests;
