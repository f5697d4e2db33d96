//! Tracks on which nothing overlaps: viewers draw what overlaps on one track in the wrong place or not at all. Not for: what
//! is drawn.

use crate::analysis::Stretch;

/// Something on a track, with what lies in it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bar<T> {
    pub stretch: Stretch,
    pub what: T,
    pub inner: Vec<Bar<T>>,
}

impl<T> Bar<T> {
    pub fn new(stretch: Stretch, what: T) -> Self {
        Self {
            stretch,
            what,
            inner: Vec::new(),
        }
    }

    /// Puts these into it, but for those that don't lie in it or overlap: they come back.
    #[must_use]
    pub fn fill(&mut self, mut bars: Vec<Self>) -> Vec<Self> {
        bars.sort_by_key(|bar| bar.stretch);
        let mut free = self.inner.last().map_or(self.stretch.start, |bar| bar.stretch.end);
        let mut outer = Vec::new();
        for bar in bars {
            if self.stretch.contains(bar.stretch) && bar.stretch.start >= free {
                free = bar.stretch.end;
                self.inner.push(bar);
            } else {
                outer.push(bar);
            }
        }
        outer
    }
}

/// Groups of tracks by name, in the order in which they were first named.
#[derive(Debug)]
pub(super) struct Tracks<T> {
    groups: Vec<(String, Vec<Bar<T>>)>,
}

impl<T> Tracks<T> {
    pub const fn new() -> Self {
        Self { groups: Vec::new() }
    }

    /// Adds something to a group.
    pub fn add(&mut self, group: &str, bar: Bar<T>) {
        match self.groups.iter_mut().find(|(name, _)| name == group) {
            Some((_, bars)) => bars.push(bar),
            None => self.groups.push((group.to_owned(), vec![bar])),
        }
    }

    /// The tracks with their names: as few for each group as nothing overlaps on. The second of a group is `name (2)`.
    pub fn laid_out(self) -> Vec<(String, Vec<Bar<T>>)> {
        let mut tracks = Vec::new();
        for (name, mut bars) in self.groups {
            bars.sort_by_key(|bar| bar.stretch);
            let mut lanes: Vec<Vec<Bar<T>>> = Vec::new();
            for bar in bars {
                let is_free =
                    |lane: &&mut Vec<Bar<T>>| lane.last().is_none_or(|last| last.stretch.end <= bar.stretch.start);
                match lanes.iter_mut().find(is_free) {
                    Some(lane) => lane.push(bar),
                    None => lanes.push(vec![bar]),
                }
            }
            tracks.extend(lanes.into_iter().enumerate().map(|(at, lane)| match at {
                0 => (name.clone(), lane),
                _ => (format!("{name} ({})", at + 1), lane),
            }));
        }
        tracks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(start: u64, end: u64) -> Bar<()> {
        Bar::new(Stretch { start, end }, ())
    }

    #[test]
    fn what_overlaps_gets_a_track_of_its_own() {
        let mut tracks = Tracks::new();
        for (start, end) in [(10, 20), (0, 10), (15, 18), (16, 17), (20, 20), (20, 30)] {
            tracks.add("stage 0", bar(start, end));
        }
        tracks.add("builder", bar(0, 1));
        let told: Vec<(String, Vec<u64>)> = tracks
            .laid_out()
            .into_iter()
            .map(|(name, bars)| (name, bars.iter().map(|bar| bar.stretch.start).collect()))
            .collect();
        let expected = [
            ("stage 0", vec![0, 10, 20, 20]),
            ("stage 0 (2)", vec![15]),
            ("stage 0 (3)", vec![16]),
            ("builder", vec![0]),
        ];
        assert_eq!(told, expected.map(|(name, starts)| (name.to_owned(), starts)));
    }

    #[test]
    fn only_what_fits_lies_in_something() {
        let mut outer = bar(10, 20);
        let rest = outer.fill(vec![bar(12, 15), bar(9, 11), bar(14, 16), bar(15, 20), bar(20, 21)]);
        let starts = |bars: &[Bar<()>]| bars.iter().map(|bar| bar.stretch.start).collect::<Vec<_>>();
        assert_eq!(starts(&outer.inner), [12, 15]);
        assert_eq!(starts(&rest), [9, 14, 20]);
    }
}
