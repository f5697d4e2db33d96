//! How quiet a machine is: a probe of half a minute and its verdict. The limits are in docs/statistics.md. Not for: what a run
//! itself was disturbed by (its phases tell that).

mod probe;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::host;
use crate::stats::{Sample, Summary};
use crate::units::Nanos;

/// How long a probe takes unless told otherwise.
pub const PROBE: Duration = Duration::from_secs(30);

/// The longest one; what happens in a minute happens in half of one.
pub const LONGEST: Duration = Duration::from_secs(600);

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noise {
    /// When it ended.
    pub probed: DateTime<Utc>,
    /// How long it lasted.
    pub lasted: Nanos,
    /// Identifies the machine's start since which it was up: after another start the machine may be another one.
    pub boot: String,
    /// What was looked at.
    pub findings: Vec<Finding>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What: `processors`, `hypervisor`, `other load`, `frequency`, `disk` or `clock`.
    pub name: String,
    /// Whether it disturbs measurements.
    pub noisy: bool,
    /// What was found, in words.
    pub found: String,
    /// What to do about it; empty if nothing has to be done.
    pub remedy: String,
    /// The same in numbers, for machines; the name says the unit.
    pub figures: BTreeMap<String, u64>,
}

impl Noise {
    /// Probes this machine for about so long, and its disk in this folder. `told` hears of the time that has gone; when
    /// `is_over` holds the probe ends, with `None`.
    ///
    /// # Errors
    /// If nothing can be written into the folder.
    pub fn probe(
        lasts: Duration,
        folder: &Path,
        told: &dyn Fn(Duration),
        is_over: &(dyn Fn() -> bool + Sync),
    ) -> std::io::Result<Option<Self>> {
        let readings = probe::read(lasts, folder, told, is_over)?;
        Ok((!is_over()).then(|| Self {
            probed: Utc::now(),
            lasted: readings.lasted,
            boot: host::boot_id(),
            findings: judge(&readings),
        }))
    }

    /// Whether nothing was found that disturbs measurements.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.findings.iter().all(|finding| !finding.noisy)
    }

    /// `quiet`, or `noisy` with the names of what disturbs.
    #[must_use]
    pub fn verdict(&self) -> String {
        let noisy: Vec<&str> = self
            .findings
            .iter()
            .filter(|finding| finding.noisy)
            .map(|finding| finding.name.as_str())
            .collect();
        if noisy.is_empty() {
            "quiet".to_owned()
        } else {
            format!("noisy: {}", noisy.join(", "))
        }
    }
}

/// What a probe has read.
#[derive(Debug, Clone, Default)]
struct Readings {
    lasted: Nanos,
    processors: usize,
    /// Times of units of the same work.
    work: Vec<Nanos>,
    /// Stolen processor time and all of it, by cycle, during work.
    stolen_work: Vec<(Nanos, Nanos)>,
    /// Times of writes of 1 MiB.
    writes: Vec<Nanos>,
    /// Busy processor time and all of it, by cycle, while the probe did nothing.
    idle: Vec<(Nanos, Nanos)>,
    /// How late short sleeps ended.
    naps: Vec<Nanos>,
    /// Of any processor at any time, in MHz.
    frequencies: Vec<u64>,
    governor: Option<String>,
    clock_source: Option<String>,
    /// How far the calendar's clock had gone from the monotonic one, at the end of each cycle, in nanoseconds.
    drift: Vec<i64>,
}

/// A unit of work that takes so much longer than the median, in one of twenty cases, is felt in single rounds.
const SLOW_WORK: f64 = 1.10;
/// More than this share of stolen time is felt in the figures, as relevance is 2 %.
const STOLEN: f64 = 0.02;
/// What others may use of the machine.
const OTHERS: f64 = 0.05;
/// Between the slowest and the quickest frequency that was seen.
const FREQUENCY: f64 = 1.05;
/// A write that takes so many times the median, in one of twenty cases.
const SLOW_WRITE: f64 = 3.0;
/// The kernel's slewing of a clock is at most 500 ppm; what goes further was set.
const DRIFT_PPM: f64 = 500.0;
/// So late may one sleep of twenty end.
const LATE: Nanos = Nanos(2_000_000);

fn judge(readings: &Readings) -> Vec<Finding> {
    let found = [
        processors(readings),
        hypervisor(readings),
        others(readings),
        frequency(readings),
        disk(readings),
        clock(readings),
    ];
    found.into_iter().collect()
}

fn finding(name: &str, noisy: bool, found: String, remedy: &str) -> Finding {
    Finding {
        name: name.to_owned(),
        noisy,
        found,
        remedy: if noisy { remedy.to_owned() } else { String::new() },
        figures: BTreeMap::new(),
    }
}

/// Median, 95th percentile (nearest rank) and the spread: 1.4826 times the median absolute deviation, over the median.
fn spread(times: &[Nanos]) -> Option<(f64, f64, f64)> {
    let sample = Sample::new(times.iter().map(|time| time.seconds()).collect()).ok()?;
    let summary = Summary::of(&sample);
    let sorted = sample.sorted();
    let rank = (sorted.len() * 95).div_ceil(100).clamp(1, sorted.len());
    Some((
        summary.median,
        sorted[rank - 1],
        1.4826 * summary.mad / summary.median.max(f64::MIN_POSITIVE),
    ))
}

/// Short times need more digits than those of phases.
fn millis(seconds: f64) -> String {
    format!("{:.2} ms", seconds * 1e3)
}

fn share(parts: &[(Nanos, Nanos)]) -> Option<f64> {
    let part: f64 = parts.iter().map(|(part, _)| part.seconds()).sum();
    let all: f64 = parts.iter().map(|(_, all)| all.seconds()).sum();
    (all > 0.0).then(|| part / all)
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "shares are small and not negative"
)]
fn ppm(share: f64) -> u64 {
    (share * 1e6).round() as u64
}

fn nanos(seconds: f64) -> u64 {
    Nanos::from_seconds(seconds).0
}

fn unknown(name: &str) -> Finding {
    finding(name, false, "this machine does not tell".into(), "")
}

fn processors(readings: &Readings) -> Finding {
    let name = "processors";
    let Some((median, late, spread)) = spread(&readings.work) else {
        return unknown(name);
    };
    let mut made = finding(
        name,
        late > median * SLOW_WORK,
        format!(
            "the same work on {} processors takes {}, with a spread of {:.1} %; one time in twenty {:.1} % more",
            readings.processors,
            millis(median),
            spread * 100.0,
            (late / median - 1.0) * 100.0
        ),
        "end what else runs; on a virtual machine ask for processors of its own; measure more rounds",
    );
    made.figures.extend([
        ("work_median_ns".to_owned(), nanos(median)),
        ("work_p95_ns".to_owned(), nanos(late)),
        ("work_spread_ppm".to_owned(), ppm(spread)),
    ]);
    made
}

fn hypervisor(readings: &Readings) -> Finding {
    let name = "hypervisor";
    let Some(stolen) = share(&readings.stolen_work) else {
        return unknown(name);
    };
    let mut made = finding(
        name,
        stolen > STOLEN,
        format!(
            "it took {:.1} % of the processors' time away from work (steal)",
            stolen * 100.0
        ),
        "the host of this virtual machine is shared: use a dedicated one, or measure more rounds",
    );
    made.figures.insert("stolen_ppm".to_owned(), ppm(stolen));
    made
}

fn others(readings: &Readings) -> Finding {
    let name = "other load";
    let Some(busy) = share(&readings.idle) else {
        return unknown(name);
    };
    let mut made = finding(
        name,
        busy > OTHERS,
        format!(
            "others use {:.1} % of the processors while nothing is measured",
            busy * 100.0
        ),
        "see with `top` what that is, and end it before measuring",
    );
    made.figures.insert("others_ppm".to_owned(), ppm(busy));
    made
}

fn frequency(readings: &Readings) -> Finding {
    let name = "frequency";
    let slowest = readings.frequencies.iter().min();
    let Some((&slowest, &quickest)) = slowest.zip(readings.frequencies.iter().max()) else {
        return unknown(name);
    };
    let governor = readings.governor.as_ref();
    let governed = governor
        .map(|governor| format!(", governor {governor}"))
        .unwrap_or_default();
    #[allow(clippy::cast_precision_loss, reason = "a few thousand")]
    let noisy = quickest as f64 > slowest as f64 * FREQUENCY;
    let found = if slowest == quickest {
        format!("{slowest} MHz all the time{governed}")
    } else {
        format!("{slowest} to {quickest} MHz{governed}")
    };
    let remedy =
        "set the frequency governor to performance and turn boosting off (cpupower frequency-set -g performance)";
    let mut made = finding(name, noisy, found, remedy);
    made.figures.extend([
        ("slowest_mhz".to_owned(), slowest),
        ("quickest_mhz".to_owned(), quickest),
    ]);
    made
}

fn disk(readings: &Readings) -> Finding {
    let name = "disk";
    let Some((median, late, spread)) = spread(&readings.writes) else {
        return unknown(name);
    };
    let mut made = finding(
        name,
        late > median * SLOW_WRITE,
        format!(
            "writing 1 MiB to the disk takes {}, with a spread of {:.0} %; one time in twenty {} or more",
            millis(median),
            spread * 100.0,
            millis(late)
        ),
        "other disk traffic, or a disk with a limit or a cache that fills: exports, pushes and pulls need more rounds",
    );
    made.figures.extend([
        ("write_median_ns".to_owned(), nanos(median)),
        ("write_p95_ns".to_owned(), nanos(late)),
        ("write_spread_ppm".to_owned(), ppm(spread)),
    ]);
    made
}

fn clock(readings: &Readings) -> Finding {
    let name = "clock";
    let Some((_, late, _)) = spread(&readings.naps) else {
        return unknown(name);
    };
    let farthest = readings
        .drift
        .iter()
        .map(|drift| drift.unsigned_abs())
        .max()
        .unwrap_or(0);
    let farthest = Nanos(farthest);
    let drift = farthest.seconds() / readings.lasted.seconds().max(1.0) * 1e6;
    let source = readings.clock_source.as_deref().unwrap_or("unknown");
    // Reading these takes a device's answer: micro- instead of nanoseconds.
    let is_slow = matches!(source, "hpet" | "acpi_pm" | "jiffies" | "refined-jiffies");
    let mut problems = Vec::new();
    if is_slow {
        problems.push("a source that is slow to read");
    }
    if drift > DRIFT_PPM {
        problems.push("the time of day was set meanwhile");
    }
    if Nanos::from_seconds(late) > LATE {
        problems.push("work that is ready waits");
    }
    let found = format!(
        "source {source}; the time of day went {} away from the clock that measures; one sleep of twenty ends {} late or \
         more",
        millis(farthest.seconds()),
        millis(late)
    );
    let found = if problems.is_empty() {
        found
    } else {
        format!("{found}: {}", problems.join(", "))
    };
    let remedy = "let the time be kept by slewing (chrony, systemd-timesyncd), use the clock source tsc or the hypervisor's \
                  own, and end what else runs";
    let mut made = finding(name, !problems.is_empty(), found, remedy);
    made.figures.extend([
        ("late_p95_ns".to_owned(), nanos(late)),
        ("drift_ns".to_owned(), farthest.0),
    ]);
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: u64 = 1_000_000;

    fn quiet() -> Readings {
        Readings {
            lasted: Nanos(30_000 * MILLI),
            processors: 2,
            work: (0..100).map(|number| Nanos(5 * MILLI + number % 10 * 10_000)).collect(),
            stolen_work: vec![(Nanos(0), Nanos(800 * MILLI)); 3],
            writes: (0..40).map(|number| Nanos(4 * MILLI + number % 4 * MILLI)).collect(),
            idle: vec![(Nanos(10 * MILLI), Nanos(700 * MILLI)); 3],
            naps: vec![Nanos(60_000); 100],
            frequencies: vec![2445; 6],
            governor: None,
            clock_source: Some("tsc".into()),
            drift: vec![10_000, -20_000],
        }
    }

    fn noisy(readings: &Readings) -> Vec<String> {
        let found = judge(readings).into_iter().filter(|finding| finding.noisy);
        found.map(|finding| finding.name).collect()
    }

    #[test]
    fn a_quiet_machine_is_quiet_and_says_its_figures() {
        let findings = judge(&quiet());
        insta::assert_snapshot!(
            findings
                .iter()
                .map(|finding| format!("{}: {} {:?}\n", finding.name, finding.found, finding.figures))
                .collect::<String>()
        );
        assert!(
            findings
                .iter()
                .all(|finding| !finding.noisy && finding.remedy.is_empty())
        );
    }

    #[test]
    fn each_disturbance_is_found_by_its_name() {
        let with = |change: &dyn Fn(&mut Readings)| {
            let mut readings = quiet();
            change(&mut readings);
            noisy(&readings)
        };
        // One unit of ten takes half as long again.
        assert_eq!(
            with(&|it| it.work.iter_mut().step_by(10).for_each(|time| time.0 += time.0 / 2)),
            ["processors"]
        );
        // One of a hundred does: that is no twentieth.
        assert!(with(&|it| it.work[0].0 *= 2).is_empty());
        assert_eq!(with(&|it| it.stolen_work[0].0 = Nanos(60 * MILLI)), ["hypervisor"]);
        assert_eq!(with(&|it| it.idle[1].0 = Nanos(300 * MILLI)), ["other load"]);
        assert_eq!(with(&|it| it.frequencies.push(1200)), ["frequency"]);
        assert_eq!(
            with(&|it| it.writes.iter_mut().take(4).for_each(|time| time.0 = 90 * MILLI)),
            ["disk"]
        );
        assert_eq!(with(&|it| it.drift.push(-40 * 1_000_000)), ["clock"]);
        assert_eq!(with(&|it| it.clock_source = Some("hpet".into())), ["clock"]);
        assert_eq!(with(&|it| it.naps = vec![Nanos(3 * MILLI); 9]), ["clock"]);
    }

    #[test]
    fn what_a_machine_does_not_tell_is_no_noise() {
        let findings = judge(&Readings::default());
        assert!(
            findings
                .iter()
                .all(|finding| !finding.noisy && finding.found == "this machine does not tell")
        );
    }

    #[test]
    fn the_verdict_names_what_disturbs() {
        let mut readings = quiet();
        readings.stolen_work[0].0 = Nanos(400 * MILLI);
        readings.frequencies.push(1200);
        let noise = Noise {
            probed: DateTime::UNIX_EPOCH,
            lasted: readings.lasted,
            boot: String::new(),
            findings: judge(&readings),
        };
        assert!(!noise.is_quiet());
        assert_eq!(noise.verdict(), "noisy: hypervisor, frequency");
    }

    #[test]
    fn a_short_probe_reads_everything() {
        let folder = tempfile::tempdir().unwrap();
        let told = std::cell::Cell::new(Duration::ZERO);
        let noise = Noise::probe(
            Duration::from_millis(1500),
            folder.path(),
            &|gone| told.set(gone),
            &|| false,
        );
        let noise = noise.unwrap().expect("not ended early");
        assert!(told.get() >= Duration::from_millis(1500));
        let missing = noise
            .findings
            .iter()
            .filter(|finding| finding.found == "this machine does not tell");
        // Not every kernel tells frequencies.
        assert!(missing.clone().all(|finding| finding.name == "frequency"), "{noise:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
        let over = Noise::probe(Duration::from_secs(60), folder.path(), &|_| {}, &|| true).unwrap();
        assert_eq!(over, None);
    }

    #[test]
    fn a_folder_that_takes_nothing_is_an_error() {
        let probed = Noise::probe(PROBE, Path::new("/no/such/folder"), &|_| {}, &|| false);
        assert!(probed.is_err());
    }
}
