//! What a container uses of the machine, from its control group: processor time, memory and disk. Only files of this machine's
//! kernel are read, so the container does not notice. Not for: what a whole engine uses that is not one of ours; its group
//! would have other people's work in it.
//!
//! Sources: the kernel's documentation of control groups, version 1 (`cpuacct.usage`, `memory.max_usage_in_bytes`) and
//! version 2 (`cpu.stat`, `memory.peak`, `io.stat`). All of these count a group with all that are below it.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::units::{Bytes, Nanos};

/// What was used between two moments. What can't be told, or not rightly, has a reason in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Processor time, of all processors together.
    pub cpu: Result<Nanos, String>,
    /// The most memory at once, with the files that the kernel keeps in memory for the group.
    pub peak_memory: Result<Bytes, String>,
    /// What was read from disks, and what was sent to them.
    pub disk: Result<Disk, String>,
}

/// Bytes between a group and the disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Disk {
    /// Read.
    pub read: Bytes,
    /// Written.
    pub written: Bytes,
}

/// The control group of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cgroup {
    /// A folder for each controller.
    V1 {
        /// That of `cpuacct`.
        cpuacct: PathBuf,
        /// That of `memory`.
        memory: PathBuf,
    },
    /// One folder for all.
    V2(PathBuf),
}

/// A measurement that has begun.
#[derive(Debug)]
pub struct Meter<'g> {
    group: &'g Cgroup,
    cpu: Result<Nanos, String>,
    peak: Result<Peak, String>,
    disk: Result<Disk, String>,
}

/// How the peak of memory is told.
#[derive(Debug)]
enum Peak {
    /// The kernel's mark was set back.
    Reset,
    /// The kernel keeps a mark for this open file (version 2, since Linux 6.12).
    Own(File),
    /// The mark could not be set back, and was this.
    Mark(Bytes),
}

impl Cgroup {
    /// The group of a container, by its id and its first process on this machine.
    ///
    /// # Errors
    /// If this process does not see it: in a container of its own, say.
    pub fn of(container: &str, process: u32) -> Result<Self, String> {
        let groups = read(Path::new(&format!("/proc/{process}/cgroup")))?;
        let mounts = read(Path::new("/proc/self/mountinfo"))?;
        Self::found(container, &groups, &mounts)
    }

    fn found(container: &str, groups: &str, mounts: &str) -> Result<Self, String> {
        let folder = |controller: Option<&str>| {
            let path = path_of(groups, controller)?;
            let path = up_to(path, container)?;
            below_mount(mounts, controller, path)
        };
        if path_of(groups, Some("memory")).is_some() {
            let missing = |name: &str| format!("the control group {name} of the engine's container is not to be seen");
            return Ok(Self::V1 {
                cpuacct: folder(Some("cpuacct")).ok_or_else(|| missing("cpuacct"))?,
                memory: folder(Some("memory")).ok_or_else(|| missing("memory"))?,
            });
        }
        let missing = || "the control group of the engine's container is not to be seen".to_owned();
        folder(None).map(Self::V2).ok_or_else(missing)
    }

    /// Begins to measure.
    #[must_use]
    pub fn begin(&self) -> Meter<'_> {
        Meter {
            group: self,
            peak: self.begin_peak(),
            disk: self.disk(),
            cpu: self.cpu(),
        }
    }

    fn cpu(&self) -> Result<Nanos, String> {
        match self {
            Self::V1 { cpuacct, .. } => Ok(Nanos(number(&cpuacct.join("cpuacct.usage"))?)),
            Self::V2(folder) => {
                let stat = read(&folder.join("cpu.stat"))?;
                let used = stat.lines().find_map(|line| line.strip_prefix("usage_usec "));
                let used = used.and_then(|text| text.trim().parse::<u64>().ok());
                used.map(|micros| Nanos(micros * 1000))
                    .ok_or_else(|| "cpu.stat tells no usage_usec".to_owned())
            }
        }
    }

    fn mark(&self) -> PathBuf {
        match self {
            Self::V1 { memory, .. } => memory.join("memory.max_usage_in_bytes"),
            Self::V2(folder) => folder.join("memory.peak"),
        }
    }

    fn begin_peak(&self) -> Result<Peak, String> {
        let mark = self.mark();
        // Only root may; a kernel that can't set the mark back refuses it to root as well.
        let set_back = || {
            let mut file = OpenOptions::new().read(true).write(true).open(&mark).ok()?;
            file.write_all(b"0").ok()?;
            Some(file)
        };
        match (self, set_back()) {
            (Self::V1 { .. }, Some(_)) => Ok(Peak::Reset),
            (Self::V2(_), Some(file)) => Ok(Peak::Own(file)),
            (_, None) => Ok(Peak::Mark(Bytes(number(&mark)?))),
        }
    }

    fn end_peak(&self, begun: Peak) -> Result<Bytes, String> {
        match begun {
            Peak::Reset => Ok(Bytes(number(&self.mark())?)),
            Peak::Own(mut file) => {
                let mut text = String::new();
                let read = file.rewind().and_then(|()| file.read_to_string(&mut text));
                read.map_err(|error| format!("memory.peak: {error}"))?;
                parsed("memory.peak", &text).map(Bytes)
            }
            Peak::Mark(before) => {
                let after = Bytes(number(&self.mark())?);
                let hidden =
                    "an earlier phase of the trial used more memory, and only root can set the kernel's mark back";
                (after > before).then_some(after).ok_or_else(|| hidden.to_owned())
            }
        }
    }

    fn disk(&self) -> Result<Disk, String> {
        match self {
            // The writing back of cached files is counted for nobody there, and of the rest only what a scheduler or a
            // limit happens to look at.
            Self::V1 { .. } => {
                Err("control groups of version 1 don't count what is written through the file cache".to_owned())
            }
            Self::V2(folder) => Ok(traffic(&read(&folder.join("io.stat"))?, is_stacked)),
        }
    }
}

impl Meter<'_> {
    /// Ends the measurement.
    #[must_use]
    pub fn end(self) -> Usage {
        let group = self.group;
        let cpu = self
            .cpu
            .and_then(|before| Ok(Nanos(group.cpu()?.0.saturating_sub(before.0))));
        let disk = self.disk.and_then(|before| {
            let now = group.disk()?;
            Ok(Disk {
                read: Bytes(now.read.0.saturating_sub(before.read.0)),
                written: Bytes(now.written.0.saturating_sub(before.written.0)),
            })
        });
        Usage {
            cpu,
            peak_memory: self.peak.and_then(|begun| group.end_peak(begun)),
            disk,
        }
    }
}

/// A process's path in the hierarchy of a controller, of version 2 without one.
fn path_of<'t>(groups: &'t str, controller: Option<&str>) -> Option<&'t str> {
    groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let fits = match controller {
            Some(wanted) => controllers.split(',').any(|name| name == wanted),
            None => number == "0" && controllers.is_empty(),
        };
        fits.then_some(path)
    })
}

/// The part of a path that ends with the container's own group: its first process may have been moved further down.
fn up_to<'t>(path: &'t str, container: &str) -> Option<&'t str> {
    let at = path.find(container).filter(|_| !container.is_empty())?;
    let end = path[at..].find('/').map_or(path.len(), |slash| at + slash);
    Some(&path[..end])
}

/// Where a path of a hierarchy is in the file system (`proc(5)`, "mountinfo").
fn below_mount(mounts: &str, controller: Option<&str>, path: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (mount, system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let (root, at) = (mount.next()?, mount.next()?);
        let mut system = system.split(' ');
        let (kind, options) = (system.next()?, system.nth(1)?);
        let fits = match controller {
            Some(wanted) => kind == "cgroup" && options.split(',').any(|name| name == wanted),
            None => kind == "cgroup2",
        };
        let rest = path.strip_prefix(root.trim_end_matches('/'))?;
        fits.then(|| Path::new(at).join(rest.trim_start_matches('/')))
    })
}

/// What the lines of `io.stat` tell together, without devices that lie on others: those tell the same bytes again.
fn traffic(stat: &str, is_stacked: impl Fn(&str) -> bool) -> Disk {
    let mut disk = Disk::default();
    for line in stat.lines() {
        let mut words = line.split_whitespace();
        if words.next().is_none_or(&is_stacked) {
            continue;
        }
        for (name, value) in words.filter_map(|word| word.split_once('=')) {
            let value = value.parse().unwrap_or(0);
            match name {
                "rbytes" => disk.read.0 += value,
                "wbytes" => disk.written.0 += value,
                _ => {}
            }
        }
    }
    disk
}

fn is_stacked(device: &str) -> bool {
    let below = std::fs::read_dir(format!("/sys/dev/block/{device}/slaves"));
    below.is_ok_and(|mut devices| devices.next().is_some())
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn number(path: &Path) -> Result<u64, String> {
    parsed(&path.display().to_string(), &read(path)?)
}

fn parsed(name: &str, text: &str) -> Result<u64, String> {
    text.trim().parse().map_err(|_| format!("{name} is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "e04fbec77cd4514fd25b023ae6e8876a";

    #[test]
    fn groups_of_version_1_are_found_by_controller() {
        let groups = format!("9:name=systemd:/docker/{ID}\n4:memory:/docker/{ID}\n2:cpu,cpuacct:/docker/{ID}\n0::/\n");
        let mounts = "30 25 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
                      31 25 0:27 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n";
        let folder = |name: &str| PathBuf::from(format!("/sys/fs/cgroup/{name}/docker/{ID}"));
        let expected = Cgroup::V1 {
            cpuacct: folder("cpu"),
            memory: folder("memory"),
        };
        assert_eq!(Cgroup::found(ID, &groups, mounts), Ok(expected));
        // Seen from a container whose hierarchy begins elsewhere.
        let elsewhere = mounts.replace(" / /sys", " /docker/other /sys");
        assert!(
            Cgroup::found(ID, &groups, &elsewhere)
                .unwrap_err()
                .contains("not to be seen")
        );
        assert!(Cgroup::found("another", &groups, mounts).is_err());
    }

    #[test]
    fn a_group_of_version_2_is_the_container_s_even_if_its_process_is_further_down() {
        let groups = format!("0::/system.slice/docker-{ID}.scope/init\n");
        let mounts = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        let expected = PathBuf::from(format!("/sys/fs/cgroup/system.slice/docker-{ID}.scope"));
        assert_eq!(Cgroup::found(ID, &groups, mounts), Ok(Cgroup::V2(expected)));
    }

    #[test]
    fn what_version_2_counts_is_told_as_a_difference() {
        let folder = tempfile::tempdir().expect("a folder");
        let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
        let state = |cpu: u64, read: u64, written: u64| {
            put("cpu.stat", &format!("usage_usec {cpu}\nuser_usec 1\n"));
            put(
                "io.stat",
                &format!("7:0 rbytes={read} wbytes={written} rios=1\n999:1 rbytes=1\n"),
            );
        };
        state(1_000, 10, 20);
        let group = Cgroup::V2(folder.path().to_owned());
        let meter = group.begin();
        state(2_501_000, 11, 50_000_020);
        let usage = meter.end();
        assert_eq!(usage.cpu, Ok(Nanos(2_500_000_000)));
        let (read, written) = (Bytes(1), Bytes(50_000_000));
        assert_eq!(usage.disk, Ok(Disk { read, written }));
        assert!(usage.peak_memory.unwrap_err().contains("memory.peak"));
    }

    #[test]
    fn a_mark_that_can_not_be_set_back_tells_only_what_exceeds_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let group = Cgroup::V2(folder.path().to_owned());
        std::fs::write(folder.path().join("memory.peak"), "300\n").expect("written");
        assert!(
            group
                .end_peak(Peak::Mark(Bytes(300)))
                .unwrap_err()
                .contains("earlier phase")
        );
        assert_eq!(group.end_peak(Peak::Mark(Bytes(299))), Ok(Bytes(300)));
    }

    #[test]
    fn devices_on_devices_count_once() {
        let stat = "254:0 rbytes=5 wbytes=7 rios=1 wios=1 dbytes=0 dios=0\n253:1 rbytes=5 wbytes=7\n8:0 wbytes=1\n\n";
        let disk = traffic(stat, |device| device == "253:1");
        assert_eq!((disk.read, disk.written), (Bytes(5), Bytes(8)));
    }
}
