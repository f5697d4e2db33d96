//! Statistics: samples and what is said of them. Pure functions of numbers; not for anything that knows what a
//! phase, a scenario or a unit is.

mod sample;
mod summary;

pub use sample::{Sample, SampleError};
pub use summary::Summary;
