//! Lock files: made by the fixture's tool in the run's own Python image for every state that the journey enters, and kept
//! in the user's cache, since they hold the addresses of the index that they were made against.

use std::path::{Path, PathBuf};

use super::{RunError, Session};
use crate::engine::archive::{archive, unpack};
use crate::engine::{ContainerSpec, Engine};
use crate::fixture::Workspace;
use crate::images::trust::{self, Trust};
use crate::mirror;
use crate::suite::{LockSpec, PhaseKind, PhaseSpec};
use crate::units::Link;

impl<E: Engine> Session<'_, E> {
    /// Makes the lock file for every state of the context that the journey enters, or takes it from the cache.
    pub(super) async fn make_locks(&mut self) -> Result<(), RunError> {
        let Some(lock) = &self.suite.fixture.lock else {
            return Ok(());
        };
        let workspace = self.workspace()?;
        let mut tool: Option<Vec<(PathBuf, Vec<u8>)>> = None;
        for spec in self.suite.journey.iter().filter(|spec| spec.kind == PhaseKind::Build) {
            let edits = self.edits(spec);
            let states = if edits.is_empty() { 1 } else { self.settings.repeats };
            for times in 0..states {
                workspace.edit(&edits, times)?;
                let key = workspace.lock_key()?;
                if self.locks.contains_key(&key) {
                    continue;
                }
                let content = if let Some(content) = self.kept_lock(&key)? {
                    content
                } else {
                    self.note(format!("making {} ({})", lock.file.display(), state_name(spec, times)));
                    if tool.is_none() {
                        tool = Some(self.uv_binaries().await?);
                    }
                    let made = self
                        .make_lock(lock, &workspace, tool.as_deref().unwrap_or_default())
                        .await?;
                    self.keep_lock(&key, &made)?;
                    made
                };
                self.locks.insert(key, content);
            }
        }
        Ok(())
    }

    /// The lock file that was made for this state of the context: in the recording, since it leads to the mirror, else in
    /// the user's cache.
    fn kept_lock(&self, key: &str) -> Result<Option<Vec<u8>>, RunError> {
        let Some(mirror) = &self.mirror else {
            return Ok(std::fs::read(self.lock_path(key)).ok());
        };
        let kept = mirror.recording().lock_file(&self.recorded_lock_key(key))?;
        // It is kept with the port that the mirror has as a rule.
        Ok(kept.map(|content| replaced(&content, &usual_origin(), &mirror.origin())))
    }

    fn keep_lock(&self, key: &str, content: &[u8]) -> Result<(), RunError> {
        if let Some(mirror) = &self.mirror {
            if mirror.mode() == mirror::Mode::Replay {
                // A replay leaves its recording as it is.
                return Ok(());
            }
            let content = replaced(content, &mirror.origin(), &usual_origin());
            return Ok(mirror
                .recording()
                .keep_lock_file(&self.recorded_lock_key(key), &content)?);
        }
        let path = self.lock_path(key);
        keep(&path, content).map_err(|error| RunError::Lock {
            file: self
                .suite
                .fixture
                .lock
                .as_ref()
                .map(|lock| lock.file.clone())
                .unwrap_or_default(),
            reason: format!("{}: {error}", path.display()),
        })
    }

    /// Keeps all lock files in a recording that has begun anew.
    pub(super) fn keep_locks_again(&self) -> Result<(), RunError> {
        self.locks
            .iter()
            .try_for_each(|(key, content)| self.keep_lock(key, content))
    }

    fn lock_path(&self, key: &str) -> PathBuf {
        self.settings
            .cache
            .join("locks")
            .join(format!("{key}-{}", self.tool_key()))
    }

    /// A recording may come from another machine, where the images of the same tools have other ids.
    fn recorded_lock_key(&self, key: &str) -> String {
        let minor = self.placeholders.get("PYTHON_MINOR").cloned().unwrap_or_default();
        format!("{key}-python{minor}-{}", self.role("uv"))
    }

    /// A lock file depends on the tool that made it and on the Python that it was made for.
    fn tool_key(&self) -> String {
        let id = |role: &str| {
            let image = self.roles.get(role).and_then(|used| self.bases.get(used));
            let id = image
                .map(|image| image.id.trim_start_matches("sha256:"))
                .unwrap_or_default();
            id.get(..12).unwrap_or(id).to_owned()
        };
        format!("{}-{}", id("python"), id("uv"))
    }

    fn role(&self, role: &str) -> String {
        self.roles.get(role).cloned().unwrap_or_default()
    }

    async fn uv_binaries(&self) -> Result<Vec<(PathBuf, Vec<u8>)>, RunError> {
        let spec = ContainerSpec {
            name: format!("bakeoff-{}-uv", self.process()),
            image: self.role("uv"),
            command: Some(["/uv", "--version"].map(str::to_owned).to_vec()),
            labels: self.labels(),
            ..ContainerSpec::default()
        };
        let container = self.engine.start(&spec).await?;
        let packed = self.engine.copy_out(&container.id, "/uv").await;
        self.engine.remove_container(&container.id).await?;
        let files = unpack(&packed?).map_err(|error| RunError::Lock {
            file: "uv".into(),
            reason: error.to_string(),
        })?;
        Ok(files
            .into_iter()
            .map(|(name, content)| (PathBuf::from("usr/local/bin").join(name), content))
            .collect())
    }

    async fn make_lock(
        &self,
        lock: &LockSpec,
        workspace: &Workspace,
        tool: &[(PathBuf, Vec<u8>)],
    ) -> Result<Vec<u8>, RunError> {
        let fail = |reason: String| RunError::Lock {
            file: lock.file.clone(),
            reason,
        };
        let folder = PathBuf::from("bakeoff-lock");
        let mut files = tool.to_vec();
        files.extend(
            workspace
                .lock_inputs()?
                .into_iter()
                .map(|(name, content)| (folder.join(name), content)),
        );
        let mut env = vec!["UV_PYTHON_DOWNLOADS=never".to_owned()];
        if let Some(mirror) = &self.mirror {
            // The proxy too: what goes past the index must not go past the mirror.
            let led = mirror.environment().into_iter().chain(mirror.proxy_arguments());
            env.extend(led.map(|(name, value)| format!("{name}={value}")));
            mirror.begin(Link::default());
        }
        if let Some(trust) = self
            .trust
            .as_ref()
            .filter(|_| self.bases.values().any(|base| base.host_ca))
        {
            files.push((trust::IN_IMAGE.into(), trust.bundle.clone()));
            env.extend(Trust::environment().map(|(name, value)| format!("{name}={value}")));
        }
        let spec = ContainerSpec {
            name: format!("bakeoff-{}-lock", self.process()),
            image: self.role("python"),
            command: Some(lock.command.clone()),
            env,
            labels: self.labels(),
            extra_hosts: self.extra_hosts(),
            workdir: Some(format!("/{}", folder.display())),
            files: Some(archive(&files, 0o755).map_err(|error| fail(error.to_string()))?),
            ..ContainerSpec::default()
        };
        let container = self.engine.start(&spec).await?;
        let made = async {
            let exit = self.ended(&container.id).await?;
            if exit.code != 0 {
                let command = lock.command.join(" ");
                return Err(fail(format!(
                    "`{command}` ended with {}:\n{}",
                    exit.code,
                    exit.log.trim()
                )));
            }
            let path = format!("/{}", folder.join(&lock.file).display());
            let packed = self.engine.copy_out(&container.id, &path).await?;
            let files = unpack(&packed).map_err(|error| fail(error.to_string()))?;
            files
                .into_iter()
                .next()
                .map(|(_, content)| content)
                .ok_or_else(|| fail("it was not written".into()))
        }
        .await;
        self.engine.remove_container(&container.id).await?;
        self.account_aside(lock).await?;
        made
    }
}

fn state_name(spec: &PhaseSpec, times: usize) -> String {
    match (spec.edits.as_slice(), times) {
        ([], _) => "as it is".to_owned(),
        (edits, 0) => format!("after {}", edits.join(", ")),
        (edits, times) => format!("after {}, {}", edits.join(", "), times + 1),
    }
}

/// The mirror's address as a rule: what is kept has this one.
fn usual_origin() -> String {
    format!("http://{}:{}", mirror::HOST, mirror::PORT)
}

fn replaced(content: &[u8], from: &str, to: &str) -> Vec<u8> {
    match std::str::from_utf8(content) {
        Ok(text) => text.replace(from, to).into_bytes(),
        Err(_) => content.to_vec(),
    }
}

fn keep(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut file, content)?;
    file.persist(path)?;
    Ok(())
}
