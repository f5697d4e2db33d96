//! Statistics: samples and what is said of them. Pure functions of numbers; not for anything that knows what a
//! phase, a scenario or a unit is. Every formula and the reason for every choice are in docs/statistics.md.
//!
//! Smaller points are better throughout, as times and sizes are; "faster" stands for smaller.

mod change_points;
mod compare;
mod contrasts;
mod energy;
mod holm;
mod level;
mod magnitude;
mod nightly;
mod null;
mod positive;
mod power;
mod sample;
mod summary;
mod t_test;

pub use change_points::{ChangePoint, ChangePointPolicy, Direction, change_points};
pub use compare::{ComparePolicy, Comparison, Outcome, Question, Wins, compare};
pub use level::{Level, LevelError};
pub use magnitude::{Effect, EffectError, Magnitude, Relevance};
pub use nightly::{Baseline, NightlyPolicy, Verdict, judge};
pub use positive::{Pairs, PositiveSample};
pub use power::{Noise, RoundsNeeded, SpreadError, fewest_rounds};
pub use sample::{Sample, SampleError};
pub use summary::Summary;
