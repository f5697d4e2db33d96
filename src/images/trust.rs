//! The host's CA bundle for images that lack what it has: behind a TLS-inspecting proxy pip and uv fail without.

use std::path::{Path, PathBuf};

/// Where Debian-like images keep their bundle.
pub const IN_IMAGE: &str = "etc/ssl/certs/ca-certificates.crt";

/// Where hosts keep theirs, in the order in which they are looked for.
const ON_HOST: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The host's CA bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// The bundle's bytes (PEM).
    pub bundle: Vec<u8>,
}

impl Trust {
    /// The bundle that `SSL_CERT_FILE` names, else the system's; `None` if there is none.
    #[must_use]
    pub fn of_host() -> Option<Self> {
        let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
        let known = ON_HOST.iter().map(PathBuf::from);
        named
            .into_iter()
            .chain(known)
            .find_map(|path| std::fs::read(path).ok())
            .map(|bundle| Self { bundle })
    }

    /// The environment that makes pip, uv and OpenSSL use the bundle at [`IN_IMAGE`].
    #[must_use]
    pub fn environment() -> [(&'static str, String); 2] {
        let path = Path::new("/").join(IN_IMAGE).display().to_string();
        [("SSL_CERT_FILE", path.clone()), ("PIP_CERT", path)]
    }
}
