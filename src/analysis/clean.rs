//! Makes text that builds and engines wrote fit to be shown: colours and other control codes out, words kept.

/// The text without escape sequences and control characters. Line ends stay; tabs become spaces; of a progress line
/// that was rewritten with carriage returns only the last state stays.
pub(super) fn clean(text: &str) -> String {
    console::strip_ansi_codes(text)
        .lines()
        .map(|line| {
            line.trim_end_matches('\r')
                .rsplit('\r')
                .next()
                .unwrap_or_default()
                .replace('\t', "    ")
        })
        .map(|line| line.chars().filter(|c| !c.is_control()).collect::<String>())
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn control_codes_go_and_words_stay() {
        assert_eq!(
            clean("\u{1b}[31merror\u{1b}[0m: a\tb\r\n10%\r100%\u{7}"),
            "error: a    b\n100%"
        );
        assert_eq!(clean("naïve …"), "naïve …");
    }
}
