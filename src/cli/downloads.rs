//! What a run says about how its builds download: once when it begins, and once after recording.

use std::path::Path;

use crate::mirror::recording::Recording;
use crate::runner;
use crate::runner::event::{NetworkHead, RunHeader};
use crate::units::Link;

/// How builds download: `network: replaying published-light (115 downloads, 239.0 MB) over 100mbit,20ms`.
pub(super) fn beginning(header: &RunHeader) -> String {
    let network = &header.network;
    let Some(recording) = &network.recording else {
        return format!("network: {}, downloads are not controlled", network.mode);
    };
    let mut links: Vec<&str> = Vec::new();
    for scenario in &header.scenarios {
        if !links.contains(&scenario.link.as_str()) {
            links.push(&scenario.link);
        }
    }
    let is_shaped = |link: &&str| link.parse().is_ok_and(|link: Link| link.is_shaped());
    let over = if links.iter().any(is_shaped) {
        format!(" over {}", links.join(" and "))
    } else {
        String::new()
    };
    let beside = network.synthetic.as_ref();
    let beside = beside.map_or_else(String::new, |synthetic| format!(", with {synthetic}"));
    let (name, count) = (&recording.name, recording.entries);
    if network.mode == "record" {
        format!("network: recording into {name} ({count} downloads so far){over}{beside}; the next run replays it")
    } else {
        format!(
            "network: replaying {name} ({count} downloads, {}){over}{beside}",
            recording.size
        )
    }
}

/// What the recording holds after a run that added to it.
pub(super) fn afterwards(network: Option<&NetworkHead>, cache: &Path) -> Option<String> {
    let network = network.filter(|network| network.mode == "record")?;
    let name = &network.recording.as_ref()?.name;
    // One that can't be read is the next run's error, not this one's.
    let stats = Recording::open(&runner::recordings(cache).join(name)).ok()?.stats();
    Some(format!(
        "network: {name} holds {} downloads now, {}; see `bakeoff mirror stats {name}`",
        stats.entries, stats.size
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::sample;
    use crate::runner::event::RecordingHead;
    use crate::units::Bytes;

    fn said(mode: &str, links: &[&str], synthetic: Option<&str>) -> String {
        let mut header = sample::full().header;
        for (place, scenario) in header.scenarios.iter_mut().enumerate() {
            scenario.link = links
                .get(place % links.len().max(1))
                .copied()
                .unwrap_or_default()
                .to_owned();
        }
        header.network = NetworkHead {
            mode: mode.to_owned(),
            recording: (mode != "upstream").then(|| RecordingHead {
                name: "published-light".to_owned(),
                digest: String::new(),
                entries: 115,
                size: Bytes(239_000_000),
            }),
            synthetic: synthetic.map(str::to_owned),
        };
        beginning(&header)
    }

    #[test]
    fn each_mode_is_said_in_one_line() {
        assert_eq!(
            said("upstream", &[], None),
            "network: upstream, downloads are not controlled"
        );
        assert_eq!(
            said("record", &["unshaped"], None),
            "network: recording into published-light (115 downloads so far); the next run replays it"
        );
        assert_eq!(
            said("replay", &["100mbit,20ms"], None),
            "network: replaying published-light (115 downloads, 239.0 MB) over 100mbit,20ms"
        );
        assert_eq!(
            said("replay", &["1gbit", "80ms"], Some("2 packages")),
            "network: replaying published-light (115 downloads, 239.0 MB) over 1gbit and 80ms, with 2 packages"
        );
    }

    #[test]
    fn only_a_recording_run_says_what_there_is_afterwards() {
        let cache = tempfile::tempdir().expect("a folder");
        Recording::create(&runner::recordings(cache.path()).join("light")).expect("made");
        let head = |mode: &str, name: &str| NetworkHead {
            mode: mode.to_owned(),
            recording: Some(RecordingHead {
                name: name.to_owned(),
                digest: String::new(),
                entries: 0,
                size: Bytes(0),
            }),
            synthetic: None,
        };
        let said = |mode: &str, name: &str| afterwards(Some(&head(mode, name)), cache.path());
        assert_eq!(
            said("record", "light").as_deref(),
            Some("network: light holds 0 downloads now, 0 B; see `bakeoff mirror stats light`")
        );
        assert_eq!(
            (
                said("replay", "light"),
                said("record", "absent"),
                afterwards(None, cache.path())
            ),
            (None, None, None)
        );
    }
}
