//! The finding, against what the docker client does.

use std::collections::BTreeMap;

use tempfile::TempDir;

use super::*;

struct Home {
    folder: TempDir,
    variables: BTreeMap<&'static str, String>,
}

impl Home {
    fn new(variables: &[(&'static str, &str)]) -> Self {
        Self {
            folder: TempDir::new().expect("a folder"),
            variables: variables
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect(),
        }
    }

    fn write(self, path: &str, text: &str) -> Self {
        let path = self.folder.path().join(".docker").join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
        self
    }

    fn context(self, name: &str, meta: &str) -> Self {
        let digest: String = sha2::Digest::finalize(<sha2::Sha256 as sha2::Digest>::new_with_prefix(name))
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        self.write(&format!("contexts/meta/{digest}/meta.json"), meta)
    }

    fn find(&self) -> Result<EngineEndpoint, EndpointError> {
        EngineEndpoint::find(&Surroundings {
            variable: &|name| self.variables.get(name).cloned(),
            home: Some(self.folder.path().to_owned()),
        })
    }

    /// Where the engine is, and who says so; or what is wrong and what to do about it.
    fn found(&self) -> String {
        let text = match self.find() {
            Ok(endpoint) => endpoint.to_string(),
            Err(error) => format!("{error}\n{}", error.hint()),
        };
        text.replace(self.folder.path().to_str().expect("UTF-8"), "~")
    }
}

const DESK: &str =
    r#"{"Name":"desk","Metadata":{},"Endpoints":{"docker":{"Host":"tcp://desk:1234","SkipTLSVerify":false}}}"#;
const CURRENT: &str = r#"{"auths":{},"currentContext":"desk"}"#;

#[test]
fn every_form_of_an_address_is_read_as_the_docker_client_reads_it() {
    let table = [
        ("unix:///run/docker.sock", "unix:///run/docker.sock"),
        ("unix://", "unix:///var/run/docker.sock"),
        ("/run/docker.sock", "unix:///run/docker.sock"),
        ("tcp://box:1234", "tcp://box:1234"),
        ("tcp://box:80/", "tcp://box:80"),
        ("tcp://box", "tcp://box:2375"),
        ("tcp://", "tcp://localhost:2375"),
        ("tcp://:99", "tcp://localhost:99"),
        ("tcp://[::1]:99", "tcp://[::1]:99"),
        ("box:1234", "tcp://box:1234"),
        ("http://box:1234", "tcp://box:1234"),
        ("ssh://me@box:22/run/docker.sock", "ssh://me@box:22/run/docker.sock"),
    ];
    for (given, expected) in table {
        let found = Home::new(&[("DOCKER_HOST", given)]).found();
        assert_eq!(found, format!("{expected} (DOCKER_HOST)"), "{given}");
    }
    for wrong in [
        "npipe:////./pipe/docker",
        "https://box",
        "tcp://box:1/api",
        "tcp://box:port",
        "ssh://a:b@c",
    ] {
        let found = Home::new(&[("DOCKER_HOST", wrong)]).found();
        assert!(
            found.contains("DOCKER_HOST") && found.contains("unix:///PATH"),
            "{wrong}: {found}"
        );
    }
}

#[test]
fn a_password_in_an_address_is_never_shown() {
    let table = [
        ("ssh://me:secret@box", "\"ssh://me@box\""),
        (
            "ssh://me:se@c/ret@box:22/run/docker.sock",
            "\"ssh://me@box:22/run/docker.sock\"",
        ),
        ("https://me:secret@box", "\"https://me@box\""),
        ("tcp://me:secret@box:port", "\"tcp://me@box:port\""),
        ("me:secret@box:port", "\"me@box:port\""),
        ("me:secret@ssh://box", "\"me@ssh://box\""),
        ("npipe:////./pipe/a:b@c", "\"npipe:////./pipe/a:b@c\""),
        ("tcp://box:22/a@b", "\"tcp://box:22/a@b\""),
    ];
    for (given, shown) in table {
        let home = Home::new(&[("DOCKER_HOST", given)]);
        let (found, debug) = (home.found(), format!("{:?}", home.find()));
        assert!(found.contains(shown), "{given}: {found}");
        for text in [found, debug] {
            assert!(!text.contains("secret") && !text.contains("ret@"), "{given}: {text}");
        }
    }
    // The docker client takes no notice of it here.
    let found = Home::new(&[("DOCKER_HOST", "tcp://me:secret@box:1")]).found();
    assert_eq!(found, "tcp://box:1 (DOCKER_HOST)");
    let meta = DESK.replace("tcp://desk", "ssh://me:secret@desk");
    let found = Home::new(&[("DOCKER_CONTEXT", "desk")]).context("desk", &meta).found();
    assert!(
        found.contains("\"ssh://me@desk:1234\"") && !found.contains("secret"),
        "{found}"
    );
}

#[test]
fn the_variable_goes_before_the_context_and_that_before_the_configuration() {
    let home = |variables: &[(&'static str, &str)]| {
        let other = DESK.replace("desk", "other");
        Home::new(variables)
            .write("config.json", CURRENT)
            .context("desk", DESK)
            .context("other", &other)
    };
    let table: [(&[(&str, &str)], &str); 6] = [
        (
            &[],
            "tcp://desk:1234 (the docker context \"desk\", chosen by ~/.docker/config.json)",
        ),
        (
            &[("DOCKER_CONTEXT", "other")],
            "tcp://other:1234 (the docker context \"other\", chosen by DOCKER_CONTEXT)",
        ),
        (
            &[("DOCKER_CONTEXT", "default")],
            "unix:///var/run/docker.sock (the default)",
        ),
        (
            &[("DOCKER_CONTEXT", "other"), ("DOCKER_HOST", "tcp://box")],
            "tcp://box:2375 (DOCKER_HOST)",
        ),
        (
            &[("DOCKER_CONTEXT", ""), ("DOCKER_HOST", "")],
            "tcp://desk:1234 (the docker context \"desk\", chosen by ~/.docker/config.json)",
        ),
        (
            &[("DOCKER_CONFIG", "/nowhere")],
            "unix:///var/run/docker.sock (the default)",
        ),
    ];
    for (variables, expected) in table {
        assert_eq!(home(variables).found(), expected, "{variables:?}");
    }
}

#[test]
fn without_any_word_it_is_the_default_socket() {
    assert_eq!(Home::new(&[]).found(), "unix:///var/run/docker.sock (the default)");
    let empty = Home::new(&[]).write("config.json", "");
    assert_eq!(empty.found(), "unix:///var/run/docker.sock (the default)");
}

#[test]
fn a_context_that_is_not_there_is_named_with_its_chooser() {
    let found = Home::new(&[("DOCKER_CONTEXT", "gone")]).found();
    assert!(
        found.contains("no docker context \"gone\", which DOCKER_CONTEXT chooses"),
        "{found}"
    );
    assert!(found.contains("unset DOCKER_CONTEXT"), "{found}");
    let found = Home::new(&[]).write("config.json", CURRENT).found();
    assert!(found.contains("which ~/.docker/config.json chooses"), "{found}");
    assert!(found.contains("docker context use"), "{found}");
}

#[test]
fn without_a_home_a_context_is_not_passed_over() {
    let found = EngineEndpoint::find(&Surroundings {
        variable: &|name| (name == "DOCKER_CONTEXT").then(|| "desk".to_owned()),
        home: None,
    });
    assert!(matches!(found, Err(EndpointError::NoContext { .. })), "{found:?}");
}

#[test]
fn files_that_make_no_sense_are_named() {
    let broken = Home::new(&[]).write("config.json", "{");
    assert!(
        broken.found().starts_with("~/.docker/config.json"),
        "{}",
        broken.found()
    );
    let broken = Home::new(&[("DOCKER_CONTEXT", "desk")]).context("desk", "[]");
    assert!(broken.found().contains("meta.json"), "{}", broken.found());
    let empty = Home::new(&[("DOCKER_CONTEXT", "desk")]).context("desk", r#"{"Endpoints":{}}"#);
    assert!(empty.found().contains("has no docker endpoint"), "{}", empty.found());
}

#[test]
fn tls_is_spoken_only_over_tcp_and_only_if_asked_for() {
    let tls = |variables: &[(&'static str, &str)]| Home::new(variables).found();
    let verify = ("DOCKER_TLS_VERIFY", "1");
    let found = tls(&[("DOCKER_HOST", "tcp://box:1"), verify]);
    assert!(
        found.starts_with("~/.docker/ca.pem") && found.contains("DOCKER_CERT_PATH"),
        "{found}"
    );
    let found = tls(&[("DOCKER_HOST", "tcp://box:1"), verify, ("DOCKER_CERT_PATH", "/certs")]);
    assert!(found.starts_with("/certs/ca.pem"), "{found}");
    // Told to speak TLS, but not with whom, the docker client takes the port for it.
    assert!(tls(&[verify]).starts_with("~/.docker/ca.pem"));
    for other in ["unix:///run/docker.sock", "ssh://box"] {
        assert_eq!(tls(&[("DOCKER_HOST", other), verify]), format!("{other} (DOCKER_HOST)"));
    }
    let empty = [("DOCKER_HOST", "tcp://box:1"), ("DOCKER_TLS_VERIFY", "")];
    assert_eq!(tls(&empty), "tcp://box:1 (DOCKER_HOST)");
}

#[test]
fn a_context_may_speak_tls_without_checking() {
    let lax = DESK.replace("false", "true");
    let home = Home::new(&[("DOCKER_CONTEXT", "desk")]).context("desk", &lax);
    assert!(matches!(home.find().expect("valid").address, Address::Tls(to, _) if to == "desk:1234"));
    // What the environment says of TLS is for DOCKER_HOST alone.
    let home = Home::new(&[("DOCKER_CONTEXT", "desk"), ("DOCKER_TLS_VERIFY", "1")]).context("desk", DESK);
    assert_eq!(home.find().expect("valid").address, Address::Tcp("desk:1234".into()));
}

#[test]
fn an_engine_is_local_if_its_address_is_of_this_machine() {
    let local = |host: &str| Home::new(&[("DOCKER_HOST", host)]).find().expect("valid").is_local();
    for here in [
        "unix:///run/docker.sock",
        "tcp://localhost:1",
        "tcp://127.0.0.1:1",
        "tcp://[::1]:1",
    ] {
        assert!(local(here), "{here}");
    }
    // A network that is reserved for documentation; and ssh may lead anywhere.
    for elsewhere in ["tcp://192.0.2.1:1", "ssh://localhost"] {
        assert!(!local(elsewhere), "{elsewhere}");
    }
}
