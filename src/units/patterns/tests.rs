use super::*;

fn first_of(patterns: &[&str], path: &str) -> bool {
    let patterns = Patterns::new(patterns).expect("possible");
    patterns.step(path, &Matched::default()).0
}

#[test]
fn a_pattern_is_only_tried_where_it_could_change_the_answer() {
    let patterns = Patterns::new(["**/*.md", "!docs", "docs/no"]).expect("possible");
    let (matched, docs) = patterns.step("docs", &Matched::default());
    assert!(!matched);
    assert!(patterns.step("docs/a.md", &docs).0);
    assert!(patterns.step("docs/no", &docs).0);
    let patterns = Patterns::new(["*", "!docs"]).expect("possible");
    let (matched, docs) = patterns.step("docs", &Matched::default());
    assert!(!matched);
    assert!(!patterns.step("docs/a.md", &docs).0);
}

#[test]
fn patterns_are_trimmed_and_cleaned_and_blank_ones_left_out() {
    assert!(first_of(&["", "  ", " ./a/../b/ "], "b"));
    assert!(Patterns::new(["", " "]).expect("possible").is_empty());
    // Only ignore files say that a leading slash means nothing.
    assert!(!first_of(&["/b"], "b"));
    let failure = Patterns::new(["a", "["]).expect_err("impossible");
    assert_eq!(failure.to_string(), "pattern \"[\": expected `]`");
}

#[test]
fn a_folder_is_looked_into_only_where_something_in_it_could_match() {
    let may = |patterns: &[&str], folder: &str| Patterns::new(patterns).expect("possible").may_match_in(folder, false);
    assert!(may(&["a/b/c"], "a") && may(&["a/b/c"], "a/b") && may(&["a/**"], "a"));
    assert!(!may(&["a/b"], "c") && !may(&["ab/c"], "a") && !may(&["!a/b"], "a"));
    assert!(may(&["*/x"], "c"));
}

#[test]
fn names_match_as_in_a_shell() {
    for (pattern, name, expected) in [
        ("*.py", "a.py", true),
        ("*.py", "a.pyc", false),
        ("**", "a", true),
        ("a?c", "abc", true),
        ("[a-c]x", "bx", true),
        ("[", "[", false),
        ("a\\*", "a*", true),
        ("*", "a\nb", true),
    ] {
        assert_eq!(name_matches(pattern, name), expected, "{pattern} {name}");
    }
}

#[test]
fn each_odd_byte_counts_as_one_character() {
    let name = OsStr::from_bytes(b"a\xff\xfeb\xe2\x82");
    assert_eq!(text_of(name), "a\u{fffd}\u{fffd}b\u{fffd}\u{fffd}");
    assert_eq!(text_of(OsStr::new("plain")), "plain");
}
