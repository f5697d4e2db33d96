//! The probe itself: cycles of fixed work on every processor, of writing to a disk, and of doing nothing, with a look at what
//! the clocks and the other users of the machine do meanwhile. Not for: judging what it reads.

use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use sha2::{Digest as _, Sha256};

use super::Readings;
use crate::environment::host;
use crate::environment::load::Counters;
use crate::units::{Nanos, SplitMix64};

/// How much of a cycle is work, and how much is nothing. The rest is for the disk.
const WORK: Duration = Duration::from_millis(400);
const IDLE: Duration = Duration::from_millis(350);
/// Writes of a cycle end after this.
const WRITING: Duration = Duration::from_millis(250);
/// What is hashed at a time: little enough for a processor's cache, so that it is the processor that is timed.
const PIECE: usize = 64 * 1024;
/// How long a unit of work shall take: short against what disturbs, long against the clock.
const UNIT: Duration = Duration::from_millis(5);
/// What is written at a time, and brought to the disk.
const WRITE: usize = 1024 * 1024;
/// A short sleep; how much longer it takes tells how soon the machine runs what becomes ready.
const NAP: Duration = Duration::from_millis(5);

/// Probes for about so long. `told` hears of the time that has gone; `is_over` ends it early, with what was read by then.
pub(super) fn read(
    lasts: Duration,
    folder: &Path,
    told: &dyn Fn(Duration),
    is_over: &(dyn Fn() -> bool + Sync),
) -> std::io::Result<Readings> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let pieces = pieces_of_a_unit();
    let mut file = tempfile::tempfile_in(folder)?;
    // Nothing that a disk could squeeze.
    let mut random = SplitMix64::new(1, 0);
    let block: Vec<u8> = std::iter::repeat_with(|| random.next().to_le_bytes())
        .flatten()
        .take(WRITE)
        .collect();
    let mut readings = Readings {
        processors,
        clock_source: host::clock_source(),
        governor: host::frequency_governor(),
        ..Readings::default()
    };
    let began = Instant::now();
    let began_by_calendar = SystemTime::now();
    let mut first = true;
    while began.elapsed() < lasts && !is_over() {
        let cycle = work(processors, pieces);
        let written = writes(&mut file, &block)?;
        let (idle, naps) = rest();
        // The first cycle wakes processors and disks that sleep.
        if !std::mem::take(&mut first) {
            readings.work.extend(cycle.0);
            readings.stolen_work.extend(cycle.1);
            readings.writes.extend(written);
            readings.idle.extend(idle);
            readings.naps.extend(naps);
            readings.frequencies.extend(host::frequencies());
            readings.drift.push(drift(began, began_by_calendar));
        }
        told(began.elapsed());
    }
    readings.lasted = began.elapsed().into();
    Ok(readings)
}

/// How far the calendar's clock has gone away from the one that measures, in nanoseconds.
fn drift(began: Instant, began_by_calendar: SystemTime) -> i64 {
    let by_calendar = match began_by_calendar.elapsed() {
        Ok(gone) => i128::try_from(gone.as_nanos()).unwrap_or(i128::MAX),
        Err(back) => -i128::try_from(back.duration().as_nanos()).unwrap_or(i128::MAX),
    };
    let measured = i128::try_from(began.elapsed().as_nanos()).unwrap_or(i128::MAX);
    i64::try_from(by_calendar - measured).unwrap_or(i64::MAX)
}

/// How many pieces make a unit on this machine: the quickest of some tries counts, since nothing makes work quicker.
fn pieces_of_a_unit() -> u32 {
    let piece = vec![0x5a_u8; PIECE];
    let quickest = (0..32).map(|_| time_of(&piece, 4)).min().unwrap_or(UNIT);
    let units = UNIT.as_nanos().saturating_mul(4) / quickest.as_nanos().max(1);
    u32::try_from(units).unwrap_or(u32::MAX).max(1)
}

fn time_of(piece: &[u8], pieces: u32) -> Duration {
    let began = Instant::now();
    let mut hash = Sha256::new();
    for _ in 0..pieces {
        hash.update(piece);
    }
    std::hint::black_box(hash.finalize());
    began.elapsed()
}

/// Works on all processors at once, as builds do; gives each unit's time, and the share of the time that was stolen.
fn work(processors: usize, pieces: u32) -> (Vec<Nanos>, Option<(Nanos, Nanos)>) {
    let before = Counters::now();
    let one = || {
        let piece = vec![0x5a_u8; PIECE];
        let began = Instant::now();
        let mut times = Vec::new();
        while began.elapsed() < WORK {
            times.push(Nanos::from(time_of(&piece, pieces)));
        }
        times
    };
    let times = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..processors).map(|_| scope.spawn(one)).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_default())
            .collect()
    });
    let load = before.and_then(|before| Some(Counters::now()?.since(&before)));
    (times, load.map(|load| (load.stolen, load.all)))
}

/// Writes the block over and over into the same place, as a database's log is; gives the time that each took to reach the disk.
fn writes(file: &mut std::fs::File, block: &[u8]) -> std::io::Result<Vec<Nanos>> {
    let began = Instant::now();
    let mut times = Vec::new();
    while began.elapsed() < WRITING {
        let each = Instant::now();
        file.rewind()?;
        file.write_all(block)?;
        file.sync_data()?;
        times.push(each.elapsed().into());
    }
    Ok(times)
}

/// Does nothing, and gives what of the machine others used meanwhile, and how late short sleeps ended.
fn rest() -> (Option<(Nanos, Nanos)>, Vec<Nanos>) {
    let before = Counters::now();
    let began = Instant::now();
    let mut late = Vec::new();
    while began.elapsed() < IDLE {
        let nap = Instant::now();
        std::thread::sleep(NAP);
        late.push(nap.elapsed().saturating_sub(NAP).into());
    }
    let load = before.and_then(|before| Some(Counters::now()?.since(&before)));
    (load.map(|load| (load.busy, load.all)), late)
}
