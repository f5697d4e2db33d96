//! Expands `$NAME` and its relatives as the builder's own shell lexer does, and splits text into words with the
//! same rules. Not for: knowing which variables there are.

use std::collections::BTreeSet;

/// What became of a text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Expansion {
    /// The text with variables replaced and quotes and escapes removed.
    pub text: String,
    /// The variables that were asked for and had no value.
    pub unset: BTreeSet<String>,
}

/// Expands `word`; `escape` is the Dockerfile's escape character.
///
/// # Errors
/// With the builder's complaint if quotes or braces don't match or a `${X?…}` has no value.
pub(super) fn expand(word: &str, escape: char, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Expansion, String> {
    let mut lexer = Lexer::new(word, escape, false, lookup);
    let text = lexer.run(None, false)?.0;
    Ok(Expansion {
        text,
        unset: lexer.unset,
    })
}

/// The words of `line` after removal of quotes and escapes, with no variable known and every use of one left as it
/// stands; `None` where the builder's lexer would give up.
pub(super) fn words(line: &str, escape: char) -> Option<Vec<String>> {
    Some(Lexer::for_words(line, escape, false).run(None, false).ok()?.1)
}

/// As [`words`], with quotes and escapes kept.
pub(super) fn raw_words(line: &str, escape: char) -> Option<Vec<String>> {
    Some(Lexer::for_words(line, escape, true).run(None, true).ok()?.1)
}

struct Lexer<'a> {
    chars: Vec<char>,
    pos: usize,
    escape: char,
    /// Quotes are kept.
    raw_quotes: bool,
    /// Uses of variables are kept: `lookup` is never asked.
    keep_variables: bool,
    lookup: &'a dyn Fn(&str) -> Option<String>,
    unset: BTreeSet<String>,
}

/// Collects words beside the running text: quoted and escaped white space does not end a word.
#[derive(Default)]
struct Words {
    word: String,
    done: Vec<String>,
}

impl Words {
    fn push(&mut self, ch: char) {
        if !ch.is_whitespace() {
            self.word.push(ch);
        } else if !self.word.is_empty() {
            self.done.push(std::mem::take(&mut self.word));
        }
    }

    fn finish(mut self) -> Vec<String> {
        if !self.word.is_empty() {
            self.done.push(self.word);
        }
        self.done
    }
}

impl<'a> Lexer<'a> {
    fn new(text: &str, escape: char, raw_quotes: bool, lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        let chars = text.chars().collect();
        Self {
            chars,
            pos: 0,
            escape,
            raw_quotes,
            keep_variables: false,
            lookup,
            unset: BTreeSet::new(),
        }
    }

    fn for_words(text: &str, escape: char, raw_quotes: bool) -> Self {
        Self {
            keep_variables: true,
            ..Self::new(text, escape, raw_quotes, &|_| None)
        }
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.pos).copied()
    }

    fn next(&mut self) -> Option<char> {
        let ch = self.peek()?;
        self.pos += 1;
        Some(ch)
    }

    /// Reads up to `stop`, which is consumed, or to the end.
    fn run(&mut self, stop: Option<char>, raw_escapes: bool) -> Result<(String, Vec<String>), String> {
        let mut text = String::new();
        let mut words = Words::default();
        while let Some(ch) = self.next() {
            if Some(ch) == stop {
                return Ok((text, words.finish()));
            }
            if ch == '$' {
                let value = self.dollar()?;
                value.chars().for_each(|ch| words.push(ch));
                text.push_str(&value);
            } else if ch == '\'' || ch == '"' {
                let quoted = if ch == '"' {
                    self.double_quoted(raw_escapes)?
                } else {
                    self.single_quoted()?
                };
                words.word.push_str(&quoted);
                text.push_str(&quoted);
            } else if ch == self.escape {
                if raw_escapes {
                    words.word.push(ch);
                    text.push(ch);
                }
                // An escape at the very end escapes nothing and disappears.
                let Some(escaped) = self.next() else { break };
                words.word.push(escaped);
                text.push(escaped);
            } else {
                words.push(ch);
                text.push(ch);
            }
        }
        match stop {
            Some(stop) => Err(format!("expected `{stop}` before the end")),
            None => Ok((text, words.finish())),
        }
    }

    fn single_quoted(&mut self) -> Result<String, String> {
        let start = self.pos;
        while let Some(ch) = self.next() {
            if ch == '\'' {
                let inner: String = self.chars[start..self.pos - 1].iter().collect();
                return Ok(if self.raw_quotes { format!("'{inner}'") } else { inner });
            }
        }
        Err("expected a closing single quote".to_owned())
    }

    fn double_quoted(&mut self, raw_escapes: bool) -> Result<String, String> {
        let mut text = String::new();
        while let Some(ch) = self.next() {
            match ch {
                '"' => {
                    return Ok(if self.raw_quotes { format!("\"{text}\"") } else { text });
                }
                '$' => text.push_str(&self.dollar()?),
                _ if ch == self.escape => {
                    if raw_escapes {
                        text.push(ch);
                    }
                    match self.peek() {
                        // Only these can be escaped inside double quotes; before all else the escape stays.
                        Some(next) if next == '"' || next == '$' || next == self.escape => {
                            self.pos += 1;
                            text.push(next);
                        }
                        Some(_) => text.push(ch),
                        None => {}
                    }
                }
                _ => text.push(ch),
            }
        }
        Err("expected a closing double quote".to_owned())
    }

    /// What follows a `$`.
    fn dollar(&mut self) -> Result<String, String> {
        let start = self.pos - 1;
        let value = if self.peek() == Some('{') {
            self.pos += 1;
            self.braces()?
        } else {
            let name = self.name();
            if name.is_empty() {
                return Ok("$".to_owned());
            }
            self.get(&name).unwrap_or_default()
        };
        if self.keep_variables {
            return Ok(self.chars[start..self.pos].iter().collect());
        }
        Ok(value)
    }

    /// What follows a `${`.
    fn braces(&mut self) -> Result<String, String> {
        if matches!(self.peek(), Some('{' | '}' | ':')) {
            return Err("expected a variable's name in `${…}`".to_owned());
        }
        let name = self.name();
        let (modifier, empty_is_unset) = match self.next() {
            Some('}') => return Ok(self.get(&name).unwrap_or_default()),
            Some(':') => (self.next(), true),
            other => (other, false),
        };
        let Some(modifier) = modifier else {
            return Err("expected a closing `}`".to_owned());
        };
        match modifier {
            '-' | '+' | '?' => {
                let word = self.run(Some('}'), false)?.0;
                // A fallback makes an unset variable a valid thing, so it is not reported as missing.
                let value = (self.lookup)(&name).filter(|value| !(empty_is_unset && value.is_empty()));
                match (modifier, value) {
                    ('+', Some(_)) | ('-', None) => Ok(word),
                    ('+', None) => Ok(String::new()),
                    ('?', None) if !self.keep_variables => Err(format!(
                        "{name}: {}",
                        if word.is_empty() { "a value is required" } else { &word }
                    )),
                    (_, value) => Ok(value.unwrap_or_default()),
                }
            }
            '#' | '%' if !empty_is_unset => {
                let word = self.run(Some('}'), true)?.0;
                let value = self.get(&name).unwrap_or_default();
                let longest = word.starts_with(modifier);
                let pattern = if longest { &word[1..] } else { &word[..] };
                Ok(if modifier == '#' {
                    trim_prefix(&value, pattern, longest).to_owned()
                } else {
                    trim_suffix(&value, pattern, longest).to_owned()
                })
            }
            '/' if !empty_is_unset => {
                let all = self.peek() == Some('/');
                self.pos += usize::from(all);
                let pattern = self.run(Some('/'), true)?.0;
                let replacement = self.run(Some('}'), true)?.0;
                let value = self.get(&name).unwrap_or_default();
                Ok(replace(&value, &pattern, &replacement, all))
            }
            _ => Err(format!(
                "`${{{name}{modifier}…}}` is not supported: expected one of `-`, `+`, `?`, `#`, `%`, `/`"
            )),
        }
    }

    fn name(&mut self) -> String {
        let start = self.pos;
        match self.peek() {
            Some(ch) if ch.is_ascii_digit() => {
                while self.peek().is_some_and(|ch| ch.is_ascii_digit()) {
                    self.pos += 1;
                }
            }
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => self.pos += 1,
            _ => {
                while self.peek().is_some_and(|ch| ch.is_alphanumeric() || ch == '_') {
                    self.pos += 1;
                }
            }
        }
        self.chars[start..self.pos].iter().collect()
    }

    fn get(&mut self, name: &str) -> Option<String> {
        let value = (self.lookup)(name);
        if value.is_none() {
            self.unset.insert(name.to_owned());
        }
        value
    }
}

/// Whether `text` as a whole is matched by a shell pattern of `*`, `?` and escapes.
fn glob(pattern: &[char], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['*', rest @ ..] => (0..=text.len()).any(|at| glob(rest, &text[at..])),
        ['?', rest @ ..] => !text.is_empty() && glob(rest, &text[1..]),
        ['\\', ch, rest @ ..] | [ch, rest @ ..] => text.first() == Some(ch) && glob(rest, &text[1..]),
    }
}

fn glob_str(pattern: &str, text: &str) -> bool {
    glob(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>())
}

/// Where `text` can be cut: before every character and at its end.
fn cuts(text: &str) -> impl DoubleEndedIterator<Item = usize> {
    (0..=text.len()).filter(|&at| text.is_char_boundary(at))
}

fn trim_prefix<'t>(text: &'t str, pattern: &str, longest: bool) -> &'t str {
    let fits = |at: &usize| glob_str(pattern, &text[..*at]);
    let cut = if longest {
        cuts(text).rev().find(fits)
    } else {
        cuts(text).find(fits)
    };
    &text[cut.unwrap_or(0)..]
}

fn trim_suffix<'t>(text: &'t str, pattern: &str, longest: bool) -> &'t str {
    let fits = |at: &usize| glob_str(pattern, &text[*at..]);
    let cut = if longest {
        cuts(text).find(fits)
    } else {
        cuts(text).rev().find(fits)
    };
    &text[..cut.unwrap_or(text.len())]
}

/// Replaces the first or every leftmost longest match.
fn replace(text: &str, pattern: &str, replacement: &str, all: bool) -> String {
    let mut out = String::new();
    let mut rest = text;
    'next: while !rest.is_empty() {
        for end in cuts(rest).rev().filter(|&end| end > 0) {
            if glob_str(pattern, &rest[..end]) {
                out.push_str(replacement);
                rest = &rest[end..];
                if all {
                    continue 'next;
                }
                out.push_str(rest);
                return out;
            }
        }
        let first = rest.chars().next().map_or(rest.len(), char::len_utf8);
        out.push_str(&rest[..first]);
        rest = &rest[first..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(name: &str) -> Option<String> {
        match name {
            "X" => Some("value".to_owned()),
            "E" => Some(String::new()),
            "V" => Some("3.12.10-slim".to_owned()),
            "_u1" => Some("under".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn variables_expand_as_in_the_builder() {
        for (word, expected) in [
            ("plain", "plain"),
            ("$X", "value"),
            ("${X}", "value"),
            ("a$X-b", "avalue-b"),
            ("$X.$_u1/x", "value.under/x"),
            ("$NO", ""),
            ("a${NO}b", "ab"),
            ("${NO:-d}", "d"),
            ("${NO-d}", "d"),
            ("${E:-d}", "d"),
            ("${E-d}", ""),
            ("${X:-d}", "value"),
            ("${X:+a}", "a"),
            ("${E:+a}", ""),
            ("${E+a}", "a"),
            ("${NO+a}", ""),
            ("${NO:-${X}}", "value"),
            ("${NO:-\"a b\"}", "a b"),
            ("${NO:-a:b/c}", "a:b/c"),
            ("${X:?gone}", "value"),
            (r"\$X", "$X"),
            (r"'$X'", "$X"),
            (r#""$X""#, "value"),
            (r#""\$X \a \"""#, r#"$X \a ""#),
            (r"a\'b", "a'b"),
            ("$", "$"),
            ("a$/b", "a$/b"),
            ("${V%-*}", "3.12.10"),
            ("${V%.*}", "3.12"),
            ("${V%%.*}", "3"),
            ("${V#*.}", "12.10-slim"),
            ("${V##*.}", "10-slim"),
            ("${V/./_}", "3_12.10-slim"),
            ("${V//./_}", "3_12_10-slim"),
            ("ends\\", "ends"),
        ] {
            assert_eq!(
                expand(word, '\\', &known).map(|it| it.text),
                Ok(expected.to_owned()),
                "{word}"
            );
        }
        assert_eq!(expand("`$X\\n", '`', &known).map(|it| it.text), Ok("$X\\n".to_owned()));
    }

    #[test]
    fn what_has_no_value_is_named() {
        let unset = |word| expand(word, '\\', &known).map(|it| it.unset.into_iter().collect::<Vec<_>>());
        assert_eq!(
            unset("$NO:${NEITHER}$X"),
            Ok(vec!["NEITHER".to_owned(), "NO".to_owned()])
        );
        assert_eq!(unset("${NO:-d}"), Ok(vec![]));
    }

    #[test]
    fn broken_expressions_are_errors() {
        for word in [
            "${X",
            "${}",
            "${:-x}",
            "${X:-a",
            "'open",
            "\"open",
            "${X!}",
            "${NO:?need it}",
            "${E:?}",
        ] {
            assert!(expand(word, '\\', &known).is_err(), "{word}");
        }
        assert_eq!(expand("${NO:?need it}", '\\', &known), Err("NO: need it".to_owned()));
    }

    #[test]
    fn words_keep_quotes_and_variables_apart() {
        assert_eq!(
            raw_words(r#"cat <<"E F" $A${B:-c} 'x  y' a\ b"#, '\\').unwrap(),
            ["cat", "<<\"E F\"", "$A${B:-c}", "'x  y'", "a\\ b"]
        );
        assert_eq!(words(r#""E F"x"#, '\\').unwrap(), ["E Fx"]);
        assert_eq!(words("it's", '\\'), None);
    }
}
