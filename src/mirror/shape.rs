//! The shaped link. The model: one queue for everything that goes to the builds, drained at the link's rate, whoever it
//! belongs to, as one cable would; and each answer is held back by the latency before its first byte. Not in it: loss,
//! TCP's slow start, the handshake of a connection, and the way from the builds to the mirror, which carries little.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::units::Link;

/// How far the queue may run ahead of the clock: timers are no finer than a millisecond, and what is sent a little early
/// now is made up for by the next wait, so the rate stays exact.
const SLACK: Duration = Duration::from_millis(2);

/// How far the queue may run behind the clock before time is lost to it: a connection wakes late by a timer's tick, and the
/// link would have gone on sending. It is also all that an idle link saves up.
const DEPTH: Duration = Duration::from_millis(20);

/// A link that connections share.
#[derive(Debug, Default)]
pub struct Shaper {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    link: Link,
    /// When all that has been accepted will have been sent; `None` before anything was.
    free_at: Option<Instant>,
}

impl Shaper {
    /// From now on this link.
    pub fn set(&self, link: Link) {
        *self.state() = State { link, free_at: None };
    }

    /// The link.
    pub fn link(&self) -> Link {
        self.state().link
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds an answer back.
    pub async fn delay(&self) {
        let latency = self.link().latency;
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
    }

    /// The most to send at once: small enough that connections take turns, and that a slow link is smooth.
    pub fn chunk(&self) -> usize {
        match self.link().bits_per_second {
            None => usize::MAX,
            // 5 ms of the link, between one packet and what is read at once.
            Some(rate) => usize::try_from(rate / 8 / 200)
                .unwrap_or(usize::MAX)
                .clamp(1_448, 256 * 1024),
        }
    }

    /// Waits until the link has carried so many bytes more.
    pub async fn carry(&self, bytes: usize) {
        let until = {
            let mut state = self.state();
            let Some(rate) = state.link.bits_per_second else {
                return;
            };
            let now = Instant::now();
            let start = match state.free_at {
                Some(free_at) => free_at.max(now.checked_sub(DEPTH).unwrap_or(now)),
                None => now,
            };
            #[allow(clippy::cast_precision_loss, reason = "a chunk is small")]
            let takes = Duration::from_secs_f64(bytes as f64 * 8.0 / rate as f64);
            let until = start + takes;
            state.free_at = Some(until);
            until
        };
        if until > Instant::now() + SLACK {
            tokio::time::sleep_until(until).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shaped(text: &str) -> Shaper {
        let shaper = Shaper::default();
        shaper.set(text.parse().expect("a link"));
        shaper
    }

    /// How long so many connections take to send so much each, by tokio's paused clock.
    async fn takes(shaper: &Shaper, connections: usize, bytes: usize) -> f64 {
        let started = Instant::now();
        let send = || async {
            let mut left = bytes;
            while left > 0 {
                let part = left.min(shaper.chunk());
                shaper.carry(part).await;
                left -= part;
            }
        };
        futures_util::future::join_all((0..connections).map(|_| send())).await;
        started.elapsed().as_secs_f64()
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_holds_for_all_connections_together() {
        for (link, connections, bytes, expected) in [
            ("10mbit", 1, 1_250_000, 1.0),
            ("10mbit", 8, 1_250_000, 8.0),
            ("1gbit", 8, 12_500_000, 0.8),
            ("64kbit", 2, 8_000, 2.0),
        ] {
            let took = takes(&shaped(link), connections, bytes).await;
            assert!((took / expected - 1.0).abs() < 0.01, "{link}: {took} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_link_saves_next_to_nothing_up() {
        let shaper = shaped("10mbit");
        takes(&shaper, 1, 1_250_000).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let took = takes(&shaper, 1, 1_250_000).await;
        assert!((0.975..1.0).contains(&took), "{took} s");
    }

    #[tokio::test(start_paused = true)]
    async fn an_unshaped_link_waits_for_nothing() {
        let shaper = Shaper::default();
        shaper.delay().await;
        assert!(takes(&shaper, 8, 1 << 30).await < 1e-6);
        let shaper = shaped("20ms");
        let started = Instant::now();
        shaper.delay().await;
        assert_eq!(started.elapsed(), Duration::from_millis(20));
    }
}
