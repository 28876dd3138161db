//! Time passes, mostly towards something: the edge of a window, a midnight; now and then it goes back a little, and the
//! project moves to another zone.

use super::World;
use super::ledger::DAY;

impl World {
    pub(super) fn time_passes(&mut self) {
        let boundary = self.rng.choice(self.ledger.requests.values()).map_or(self.now, |request| request.at + 60_000);
        let leap = if self.slow && self.rng.u8(..32) > 0 { 12 } else { 16 };
        let midnight = self.local.begins(self.local.day(self.now) + 1, self.now);
        self.now = match self.rng.u8(..leap) {
            0..5 => self.now + self.rng.u64(..2_000),
            5..8 => self.now + self.rng.u64(..40_000),
            8 | 9 => self.now.max(boundary),
            10 | 11 => self.now.max(boundary + 1),
            12 => self.now + 3_600_000,
            13 => midnight - self.rng.u64(..2),
            14 => self.now + self.rng.u64(..3) * DAY,
            _ => self.now - self.rng.u64(..5_000),
        };
    }

    /// The project moves to another zone, or back.
    pub(super) fn move_away(&mut self) {
        std::mem::swap(&mut self.local, &mut self.elsewhere);
        self.limits.zone = self.local.zone();
        self.seen.moved += 1;
    }
}
