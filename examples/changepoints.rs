//! Reads series from standard input, one JSON array of numbers a line, and prints for each line its change points' places,
//! those by [`ChangePointPolicy::like_otava`], and the nanoseconds that finding the first took, so many times as the
//! argument says: `{"indices":[45],"like_otava":[45,51],"ns":[81234]}`. For `benches/otava/compare`; not for users.

use std::io::BufRead as _;
use std::time::Instant;

use bakeoff::stats::{ChangePointPolicy, Sample, change_points};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let repeats: usize = std::env::args().nth(1).map_or(Ok(1), |argument| argument.parse())?;
    let policy = ChangePointPolicy::default();
    let like_otava = ChangePointPolicy {
        like_otava: true,
        ..policy
    };
    for line in std::io::stdin().lock().lines() {
        let series = Sample::new(serde_json::from_str(&line?)?)?;
        let mut times = Vec::with_capacity(repeats);
        for _ in 0..repeats {
            let before = Instant::now();
            std::hint::black_box(change_points(std::hint::black_box(&series), &policy));
            times.push(before.elapsed().as_nanos());
        }
        let indices =
            |policy| -> Vec<usize> { change_points(&series, policy).iter().map(|point| point.index).collect() };
        let (ours, theirs) = (indices(&policy), indices(&like_otava));
        println!(
            "{}",
            serde_json::json!({ "indices": ours, "like_otava": theirs, "ns": times })
        );
    }
    Ok(())
}
