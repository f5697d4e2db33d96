//! What a trial's engine uses of the machine during a phase, where that is the trial's own: its container's control group,
//! with the containers that the engine makes; of a pull, that of the engine that pulls. The registry is a container of its own and does not count. Not for: reading
//! control groups (that is the engine room's).

use super::Trial;
use super::engines::Place;
use super::event::Resources;
use crate::engine::Engine;
use crate::engine::cgroup::{Cgroup, Meter, Usage};
use crate::engine::isolated::Isolated;
use crate::environment::load::Counters;

/// Why the host's engine is not looked at.
const OF_HOST: &str = "the host's engine may do other people's work as well";

/// The control group of a trial's engine, or why there is none to measure.
pub(super) async fn group_of<E: Engine>(host: &E, place: &Place<E>) -> Result<Cgroup, String> {
    match &place.isolated {
        Some(isolated) => group_of_engine(host, isolated).await,
        None => Err(OF_HOST.to_owned()),
    }
}

/// The control group of an engine of ours.
pub(super) async fn group_of_engine<E: Engine>(host: &E, isolated: &Isolated<E>) -> Result<Cgroup, String> {
    let id = &isolated.container.id;
    let process = host.process_of(id).await.map_err(|error| error.to_string())?;
    Cgroup::of(id, process)
}

/// A measurement under way: of an engine's group, and of the machine as a whole.
pub(super) struct Running<'g> {
    group: Result<Meter<'g>, String>,
    machine: Option<Counters>,
}

impl<E: Engine> Trial<'_, E> {
    /// Begins to measure what the engine uses; it ends with [`used`].
    pub(super) fn meter(&self) -> Running<'_> {
        begin(&self.group)
    }
}

/// Begins to measure what is used in a group.
pub(super) fn begin(group: &Result<Cgroup, String>) -> Running<'_> {
    Running {
        group: group.as_ref().map(Cgroup::begin).map_err(Clone::clone),
        machine: Counters::now(),
    }
}

/// What was used since the measurement began.
pub(super) fn used(running: Running<'_>) -> Resources {
    let machine = running.machine.zip(Counters::now());
    let used = match running.group.map(Meter::end) {
        Ok(usage) => of(usage),
        Err(reason) => Resources {
            absent: vec![reason],
            ..Resources::default()
        },
    };
    Resources {
        machine: machine.map(|(before, now)| now.since(&before)),
        ..used
    }
}

fn of(usage: Usage) -> Resources {
    let mut absent = Vec::new();
    let mut missing = |what: &str, reason: String| absent.push(format!("{what}: {reason}"));
    let cpu = usage.cpu.map_err(|reason| missing("CPU", reason)).ok();
    let peak_memory = usage.peak_memory.map_err(|reason| missing("memory", reason)).ok();
    let disk = usage.disk.map_err(|reason| missing("disk", reason)).ok();
    Resources {
        cpu,
        peak_memory,
        disk_read: disk.map(|disk| disk.read),
        disk_written: disk.map(|disk| disk.written),
        machine: None,
        absent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cgroup::Disk;
    use crate::units::{Bytes, Nanos};

    #[test]
    fn what_is_missing_has_its_reason() {
        let whole = Usage {
            cpu: Ok(Nanos(1)),
            peak_memory: Ok(Bytes(2)),
            disk: Ok(Disk {
                read: Bytes(3),
                written: Bytes(4),
            }),
        };
        let found = of(whole.clone());
        assert_eq!((found.disk_read, found.disk_written), (Some(Bytes(3)), Some(Bytes(4))));
        assert!(found.absent.is_empty());
        let partly = of(Usage {
            disk: Err("not counted".into()),
            ..whole
        });
        assert_eq!((partly.cpu, partly.disk_read), (Some(Nanos(1)), None));
        assert_eq!(partly.absent, ["disk: not counted"]);
        let of_host = used(begin(&Err(OF_HOST.into())));
        assert_eq!(of_host.absent, [OF_HOST]);
        assert!(
            of_host.machine.is_some(),
            "the machine is looked at whoever's engine it is"
        );
    }
}
