//! A connection through ssh, made as the docker client makes it: `ssh … docker system dial-stdio` on the engine's
//! machine, whose standard input and output are the connection. ssh itself, with its configuration, its agent and its
//! known hosts, is the user's; nothing of it is done over here.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;
use url::Url;

/// How much of what ssh says is kept.
const SAID_LIMIT: usize = 4096;

/// How long ssh may take to end after it has closed its output, and its words to arrive after that.
const END_LIMIT: Duration = Duration::from_secs(10);

/// An engine that ssh leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ssh {
    /// The user there; `None` for what ssh makes of it.
    pub user: Option<String>,
    /// The host, as ssh knows it.
    pub host: String,
    /// The port; `None` for what ssh makes of it.
    pub port: Option<u16>,
    /// The engine's socket there; `None` for what the docker client there makes of it.
    pub socket: Option<String>,
}

impl std::fmt::Display for Ssh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ssh://")?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(self.socket.as_deref().unwrap_or_default())
    }
}

impl Ssh {
    /// Reads `ssh://[USER@]HOST[:PORT][/SOCKET]`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(address: &str) -> Result<Self, String> {
        let url = Url::parse(address).map_err(|error| error.to_string())?;
        let decoded = |text: &str| {
            percent_encoding::percent_decode_str(text)
                .decode_utf8_lossy()
                .into_owned()
        };
        if url.password().is_some() {
            return Err("a password can't be given in it".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("nothing may follow the path".to_owned());
        }
        let host = url.host_str().unwrap_or_default();
        if host.is_empty() {
            return Err("it names no host".to_owned());
        }
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let socket = decoded(url.path());
        Ok(Self {
            user: Some(decoded(url.username())).filter(|user| !user.is_empty()),
            host: decoded(host),
            port: url.port(),
            socket: Some(socket).filter(|path| !path.trim_matches('/').is_empty()),
        })
    }

    /// What follows `ssh` on its command line.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = Vec::new();
        if let Some(user) = &self.user {
            arguments.extend(["-l".to_owned(), user.clone()]);
        }
        if let Some(port) = self.port {
            arguments.extend(["-p".to_owned(), port.to_string()]);
        }
        // Every request has a connection of its own, and none of them a terminal: nobody can be asked for a password.
        let options = ["-o", "ConnectTimeout=30", "-o", "BatchMode=yes", "-T", "--"];
        arguments.extend(options.map(str::to_owned));
        arguments.push(self.host.clone());
        arguments.push("docker".to_owned());
        if let Some(socket) = &self.socket {
            arguments.push(quoted(&format!("--host=unix://{socket}")));
        }
        arguments.extend(["system", "dial-stdio"].map(str::to_owned));
        arguments
    }

    /// Starts ssh. Whether it gets through shows with the first answer.
    pub(super) fn connect(&self) -> io::Result<SshConnection> {
        let mut child = Command::new("ssh")
            .args(self.arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // An interruption is for us: what the clean-up still has to say must get through.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let missing = || io::Error::other("ssh has no standard streams");
        let stdin = child.stdin.take().ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let mut stderr = child.stderr.take().ok_or_else(missing)?;
        let said = Arc::new(Mutex::new(String::new()));
        let keep = Arc::clone(&said);
        let listening = tokio::spawn(async move {
            let mut buffer = [0; 1024];
            while let Ok(length @ 1..) = stderr.read(&mut buffer).await {
                let mut said = keep.lock().unwrap_or_else(PoisonError::into_inner);
                if said.len() < SAID_LIMIT {
                    said.push_str(&String::from_utf8_lossy(&buffer[..length]));
                }
            }
        });
        let running = Running { child, said, listening };
        Ok(SshConnection {
            stdin,
            stdout,
            state: State::Running(running),
        })
    }
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._/:=@%+,".contains(c);
    if word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

struct Running {
    child: Child,
    said: Arc<Mutex<String>>,
    listening: JoinHandle<()>,
}

impl Running {
    /// Why ssh has closed its streams; `None` if it ended as it should.
    async fn ended(mut self) -> Option<String> {
        let ended = tokio::time::timeout(END_LIMIT, self.child.wait()).await;
        // A master connection that stays in the background keeps the stream open; what ssh has said is there by now.
        let _ = tokio::time::timeout(Duration::from_millis(200), &mut self.listening).await;
        self.listening.abort();
        let how = match ended {
            Ok(Ok(status)) if status.success() => return None,
            Ok(Ok(status)) => format!("ssh ended with {status}"),
            Ok(Err(error)) => format!("ssh: {error}"),
            Err(_) => "ssh closed the connection".to_owned(),
        };
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<_> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if lines.is_empty() {
            Some(how)
        } else {
            Some(format!("{how}: {}", lines.join("; ")))
        }
    }
}

enum State {
    Running(Running),
    Ending(Pin<Box<dyn Future<Output = Option<String>> + Send>>),
    Ended(Option<String>),
}

/// The standard streams of a running ssh, which ends when this is dropped.
pub(super) struct SshConnection {
    stdin: ChildStdin,
    stdout: ChildStdout,
    state: State,
}

impl SshConnection {
    /// After a stream has ended: why.
    fn poll_ended(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if matches!(self.state, State::Running(_))
            && let State::Running(running) = std::mem::replace(&mut self.state, State::Ended(None))
        {
            self.state = State::Ending(Box::pin(running.ended()));
        }
        if let State::Ending(ending) = &mut self.state {
            let reason = ready!(ending.as_mut().poll(context));
            self.state = State::Ended(reason);
        }
        Poll::Ready(match &self.state {
            State::Ended(Some(reason)) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, reason.clone())),
            _ => Ok(()),
        })
    }

    /// A stream that ssh has closed is an error with ssh's words.
    fn poll_reason<T>(&mut self, context: &mut Context<'_>, error: io::Error) -> Poll<io::Result<T>> {
        if error.kind() != io::ErrorKind::BrokenPipe {
            return Poll::Ready(Err(error));
        }
        let ended = ready!(self.poll_ended(context));
        Poll::Ready(Err(ended.err().unwrap_or(error)))
    }
}

impl AsyncRead for SshConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stdout).poll_read(context, buffer))?;
        if buffer.filled().len() == before && buffer.remaining() > 0 {
            return self.poll_ended(context);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for SshConnection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match ready!(Pin::new(&mut self.stdin).poll_write(context, data)) {
            Ok(length) => Poll::Ready(Ok(length)),
            Err(error) => self.poll_reason(context, error),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.stdin).poll_flush(context)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(error) => self.poll_reason(context, error),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdin).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_the_docker_client_reads_them() {
        let arguments = |address: &str| Ssh::parse(address).map(|ssh| ssh.arguments().join(" "));
        let options = "-o ConnectTimeout=30 -o BatchMode=yes -T --";
        let dial = "docker system dial-stdio";
        let table = [
            ("ssh://box", format!("{options} box {dial}")),
            ("ssh://box/", format!("{options} box {dial}")),
            ("ssh://me@box:2222", format!("-l me -p 2222 {options} box {dial}")),
            ("ssh://me@[::1]:22", format!("-l me -p 22 {options} ::1 {dial}")),
            (
                "ssh://box/run/user/1000/docker.sock",
                format!("{options} box docker --host=unix:///run/user/1000/docker.sock system dial-stdio"),
            ),
            (
                "ssh://box/odd%20place/it's",
                format!("{options} box docker '--host=unix:///odd place/it'\\''s' system dial-stdio"),
            ),
        ];
        for (address, expected) in table {
            assert_eq!(arguments(address).as_deref(), Ok(expected.as_str()), "{address}");
        }
        for wrong in ["ssh://me:secret@box", "ssh://", "ssh://box?a=b", "ssh://box#c"] {
            assert!(arguments(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_address_is_shown_as_it_was_given() {
        for address in ["ssh://box", "ssh://me@box:2222/run/docker.sock", "ssh://[::1]:22"] {
            assert_eq!(Ssh::parse(address).expect("valid").to_string(), address);
        }
    }
}
