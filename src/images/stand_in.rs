//! Recipes for stand-ins: a Python from the distribution, uv from its own wheel, the registry and Docker Engines from the
//! distribution.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::{BaseImages, ImagesError, stand_in_label, trust};
use crate::engine::archive::{archive, unpack};
use crate::engine::{ContainerSpec, Engine, Observer, Progress, RUN_LABEL};

/// The distribution release whose packages make the root file systems, but for those of engines.
const RELEASE: &str = "trixie";

/// Documentation is of no use in an image and a third of its size.
const LEAN: [&str; 3] = [
    "path-exclude=/usr/share/doc/*",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*",
];

/// How a stand-in is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Recipe {
    /// A root file system of packages, with shell commands run on it (`$1` is its folder), and image settings.
    Packages {
        role: &'static str,
        /// The distribution release.
        release: &'static str,
        /// How mmdebstrap puts packages together: `minbase` installs them, `extract` only unpacks.
        variant: &'static str,
        packages: &'static [&'static str],
        hooks: &'static [&'static str],
        changes: &'static [&'static str],
    },
    /// uv's wheel of a version (the newest if `None`), unpacked in the python stand-in.
    Uv { version: Option<String> },
}

const PYTHON: Recipe = Recipe::Packages {
    role: "python",
    release: RELEASE,
    variant: "minbase",
    packages: &["ca-certificates", "netbase", "tzdata", "python3", "python3-venv"],
    // A virtual environment at /usr/local puts pip and site-packages where `pip install`, `pip install --prefix` and
    // COPY to /usr/local find them in the official image; the distribution's own interpreter refuses pip there.
    hooks: &[
        r#"chroot "$1" python3 -m venv /usr/local"#,
        r#"rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*"#,
        r#"find "$1/usr" -xdev -name __pycache__ -type d -prune -exec rm -rf {} +"#,
    ],
    changes: &[
        "ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
        "ENV LANG=C.UTF-8",
        r#"CMD ["python3"]"#,
    ],
};

const REGISTRY: Recipe = Recipe::Packages {
    role: "registry",
    release: RELEASE,
    // One static-like program needs no package manager round it: unpacking is enough, and takes a quarter of the time.
    variant: "extract",
    packages: &["docker-registry", "base-files"],
    // The distribution's configuration asks for passwords; this is the official image's.
    hooks: &[
        r#"mkdir -p "$1/etc/docker/registry" "$1/tmp" "$1/var/lib/registry""#,
        r#"printf 'version: 0.1\nstorage:\n  cache:\n    blobdescriptor: inmemory\n  filesystem:\n    rootdirectory: /var/lib/registry\nhttp:\n  addr: :5000\n' > "$1/etc/docker/registry/config.yml""#,
    ],
    changes: &[
        "EXPOSE 5000",
        r#"ENTRYPOINT ["/usr/bin/docker-registry"]"#,
        r#"CMD ["serve", "/etc/docker/registry/config.yml"]"#,
    ],
};

/// A Docker Engine of a release, to be started in a container.
const fn engine(release: &'static str, packages: &'static [&'static str]) -> Recipe {
    Recipe::Packages {
        role: "engine",
        release,
        variant: "minbase",
        packages,
        hooks: &[r#"rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*"#],
        changes: &["ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    }
}

/// The engines that the distribution has, newest first, by the version that they begin with. The first is that of a release
/// that goes on changing, so its version is a lower bound.
const ENGINES: [(&str, Recipe); 3] = [
    (
        "28",
        engine(
            "sid",
            &["docker.io", "iptables", "ca-certificates", "procps", "iproute2"],
        ),
    ),
    (
        "26.1",
        engine(
            "trixie",
            &["docker.io", "iptables", "ca-certificates", "procps", "iproute2"],
        ),
    ),
    (
        "20.10",
        engine(
            "bookworm",
            &["docker.io", "iptables", "ca-certificates", "procps", "iproute2"],
        ),
    ),
];

/// The distribution's engine for a wanted version: that of `26` is `26.1`, and that of no version the newest.
fn engine_recipe(version: Option<&str>) -> Option<Recipe> {
    let Some(version) = version else {
        return ENGINES.into_iter().next().map(|(_, recipe)| recipe);
    };
    let begins = |whole: &str, part: &str| {
        whole
            .strip_prefix(part)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let mut engines = ENGINES.into_iter();
    let found = engines.find(|(has, _)| begins(has, version) || begins(version, has));
    found.map(|(_, recipe)| recipe)
}

/// How long it may take to make a root file system: a slow mirror's packages, but not one that has fallen silent.
const BOOTSTRAP_LIMIT: std::time::Duration = std::time::Duration::from_secs(3600);

/// Asks a program to end when it is dropped before its end: mmdebstrap then removes its half-made root file system,
/// which it can't when it is killed.
struct Terminated(Option<u32>);

impl Drop for Terminated {
    fn drop(&mut self) {
        let pid = self
            .0
            .and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(pid) = pid {
            // It may have ended by itself a moment ago.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
    }
}

impl Recipe {
    /// The recipe for a role; `None` if there is no stand-in for it.
    pub(super) fn for_role(role: &str, reference: &str) -> Option<Self> {
        match role {
            "python" => Some(PYTHON),
            "registry" => Some(REGISTRY),
            "engine" => engine_recipe(None),
            _ if role.starts_with("engine:") => engine_recipe(role.strip_prefix("engine:")),
            "uv" => {
                let tag = reference
                    .rsplit_once(':')
                    .map(|(_, tag)| tag)
                    .filter(|tag| !tag.contains('/'));
                let version = tag
                    .filter(|tag| tag.starts_with(|c: char| c.is_ascii_digit()))
                    .map(str::to_owned);
                Some(Self::Uv { version })
            }
            _ => None,
        }
    }

    fn role(&self) -> &'static str {
        match self {
            Self::Packages { role, .. } => role,
            Self::Uv { .. } => "uv",
        }
    }

    /// The image's name: it changes with the recipe, so that an image of an older recipe is not taken for it.
    pub(super) fn tag(&self) -> String {
        let version = match self {
            Self::Packages { release, .. } => {
                let digest = Sha256::digest(format!("{self:?} {LEAN:?}"));
                let short: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
                format!("{release}-{short}")
            }
            Self::Uv { version } => version.clone().unwrap_or_else(|| "newest".into()),
        };
        format!("bakeoff-stand-in-{}:{version}", self.role())
    }

    /// The image's name, after making the image if the engine does not have it.
    pub(super) async fn ensure<E: Engine>(
        &self,
        images: &BaseImages,
        engine: &E,
        observer: Observer<'_>,
    ) -> Result<String, ImagesError> {
        let tag = self.tag();
        if engine.image(&tag).await?.is_none() {
            self.make(images, engine, &tag, observer).await?;
        }
        Ok(tag)
    }

    /// Makes the image, or imports the root file system that an earlier make left in the cache.
    async fn make<E: Engine>(
        &self,
        images: &BaseImages,
        engine: &E,
        tag: &str,
        observer: Observer<'_>,
    ) -> Result<(), ImagesError> {
        std::fs::create_dir_all(&images.cache)
            .map_err(|error| self.failed(&error, "make the cache folder writable, or set XDG_CACHE_HOME"))?;
        let rootfs = images.cache.join(format!("{}.tar", tag.replace(':', "-")));
        if !rootfs.exists() {
            observer(Progress::Note(format!(
                "making the stand-in for {} (once; it is kept)",
                self.role()
            )));
            // Under another name until it is whole: what a killed program leaves must not be taken for it.
            let partial = rootfs.with_extension("partial");
            match self {
                Self::Packages {
                    release,
                    variant,
                    packages,
                    hooks,
                    ..
                } => {
                    self.bootstrap(release, variant, packages, hooks, &partial).await?;
                }
                Self::Uv { version } => {
                    let python = Box::pin(PYTHON.ensure(images, engine, observer)).await?;
                    self.unpack_uv(images, engine, &python, version.as_deref(), &partial)
                        .await?;
                }
            }
            std::fs::rename(&partial, &rootfs)
                .map_err(|error| self.failed(&error, "make the cache folder writable, or set XDG_CACHE_HOME"))?;
        }
        let mut changes = vec![stand_in_label(self.role())];
        if let Self::Packages { changes: own, .. } = self {
            changes.extend(own.iter().map(|&change| change.to_owned()));
        }
        Ok(engine.import(&rootfs, tag, &changes).await?)
    }

    fn failed(&self, reason: &impl std::fmt::Display, remedy: &str) -> ImagesError {
        ImagesError::StandIn {
            role: self.role(),
            reason: reason.to_string(),
            remedy: remedy.to_owned(),
        }
    }

    async fn bootstrap(
        &self,
        release: &str,
        variant: &str,
        packages: &[&str],
        hooks: &[&str],
        out: &Path,
    ) -> Result<(), ImagesError> {
        let mut command = tokio::process::Command::new("mmdebstrap");
        command
            .arg(format!("--variant={variant}"))
            .arg("--format=tar")
            .arg(format!("--include={}", packages.join(",")));
        // Recorded package lists must stay usable after their validity ends.
        command.arg(r#"--aptopt=Acquire::Check-Valid-Until "false""#);
        command.args(LEAN.iter().map(|option| format!("--dpkgopt={option}")));
        // The last kind of hook that each variant runs.
        let kind = if variant == "extract" { "extract" } else { "customize" };
        command.args(hooks.iter().map(|hook| format!("--{kind}-hook={hook}")));
        command
            .arg(release)
            .arg(out)
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::piped());
        let child = command.spawn().map_err(|error| {
            self.failed(
                &format!("mmdebstrap: {error}"),
                "install mmdebstrap (Debian and Ubuntu: apt-get install mmdebstrap)",
            )
        })?;
        let mut guard = Terminated(child.id());
        let ended = tokio::time::timeout(BOOTSTRAP_LIMIT, child.wait_with_output()).await;
        let Ok(output) = ended else {
            // The guard ends it.
            let reason = format!("mmdebstrap did not end within {} s", BOOTSTRAP_LIMIT.as_secs());
            return Err(self.failed(&reason, "see whether the distribution's package mirror can be reached"));
        };
        guard.0 = None;
        let output = output.map_err(|error| self.failed(&error, "try again"))?;
        if output.status.success() {
            return Ok(());
        }
        let log = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<_> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(15)..].join("\n");
        Err(self.failed(
            &format!("mmdebstrap ended with {}:\n{tail}", output.status),
            "run as root, with the distribution's package mirror reachable and its archive keyring installed \
             (apt-get install debian-archive-keyring)",
        ))
    }

    /// pip fetches the wheel, since pip knows where packages come from; the two binaries become the image.
    async fn unpack_uv<E: Engine>(
        &self,
        images: &BaseImages,
        engine: &E,
        python: &str,
        version: Option<&str>,
        out: &Path,
    ) -> Result<(), ImagesError> {
        let wanted = version.map_or_else(|| "uv".to_owned(), |version| format!("uv=={version}"));
        let script = "set -e; pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
                      --dest /wheel \"$0\"; cd /wheel; python3 -m zipfile -e ./*.whl .; mkdir /uv; \
                      cp ./uv-*.data/scripts/uv ./uv-*.data/scripts/uvx /uv; chmod 755 /uv/uv /uv/uvx";
        let mut spec = ContainerSpec {
            name: format!("bakeoff-stand-in-uv-{}", std::process::id()),
            image: python.to_owned(),
            command: Some(["sh", "-c", script, &wanted].map(str::to_owned).to_vec()),
            labels: BTreeMap::from([(RUN_LABEL.to_owned(), "stand-in".to_owned())]),
            ..ContainerSpec::default()
        };
        if let Some(trust) = &images.trust {
            spec.env = trust::Trust::environment()
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let file = [(PathBuf::from(trust::IN_IMAGE), trust.bundle.clone())];
            spec.files = Some(archive(&file, 0o644).map_err(|error| self.failed(&error, "report this as a bug"))?);
        }
        let container = engine.start(&spec).await?;
        let taken = async {
            let exit = engine.wait(&container.id).await?;
            if exit.code != 0 {
                let reason = format!("pip download {wanted} ended with {}:\n{}", exit.code, exit.log.trim());
                return Err(self.failed(
                    &reason,
                    "make the package index reachable from containers (MTU, DNS, CA bundle)",
                ));
            }
            let packed = engine.copy_out(&container.id, "/uv").await?;
            let files = unpack(&packed).map_err(|error| self.failed(&error, "report this as a bug"))?;
            let tar = archive(&files, 0o755).map_err(|error| self.failed(&error, "report this as a bug"))?;
            std::fs::write(out, tar).map_err(|error| self.failed(&error, "free some disk space"))
        }
        .await;
        // The container is labelled, so a failure to remove it now is mended by `bakeoff clean`.
        let _ = engine.remove_container(&container.id).await;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uv_wheel_follows_the_tag_of_the_image() {
        let of = |reference| Recipe::for_role("uv", reference);
        assert_eq!(
            of("ghcr.io/astral-sh/uv:0.9.5"),
            Some(Recipe::Uv {
                version: Some("0.9.5".into())
            })
        );
        assert_eq!(of("ghcr.io/astral-sh/uv:latest"), Some(Recipe::Uv { version: None }));
        assert_eq!(of("localhost:5000/uv"), Some(Recipe::Uv { version: None }));
        assert_eq!(Recipe::for_role("node", "node:22"), None);
    }

    #[test]
    fn engines_are_found_by_their_version_or_the_beginning_of_it() {
        let release = |role: &str| match Recipe::for_role(role, "") {
            Some(Recipe::Packages { release, .. }) => Some(release),
            _ => None,
        };
        assert_eq!(release("engine"), Some("sid"));
        assert_eq!(release("engine:28"), Some("sid"));
        assert_eq!(release("engine:28.5.2"), Some("sid"));
        assert_eq!(release("engine:26"), Some("trixie"));
        assert_eq!(release("engine:20.10"), Some("bookworm"));
        assert_eq!(release("engine:2"), None);
        assert_eq!(release("engine:27"), None);
    }
}
