//! `uv.lock` holds the addresses of the index and of every file; checked against another index uv resolves anew, and
//! fails under `--locked`. With both kinds of address replaced it passes, and the hashes in it must still match.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::pages::mirrored;

/// `registry = "…"` and `url = "…"` as uv writes them. A group for what is before the address, and one for the address.
static ADDRESS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"\b((registry|url) = ")(https?://[^"]*)""#).expect("a valid pattern"));

/// The lock file with the addresses of the index, any of `from`, and of the files of packages that came from it, replaced by
/// those of the mirror at `origin`. Packages from elsewhere keep their addresses.
pub fn rewrite(text: &str, from: &[&str], origin: &str) -> String {
    let same = |a: &str, b: &str| a.trim_end_matches('/') == b.trim_end_matches('/');
    let mut ours = false;
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        if line.starts_with("[[package]]") {
            ours = false;
        }
        // A source that is an address must stay what pyproject.toml says.
        let source = line.starts_with("source = {");
        out.push_str(&ADDRESS.replace_all(line, |found: &Captures<'_>| {
            let (before, kind, url) = (&found[1], &found[2], &found[3]);
            if kind == "registry" && from.iter().any(|from| same(url, from)) {
                ours = true;
                format!("{before}{origin}/simple\"")
            } else if kind == "url" && ours && !source {
                format!("{before}{}\"", mirrored(origin, url))
            } else {
                found[0].to_owned()
            }
        }));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"version = 1

[[package]]
name = "anyio"
version = "4.9.0"
source = { registry = "https://index.example/simple" }
dependencies = [
    { name = "idna" },
]
sdist = { url = "https://files.example/a/anyio-4.9.0.tar.gz", hash = "sha256:67", size = 190949 }
wheels = [
    { url = "https://files.example/b/anyio-4.9.0-py3-none-any.whl", hash = "sha256:9f", size = 100916 },
]

[[package]]
name = "elsewhere"
source = { registry = "https://other.example/simple" }
wheels = [
    { url = "https://other.example/c/elsewhere-1-py3-none-any.whl", hash = "sha256:aa", size = 1 },
]

[[package]]
name = "direct"
source = { url = "https://files.example/direct-1.tar.gz" }
sdist = { hash = "sha256:bb" }
"#;

    #[test]
    fn addresses_of_the_index_are_replaced_and_no_others() {
        let rewritten = rewrite(
            LOCK,
            &["https://a.example/", "https://index.example/simple/"],
            "http://m:1",
        );
        let expected = LOCK
            .replace("https://index.example/simple", "http://m:1/simple")
            .replace("https://files.example/a/", "http://m:1/files/https/files.example/a/")
            .replace("https://files.example/b/", "http://m:1/files/https/files.example/b/");
        assert_eq!(rewritten, expected);
    }

    #[test]
    fn a_lock_file_of_another_index_stays_as_it_is() {
        assert_eq!(rewrite(LOCK, &["https://third.example/simple"], "http://m:1"), LOCK);
        assert_eq!(rewrite(LOCK, &[], "http://m:1"), LOCK);
    }
}
