// SPDX-License-Identifier: GPL-2.0

//! When to kill a load, so that its session is given up in each phase.

use std::time::Duration;

use super::victim::Phase;

/// The first load is killed when so many hundredths of its time are over: somewhere in the rewriting,
/// which comes behind the verification.
const FIRST: u32 = 80;
/// From one load to the next the timer changes by this part of the load's time at first, and by
/// [`FINEST`] at last. Loads differ by more on a busy machine, and linearize takes about as long.
const COARSEST: u32 = 10;
const FINEST: u32 = 40;

/// When to kill the next load: moves towards the end of linearize, by smaller steps each time it has
/// gone past it.
pub struct Timer {
    pub delay: Duration,
    step: Duration,
    finest: Duration,
    was_later: bool,
}

impl Timer {
    pub fn new(whole: Duration) -> Self {
        Self {
            delay: whole * FIRST / 100,
            step: whole / COARSEST,
            finest: whole / FINEST,
            was_later: true,
        }
    }

    pub fn adjust(&mut self, phase: Phase) {
        let later = phase != Phase::After;
        if later != self.was_later {
            self.step = (self.step / 2).max(self.finest);
        }
        self.was_later = later;
        self.delay = match later {
            true => self.delay + self.step,
            false => self.delay.saturating_sub(self.step),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timer_closes_in() {
        let end = Duration::from_millis(837);
        let mut timer = Timer::new(Duration::from_millis(1_000));
        for _ in 0..20 {
            let phase = match timer.delay < end {
                true => Phase::Recording,
                false => Phase::After,
            };
            timer.adjust(phase);
        }
        assert!(timer.delay.abs_diff(end) <= timer.finest);
        assert_eq!(timer.step, timer.finest);
    }
}
