//! Local time, told slowly: which day a moment is, and when another begins, by walking from quarter to quarter of an hour.
//!
//! Always holds: offsets and their changes are whole quarters, as on this earth. Absent on purpose: anything of `behest::zone`
//! but the table that a request carries.

use behest::zone::Zone;

use super::ledger::DAY;

const QUARTER: u64 = 900_000;
/// UTC, Berlin, Kathmandu, Newfoundland, Kiritimati, Pago Pago: in seconds.
const OFFSETS: [i64; 6] = [0, 3_600, 20_700, -12_600, 50_400, -39_600];

/// From which moment on (epoch ms) local time is so many seconds ahead of UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local(Vec<(u64, i64)>);

impl Local {
    /// A zone in whose first offset a day begins at `midnight`, more or less; every second one changes about then, some to
    /// the other side of the earth.
    pub fn some(rng: &mut fastrand::Rng, midnight: u64) -> (Self, u64) {
        let mut offset = *rng.choice(&OFFSETS).unwrap();
        let near = midnight.checked_add_signed(-offset * 1000).unwrap();
        let mut local = Self(vec![(0, offset)]);
        let mut at = near - 4 * QUARTER;
        for _ in 0..rng.u8(..5) / 2 {
            at += rng.u64(1..8) * QUARTER;
            offset += *rng.choice(&[3_600, -3_600, 1_800, -1_800, if offset < 0 { 86_400 } else { -86_400 }]).unwrap();
            offset = offset.clamp(-43_200, 50_400);
            local.0.push((at, offset));
        }
        (local, near)
    }

    /// As requests carry it.
    pub fn zone(&self) -> Zone {
        let (_, first) = self.0[0];
        self.0[1..].iter().fold(Zone::fixed(first), |zone, (at, offset)| zone.then(*at, *offset))
    }

    pub fn day(&self, at: u64) -> u64 {
        let mut offset = 0;
        for (from, ahead) in &self.0 {
            if *from <= at {
                offset = *ahead;
            }
        }
        at.checked_add_signed(offset * 1000).unwrap() / DAY
    }

    /// The first moment after `at` at which it is this day or a later one.
    pub fn begins(&self, day: u64, at: u64) -> u64 {
        let mut quarter = at / QUARTER + 1;
        while self.day(quarter * QUARTER) < day {
            quarter += 1;
        }
        quarter * QUARTER
    }
}
