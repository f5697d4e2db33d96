//! Which package index to record from: what the user says, else what the user's pip and uv are configured for. What they
//! would use without any configuration only they can say; that is asked elsewhere.

use std::path::{Path, PathBuf};

use super::fetch::Login;

/// An index to record from.
#[derive(Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Its address without user and password, with a slash at its end.
    pub index: url::Url,
    /// The user and the password.
    credentials: Option<(String, Option<String>)>,
}

impl std::fmt::Debug for Upstream {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Upstream({})", self.index)
    }
}

/// What can be wrong with the configured index.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// It is no address.
    #[error("the package index {url:?} (from {from}) is no http:// or https:// address")]
    Address {
        /// What was found.
        url: String,
        /// Where it was found.
        from: String,
    },
    /// A configuration file can't be read.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl Upstream {
    /// An index by its address; `from` says where that was found.
    ///
    /// # Errors
    /// If it is no http:// or https:// address.
    pub fn new(address: &str, from: &str) -> Result<Self, UpstreamError> {
        let parsed = url::Url::parse(address.trim()).ok();
        let parsed = parsed.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let Some(mut index) = parsed else {
            // A password in it must not be shown.
            let shown = address.rsplit_once('@').map_or(address, |(_, rest)| rest);
            return Err(UpstreamError::Address {
                url: shown.to_owned(),
                from: from.to_owned(),
            });
        };
        let decode = |text: &str| {
            percent_encoding::percent_decode_str(text)
                .decode_utf8_lossy()
                .into_owned()
        };
        let credentials =
            (!index.username().is_empty()).then(|| (decode(index.username()), index.password().map(decode)));
        // Neither can fail for an address with a host.
        let _ = index.set_username("");
        let _ = index.set_password(None);
        index.set_query(None);
        index.set_fragment(None);
        if !index.path().ends_with('/') {
            index.set_path(&format!("{}/", index.path()));
        }
        Ok(Self { index, credentials })
    }

    pub(super) fn login(&self) -> Option<Login> {
        let (user, password) = self.credentials.clone()?;
        Some(Login {
            origin: self.index.origin(),
            user,
            password,
        })
    }
}

/// A configured index, and where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configured {
    /// The index.
    pub upstream: Upstream,
    /// Where: an environment variable or a file.
    pub from: String,
}

/// The index that the user's pip and uv are configured for, if they are: the environment comes before files, as in
/// both. `variable` reads the environment, `home` is the user's folder and `config` that of configuration files.
///
/// # Errors
/// If what is configured is no address, or a configuration file can't be read.
pub fn configured(
    variable: &dyn Fn(&str) -> Option<String>,
    home: &Path,
    config: &Path,
) -> Result<Option<Configured>, UpstreamError> {
    let found =
        |address: &str, from: String| Upstream::new(address, &from).map(|upstream| Some(Configured { upstream, from }));
    for name in ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"] {
        if let Some(address) = variable(name).filter(|value| !value.is_empty()) {
            // uv allows `NAME=URL`.
            let named = address.split_once("=http").map(|(_, rest)| format!("http{rest}"));
            return found(named.as_deref().unwrap_or(&address), name.to_owned());
        }
    }
    // pip reads all of these, the last one wins.
    let named = variable("PIP_CONFIG_FILE").map(PathBuf::from);
    let pip = named.into_iter().chain([
        config.join("pip/pip.conf"),
        home.join(".pip/pip.conf"),
        PathBuf::from("/etc/xdg/pip/pip.conf"),
        PathBuf::from("/etc/pip.conf"),
    ]);
    for path in pip {
        if let Some(address) = pip_index(&path)? {
            return found(&address, path.display().to_string());
        }
    }
    for path in [config.join("uv/uv.toml"), PathBuf::from("/etc/uv/uv.toml")] {
        if let Some(address) = uv_index(&path)? {
            return found(&address, path.display().to_string());
        }
    }
    Ok(None)
}

fn read(path: &Path) -> Result<Option<String>, UpstreamError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(UpstreamError::File {
            path: path.to_owned(),
            reason: error.to_string(),
        }),
    }
}

/// The index in a file of pip; `[install]` and `[download]` are more special than `[global]`.
fn pip_index(path: &Path) -> Result<Option<String>, UpstreamError> {
    let Some(text) = read(path)? else { return Ok(None) };
    let file = ini::Ini::load_from_str_noescape(&text).map_err(|error| UpstreamError::File {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    let of = |section: &str| {
        let section = file.section(Some(section))?;
        section
            .get("index-url")
            .or_else(|| section.get("index_url"))
            .map(str::to_owned)
    };
    Ok(of("install").or_else(|| of("global")))
}

/// The index in a file of uv.
fn uv_index(path: &Path) -> Result<Option<String>, UpstreamError> {
    let Some(text) = read(path)? else { return Ok(None) };
    let table: toml::Table = toml::from_str(&text).map_err(|error| UpstreamError::File {
        path: path.to_owned(),
        reason: error.message().to_owned(),
    })?;
    let text = |value: Option<&toml::Value>| value.and_then(toml::Value::as_str).map(str::to_owned);
    let listed = table.get("index").and_then(toml::Value::as_array).and_then(|indexes| {
        let default = |index: &&toml::Value| index.get("default").and_then(toml::Value::as_bool) == Some(true);
        text(indexes.iter().find(default)?.get("url"))
    });
    let of_pip = table.get("pip").and_then(|pip| text(pip.get("index-url")));
    Ok(listed.or_else(|| text(table.get("index-url"))).or(of_pip))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The index found with these variables and files, and where.
    fn find(variables: &[(&str, &str)], files: &[(&str, &str)]) -> Result<Option<(String, String)>, String> {
        let home = tempfile::tempdir().expect("a folder");
        let config = home.path().join(".config");
        for (path, text) in files {
            let path = home.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        }
        let variable = |name: &str| {
            let found = variables.iter().find(|(own, _)| *own == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let found = configured(&variable, home.path(), &config).map_err(|error| error.to_string())?;
        let shown = |from: &str| from.replace(&home.path().display().to_string(), "~");
        Ok(found.map(|found| (found.upstream.index.to_string(), shown(&found.from))))
    }

    #[test]
    fn the_environment_comes_before_files_and_pip_before_uv() {
        let pip = (
            ".config/pip/pip.conf",
            "[global]\ntimeout = 5\nindex-url = https://pip.example/simple\n",
        );
        let uv = (
            ".config/uv/uv.toml",
            "[[index]]\nurl = \"https://a.example\"\n[[index]]\nurl = \"https://uv.example/s/\"\ndefault = true\n",
        );
        let got = |variables: &[_], files: &[_]| {
            find(variables, files)
                .expect("good")
                .map(|(url, from)| format!("{url} {from}"))
        };
        assert_eq!(
            got(&[("UV_DEFAULT_INDEX", "corp=https://env.example/simple")], &[pip, uv]).as_deref(),
            Some("https://env.example/simple/ UV_DEFAULT_INDEX")
        );
        assert_eq!(
            got(&[], &[pip, uv]).as_deref(),
            Some("https://pip.example/simple/ ~/.config/pip/pip.conf")
        );
        assert_eq!(
            got(&[], &[uv]).as_deref(),
            Some("https://uv.example/s/ ~/.config/uv/uv.toml")
        );
    }

    #[test]
    fn a_password_is_kept_for_the_index_and_shown_nowhere() {
        let upstream = Upstream::new("https://me:s%40cret@index.example/simple?x=1", "a test").expect("an address");
        assert_eq!(upstream.index.as_str(), "https://index.example/simple/");
        let login = upstream.login().expect("a login");
        assert_eq!((login.user.as_str(), login.password.as_deref()), ("me", Some("s@cret")));
        assert!(!format!("{upstream:?} {login:?}").contains("cret"));
        let error = Upstream::new("ftp://me:secret@index.example", "a test").expect_err("no http");
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn what_is_no_address_or_no_file_is_an_error_that_says_where() {
        let error = find(&[("PIP_INDEX_URL", "nonsense")], &[]).expect_err("no address");
        assert!(error.contains("nonsense") && error.contains("PIP_INDEX_URL"), "{error}");
        let error = find(&[], &[(".config/uv/uv.toml", "index = [\n")]).expect_err("no TOML");
        assert!(error.contains("uv.toml"), "{error}");
    }
}
