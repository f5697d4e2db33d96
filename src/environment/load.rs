//! What the whole machine does meanwhile: its processors' work, what the hypervisor took away, and how long work waited.
//! Read from the kernel's counters (Linux, proc(5)). Not for: what an engine of ours uses (that is a control group's).

use std::time::Duration;

use crate::units::Nanos;

/// The kernel counts processor time for user space in hundredths of a second on every architecture that Docker runs on.
const TICK: Nanos = Nanos(10_000_000);

/// The counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    all: Nanos,
    busy: Nanos,
    stolen: Nanos,
    disk_waits: Option<Nanos>,
}

/// What a machine did over some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MachineLoad {
    /// Processor time that there was, of all processors together.
    pub all: Nanos,
    /// Processor time that somebody used.
    pub busy: Nanos,
    /// Processor time in which the hypervisor ran somebody else.
    pub stolen: Nanos,
    /// Time in which some work waited for a disk (PSI's `some`); `None` if the kernel does not count it.
    pub disk_waits: Option<Nanos>,
}

impl Counters {
    /// The counters now; `None` where the kernel has none.
    #[must_use]
    pub fn now() -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/stat").ok()?;
        let pressure = std::fs::read_to_string("/proc/pressure/io").ok();
        Self::of(&stat, pressure.as_deref())
    }

    fn of(stat: &str, pressure: Option<&str>) -> Option<Self> {
        // user, nice, system, idle, iowait, irq, softirq, steal; a guest's time is in user's already.
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let ticks: Vec<u64> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
        let [user, nice, system, idle, iowait, irq, softirq, stolen, ..] = ticks[..] else {
            return None;
        };
        let time = |ticks: u64| Nanos(ticks.saturating_mul(TICK.0));
        let busy = user + nice + system + irq + softirq;
        Some(Self {
            all: time(busy + idle + iowait + stolen),
            busy: time(busy),
            stolen: time(stolen),
            disk_waits: pressure.and_then(total_of_some),
        })
    }

    /// What happened since.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> MachineLoad {
        let gone = |now: Nanos, before: Nanos| Nanos(now.0.saturating_sub(before.0));
        let waits = self.disk_waits.zip(earlier.disk_waits);
        MachineLoad {
            all: gone(self.all, earlier.all),
            busy: gone(self.busy, earlier.busy),
            stolen: gone(self.stolen, earlier.stolen),
            disk_waits: waits.map(|(now, before)| gone(now, before)),
        }
    }
}

/// `some avg10=0.00 avg60=0.00 avg300=0.00 total=12345`: the total is in microseconds.
fn total_of_some(pressure: &str) -> Option<Nanos> {
    let line = pressure.lines().find(|line| line.starts_with("some "))?;
    let total = line.rsplit_once("total=")?.1.trim().parse().ok()?;
    Some(Duration::from_micros(total).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_told_apart() {
        let pressure =
            |total: u64| format!("some avg10=0.00 avg60=0.00 avg300=0.00 total={total}\nfull avg10=0 total=1\n");
        let before = Counters::of("cpu  100 1 20 1000 30 2 3 50 7 0\ncpu0 1 2\n", Some(&pressure(1000))).unwrap();
        let after = Counters::of("cpu  110 1 25 1100 30 2 4 60 9 0\n", Some(&pressure(4500))).unwrap();
        assert_eq!(
            after.since(&before),
            MachineLoad {
                all: Nanos(1_260_000_000),
                busy: Nanos(160_000_000),
                stolen: Nanos(100_000_000),
                disk_waits: Some(Nanos(3_500_000)),
            }
        );
        assert_eq!(Counters::of("cpu 1 2 3\n", None), None);
    }

    #[test]
    fn this_machine_tells() {
        let now = Counters::now().expect("Linux");
        assert!(now.all.0 > now.busy.0 && now.busy.0 > 0);
    }
}
