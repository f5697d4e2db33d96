//! Names of projects and of files.

/// The longest project name that is believed, in bytes; a folder can be named after it on any file system.
const LONGEST_PROJECT: usize = 200;

/// The longest file name that is believed, in bytes; what Linux takes.
const LONGEST_FILE: usize = 255;

/// The one spelling of a project's name: lower case, and a hyphen for each run of `-`, `_` and `.` (PEP 503).
#[must_use]
pub fn normalize(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    let mut in_run = false;
    for letter in name.chars() {
        let separator = matches!(letter, '-' | '_' | '.');
        if separator && !in_run {
            normal.push('-');
        } else if !separator {
            normal.extend(letter.to_lowercase());
        }
        in_run = separator;
    }
    normal
}

/// Whether this may be a project's name: ASCII letters, digits, `-`, `_` and `.`, the first and the last a letter or a
/// digit (PEP 508), and at most 200 bytes. So it is never a path, nor `..`.
#[must_use]
pub fn is_project_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    name.len() <= LONGEST_PROJECT
        && ends.iter().all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

/// Whether this may be a file's name: 1 to 255 bytes without path separators and control characters, and neither `.`
/// nor `..`.
#[must_use]
pub fn is_file_name(name: &str) -> bool {
    (1..=LONGEST_FILE).contains(&name.len())
        && !matches!(name, "." | "..")
        && !name.contains(|letter: char| matches!(letter, '/' | '\\') || letter.is_control())
}
