//! What is read from the machine that bakeoff itself runs on (Linux).

use std::path::Path;

use crate::units::Bytes;

/// The processor's model name; `unknown` where the kernel does not say.
#[must_use]
pub fn cpu_model() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_once(':').map(|(_, value)| value.trim().to_owned())
    };
    field("model name")
        .or_else(|| field("Model"))
        .or_else(|| field("CPU part"))
        .unwrap_or_else(|| "unknown".into())
}

/// Free disk space for unprivileged programs in the file system that holds `path`; `None` if there is no such path here.
#[must_use]
pub fn free_disk(path: &Path) -> Option<Bytes> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(Bytes(stat.f_bavail.saturating_mul(stat.f_frsize)))
}

/// Identifies the machine's start since which it is up; empty where the kernel does not say.
#[must_use]
pub fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

/// The frequency of each processor now, in MHz, by cpufreq or else by the processors' own word; empty where neither tells.
#[must_use]
pub fn frequencies() -> Vec<u64> {
    let scaled = (0..).map_while(|number| {
        let path = format!("/sys/devices/system/cpu/cpu{number}/cpufreq/scaling_cur_freq");
        std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok()
    });
    let scaled: Vec<u64> = scaled.map(|kilohertz| kilohertz / 1000).collect();
    if scaled.is_empty() {
        frequencies_in(&std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default())
    } else {
        scaled
    }
}

fn frequencies_in(cpuinfo: &str) -> Vec<u64> {
    let lines = cpuinfo.lines().filter(|line| line.starts_with("cpu MHz"));
    let whole = lines.filter_map(|line| line.split_once(':')?.1.trim().split('.').next()?.parse().ok());
    whole.collect()
}

/// What decides on the first processor's frequency: `performance`, `schedutil`; `None` where nothing does.
#[must_use]
pub fn frequency_governor() -> Option<String> {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").ok()?;
    Some(text.trim().to_owned())
}

/// What the kernel reads the time from: `tsc`, `kvm-clock`, `arch_sys_counter`.
#[must_use]
pub fn clock_source() -> Option<String> {
    let text = std::fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource").ok()?;
    Some(text.trim().to_owned())
}

/// The MTU of the interface that the default route leads through; `None` without one.
#[must_use]
pub fn uplink_mtu() -> Option<u32> {
    let routes = std::fs::read_to_string("/proc/net/route").ok()?;
    let interface = default_interface(&routes)?;
    std::fs::read_to_string(format!("/sys/class/net/{interface}/mtu"))
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// The interface of the route to everywhere in the kernel's table (destination and mask zero).
fn default_interface(routes: &str) -> Option<String> {
    routes.lines().skip(1).find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let everywhere = fields.get(1) == Some(&"00000000") && fields.get(7) == Some(&"00000000");
        everywhere.then(|| fields[0].to_owned())
    })
}

/// Whether a program of that name is in `PATH`.
#[must_use]
pub fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_route_is_found() {
        let table = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
                     docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
                     eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n";
        assert_eq!(default_interface(table).as_deref(), Some("eth0"));
        assert_eq!(default_interface("Iface\tDestination\n"), None);
    }

    #[test]
    fn processors_tell_their_frequencies() {
        let text = "processor\t: 0\ncpu MHz\t\t: 2445.406\nflags: x\ncpu MHz\t\t: 800.000\n";
        assert_eq!(frequencies_in(text), [2445, 800]);
        assert!(frequencies_in("processor: 0\n").is_empty());
    }

    #[test]
    fn disk_space_is_read_where_the_path_exists() {
        assert!(free_disk(Path::new("/")).is_some());
        assert_eq!(free_disk(Path::new("/no/such/folder")), None);
    }
}
