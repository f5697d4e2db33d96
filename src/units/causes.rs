//! An error for people, in one text. Not for: how the program ends (that is the command line's).

use std::error::Error;

/// What an error says, with what its causes say beside that: many errors repeat their cause, some keep it to themselves.
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{says}")]
    struct Said {
        says: &'static str,
        source: Option<Box<Said>>,
    }

    fn said(says: &'static str, source: Option<Said>) -> Said {
        let source = source.map(Box::new);
        Said { says, source }
    }

    #[test]
    fn causes_are_told_once() {
        let refused = || said("refused", None);
        let connecting = |says| said("push", Some(said(says, Some(refused()))));
        assert_eq!(with_causes(&refused()), "refused");
        assert_eq!(with_causes(&connecting("connecting")), "push: connecting: refused");
        assert_eq!(
            with_causes(&connecting("connecting: refused")),
            "push: connecting: refused"
        );
    }
}
