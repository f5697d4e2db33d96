//! Progress of what reads or writes whole recordings. Nothing is shown when standard error is no terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::units::Bytes;

/// A bar, or a spinner while nobody has said how much there is. It goes away with this value.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new(what: &str) -> Self {
        let bar = ProgressBar::new_spinner().with_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(bar)
    }

    /// So many bytes of so many are done.
    pub(super) fn set(&self, done: Bytes, all: Bytes) {
        if self.0.length().is_none() {
            let style = ProgressStyle::with_template("{bar:24} {msg}  {decimal_bytes}/{decimal_total_bytes}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            self.0.set_style(style.progress_chars("=> "));
            self.0.set_length(all.0);
        }
        self.0.set_position(done.0);
    }

    /// Says a line above it.
    pub(super) fn say(&self, line: &str) {
        self.0.suspend(|| eprintln!("{line}"));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
