//! The ways to an engine, each with a real one at its end: TLS with and without a client's certificate, as environment and
//! as docker context, and ssh. All of it stays on this machine's loopback.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bakeoff::engine::http::Address;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::support::{Ended, Place, engine, repository};

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// An authority in `ca/`, with a certificate and a key in `folder` for each of these names.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("signed").pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// A certificate of ours, with its key, as the docker client wants them in a folder.
    fn certify(&self, place: &Place, folder: &str, names: &[&str]) {
        let names: Vec<String> = names.iter().map(|&name| name.into()).collect();
        let params = CertificateParams::new(names).expect("names");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        place
            .write(&format!("{folder}/ca.pem"), &self.pem)
            .write(&format!("{folder}/cert.pem"), &certificate.pem())
            .write(&format!("{folder}/key.pem"), &key.serialize_pem());
    }
}

/// Calls of the program in a row, each under a name and with its own environment.
fn script(cases: &[(&str, &str, &str)]) -> String {
    let mut text = String::from("unset DOCKER_HOST\n");
    for (name, environment, arguments) in cases {
        text.push_str(&format!(
            "echo \"== {name}\"\nenv {environment} \"$BAKEOFF\" {arguments} 2>&1; echo \"code $?\"\n"
        ));
    }
    text
}

/// What the call under a name said.
fn said<'a>(all: &'a str, name: &str) -> &'a str {
    let start = all.split_once(&format!("== {name}\n"));
    let (_, rest) = start.unwrap_or_else(|| panic!("no {name} in\n{all}"));
    rest.split("\n== ").next().unwrap_or(rest)
}

#[test]
fn an_engine_behind_tls_answers_to_who_has_a_certificate() {
    let required = std::env::var_os("BAKEOFF_REQUIRE_DOCKER").is_some();
    if !is_root() || !has("dockerd") || !has("unshare") {
        assert!(!required || !is_root(), "dockerd and unshare are required here");
        eprintln!("skipped: an engine of its own needs root, dockerd and unshare");
        return;
    }
    let place = Place::new();
    let ours = Authority::new();
    ours.certify(&place, "server", &["localhost", "127.0.0.1"]);
    ours.certify(&place, "client", &["client"]);
    place.write("nobody/ca.pem", &ours.pem);
    let theirs = Authority::new();
    theirs.certify(&place, "other", &["client"]);
    ours.certify(&place, "lax", &["client"]);
    place.write("lax/ca.pem", &theirs.pem);
    place.write("torn/ca.pem", &ours.pem);
    place
        .write("torn/cert.pem", "nonsense")
        .write("torn/key.pem", "nonsense");

    let tls = "DOCKER_HOST=tcp://127.0.0.1:2376 DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH";
    let contexts = "DOCKER_CONFIG=config DOCKER_CONTEXT";
    let cases = [
        ("good", &format!("{tls}=client"), "doctor"),
        (
            "good by name",
            &"DOCKER_HOST=localhost:2376 DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=client".into(),
            "doctor",
        ),
        ("raw", &format!("{tls}=client"), "clean --dry-run"),
        ("nobody", &format!("{tls}=nobody"), "doctor"),
        ("other", &format!("{tls}=other"), "doctor"),
        (
            "lax",
            &"DOCKER_HOST=tcp://127.0.0.1:2376 DOCKER_TLS=1 DOCKER_CERT_PATH=lax".into(),
            "doctor",
        ),
        ("torn", &format!("{tls}=torn"), "clean"),
        ("absent", &format!("{tls}=absent"), "clean"),
        ("plain", &"DOCKER_HOST=tcp://127.0.0.1:2376".into(), "clean"),
        ("context", &format!("{contexts}=desk"), "doctor"),
        ("current", &"DOCKER_CONFIG=config".into(), "doctor"),
        ("lax context", &format!("{contexts}=lax"), "doctor"),
        ("no context", &format!("{contexts}=gone"), "clean"),
    ];
    let cases = cases.map(|(name, environment, arguments)| (name, environment.as_str(), arguments));
    // The docker client itself makes the contexts that are to be read.
    let make = "export DOCKER_CONFIG=config\n\
                docker context create desk --docker host=tcp://127.0.0.1:2376,ca=client/ca.pem,cert=client/cert.pem,key=client/key.pem\n\
                docker context create lax --docker host=tcp://127.0.0.1:2376,skip-tls-verify=true,cert=client/cert.pem,key=client/key.pem\n\
                docker context use desk\nunset DOCKER_CONFIG\n";
    let at = |path: &str| place.path(path).display().to_string();
    let (ca, cert, key) = (at("server/ca.pem"), at("server/cert.pem"), at("server/key.pem"));
    let dockerd = format!("--host tcp://127.0.0.1:2376 --tlsverify --tlscacert {ca} --tlscert {cert} --tlskey {key}");
    let output = Command::new(repository().join("scripts/offline"))
        .args(["sh", "-c", &format!("unset DOCKER_HOST\n{make}{}", script(&cases))])
        .current_dir(place.path(""))
        .env("BAKEOFF_OFFLINE_DOCKERD", dockerd)
        .env("BAKEOFF", env!("CARGO_BIN_EXE_bakeoff"))
        .env("NO_COLOR", "1")
        .output()
        .expect("it starts");
    let ended = Ended::from(output);
    let all = format!("{}\n{}", ended.out, ended.err);

    for good in ["good", "good by name", "lax", "context", "current", "lax context"] {
        let said = said(&all, good);
        assert!(
            said.contains("ok    engine") && said.contains("on this machine"),
            "{good}: {said}\n{all}"
        );
    }
    assert!(
        said(&all, "context").contains("the docker context \"desk\", chosen by DOCKER_CONTEXT"),
        "{all}"
    );
    assert!(said(&all, "current").contains("chosen by config/config.json"), "{all}");
    assert!(
        said(&all, "raw").contains("would remove 0 build-cache records\ncode 0"),
        "{all}"
    );
    for (refused, why) in [
        ("nobody", "fatal alert"),
        ("other", "invalid peer certificate"),
        ("torn", "torn/cert.pem"),
        ("absent", "absent/ca.pem"),
        ("plain", "HTTPS server"),
        ("no context", "docker context ls"),
    ] {
        let said = said(&all, refused);
        assert!(said.contains("code 4") && said.contains(why), "{refused}: {said}");
        assert!(
            said.contains("DOCKER_CERT_PATH") || said.contains("DOCKER_HOST"),
            "{refused}: {said}"
        );
    }
}

/// A running sshd.
struct Sshd(Child);

impl Drop for Sshd {
    fn drop(&mut self) {
        // It is ours, and it has no children while nobody is connected.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const SSHD: &str = "/usr/sbin/sshd";

/// Where sshd insists on a folder to lock itself into.
const EMPTY: &str = "/run/sshd";

/// An sshd on a free port of loopback that takes a throw-away key, and an `ssh` in `bin/` that has it: the real one with a
/// configuration of its own, because it looks for the user's by the user's entry, not by HOME.
fn ssh_into(place: &Place) -> (Sshd, u16) {
    let key = |name: &str| {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(place.path(name))
            .status();
        assert!(made.expect("ssh-keygen").success());
    };
    key("host");
    key("user");
    let port = TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("an address")
        .port();
    let at = |path: &str| place.path(path).display().to_string();
    place.write(
        "sshd_config",
        &format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nPermitRootLogin yes\n",
            at("host"),
            at("user.pub")
        ),
    );
    let known = std::fs::read_to_string(place.path("host.pub")).expect("a key");
    place.write("known", &format!("[127.0.0.1]:{port} {known}"));
    place.write(
        "ssh_config",
        &format!(
            "IdentityFile {}\nIdentitiesOnly yes\nUserKnownHostsFile {}\nGlobalKnownHostsFile none\n",
            at("user"),
            at("known")
        ),
    );
    place.write(
        "bin/ssh",
        &format!("#!/bin/sh\nexec /usr/bin/ssh -F {} \"$@\"\n", at("ssh_config")),
    );
    executable(&place.path("bin/ssh"));
    let sshd = Command::new(SSHD)
        .args(["-D", "-e", "-f", &at("sshd_config")])
        .stderr(Stdio::null())
        .spawn()
        .expect("sshd starts");
    let sshd = Sshd(sshd);
    let began = std::time::Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(began.elapsed().as_secs() < 10, "sshd does not listen");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    (sshd, port)
}

fn executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("permissions");
}

#[test]
fn an_engine_behind_ssh_answers_or_ssh_says_why_not() {
    let Some((engine, _turn)) = engine() else { return };
    let Address::Unix(socket) = engine.address() else {
        return;
    };
    if !is_root() || !Path::new(SSHD).exists() || !has("docker") {
        eprintln!("skipped: it needs root, sshd and a docker client");
        return;
    }
    let made = std::fs::create_dir(EMPTY).is_ok();
    let place = Place::new();
    let (sshd, port) = ssh_into(&place);
    let path = format!(
        "{}:{}",
        place.path("bin").display(),
        std::env::var("PATH").expect("a path")
    );
    let doctor = |address: &str| {
        let mut command = place.command(&["doctor"]);
        Ended::from(
            command
                .env("PATH", &path)
                .env("DOCKER_HOST", address)
                .output()
                .expect("it starts"),
        )
    };
    let good = doctor(&format!("ssh://root@127.0.0.1:{port}{}", socket.display()));
    let stranger = doctor(&format!("ssh://no-such-user@127.0.0.1:{port}"));
    let no_socket = doctor(&format!("ssh://root@127.0.0.1:{port}/no/such/socket"));
    drop(sshd);
    let gone = doctor(&format!("ssh://root@127.0.0.1:{port}"));
    if made {
        // What others may have put there keeps it.
        let _ = std::fs::remove_dir(EMPTY);
    }

    assert!(
        good.out.contains("ok    engine        Docker Engine"),
        "{}\n{}",
        good.out,
        good.err
    );
    assert!(good.out.contains("on another machine"), "{}", good.out);
    for (ended, why) in [
        (stranger, "Permission denied"),
        (no_socket, "/no/such/socket"),
        (gone, "Connection refused"),
    ] {
        assert_eq!(ended.code, 4, "{}", ended.err);
        assert!(
            ended.out.contains(why) && ended.out.contains("docker version"),
            "{why}: {}",
            ended.out
        );
    }
}
