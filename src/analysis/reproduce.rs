//! The flags about the network that repeat a run. A journal does not hold the command line, so they are what the suite's
//! text does not explain; whether to record or to replay the next run decides by itself.

use toml::{Table, Value};

use super::quoted;
use crate::runner::event::RunHeader;
use crate::units::Link;

/// The flags, ready for a shell.
pub(super) fn network_flags(header: &RunHeader) -> Vec<String> {
    // A suite that this version can't read explains nothing, and needs another version to run.
    let Ok(suite) = header.suite_text.parse::<Table>() else {
        return Vec::new();
    };
    let said = |key: &str| suite.get("network")?.get(key)?.as_str();
    let mut flags = Vec::new();
    let mode = header.network.mode.as_str();
    // A suite that leaves it open decides by itself, but never for upstream.
    let decided = said("mode").filter(|mode| *mode != "auto");
    if decided.is_some_and(|decided| decided != mode) || (decided.is_none() && mode == "upstream") {
        flags.push(format!("--network {mode}"));
    }
    let link = |text: &str| text.parse::<Link>().unwrap_or_default();
    let mut links = header.scenarios.iter().map(|scenario| link(&scenario.link));
    let first = links.next().unwrap_or_default();
    let was_factor = header
        .scenarios
        .iter()
        .any(|scenario| scenario.factors.iter().any(|(factor, _)| factor == "link"));
    let explained = !has_link_factor(&suite) && link(said("link").unwrap_or_default()) == first;
    if !was_factor && !explained && links.all(|other| other == first) {
        flags.push(format!("--link {first}"));
    }
    if let Some(recording) = &header.network.recording {
        let by_default = [header.suite.as_str(), &header.variant].join("-");
        let expected = said("recording").unwrap_or_else(|| by_default.trim_end_matches('-'));
        if recording.name != expected {
            flags.push(format!("--recording {}", quoted(&recording.name)));
        }
    }
    flags
}

/// Whether links are a factor of the suite, or of a scenario.
fn has_link_factor(suite: &Table) -> bool {
    let of = |table: Option<&Value>| table.and_then(|table| table.get("factors")?.get("link")).is_some();
    let scenarios = suite.get("scenario").and_then(Value::as_array);
    suite.get("factors").and_then(|factors| factors.get("link")).is_some()
        || scenarios.into_iter().flatten().any(|scenario| of(Some(scenario)))
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::runner::event::{NetworkHead, RecordingHead};
    use crate::units::Bytes;

    fn flags(text: &str, mode: &str, link: &str, recording: Option<&str>) -> String {
        let mut header = sample::full().header;
        header.suite_text = text.to_owned();
        for scenario in &mut header.scenarios {
            link.clone_into(&mut scenario.link);
        }
        header.network = NetworkHead {
            mode: mode.to_owned(),
            recording: recording.map(|name| RecordingHead {
                name: name.to_owned(),
                digest: String::new(),
                entries: 1,
                size: Bytes(1),
            }),
            synthetic: None,
        };
        network_flags(&header).join(" ")
    }

    #[test]
    fn what_the_suite_says_or_the_run_decides_needs_no_flag() {
        let suite = "[network]\nlink = \"0.1gbit,20ms\"\nrecording = \"light\"\n";
        assert_eq!(flags(suite, "replay", "100mbit,20ms", Some("light")), "");
        assert_eq!(flags("", "record", "unshaped", Some("published-light")), "");
        assert_eq!(flags("[network]\nmode = \"upstream\"\n", "upstream", "", None), "");
    }

    #[test]
    fn what_only_the_command_line_can_have_said_is_said_again() {
        assert_eq!(
            flags("", "replay", "100mbit,20ms", Some("other")),
            "--link 100mbit,20ms --recording other"
        );
        let shaped = "[network]\nlink = \"80ms\"\n";
        assert_eq!(
            flags(shaped, "upstream", "", None),
            "--network upstream --link unshaped"
        );
        let factor = "[factors]\nlink = [\"80ms\", \"1ms\"]\n";
        assert_eq!(flags(factor, "replay", "80ms", Some("published-light")), "--link 80ms");
        let of_scenario = "[[scenario]]\nname = \"a\"\n[scenario.factors]\nlink = [\"80ms\"]\n";
        assert_eq!(
            flags(of_scenario, "replay", "80ms", Some("published-light")),
            "--link 80ms"
        );
    }
}
