//! Which threshold of a budget is passed.
//!
//! Always holds: only what lies above the last one that was told counts, and of several at once only the highest.

/// The highest threshold (per cent) that `used` of `limit` has reached, if it is above the one that was told last.
pub fn passed(thresholds: &[u8], limit: u64, used: u64, told: u8) -> Option<u8> {
    let reached = |threshold: u8| u128::from(used) * 100 >= u128::from(limit) * u128::from(threshold);
    thresholds.iter().copied().filter(|threshold| *threshold > told && limit > 0 && reached(*threshold)).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_that_is_new() {
        let all = [50, 80, 100];
        for (limit, used, told, expected) in [
            (100, 0, 0, None),
            (100, 49, 0, None),
            (100, 50, 0, Some(50)),
            (100, 79, 0, Some(50)),
            (100, 79, 50, None),
            (100, 80, 50, Some(80)),
            (100, 250, 0, Some(100)),
            (100, 250, 100, None),
            (3, 1, 0, None),
            (3, 2, 0, Some(50)),
            (0, 0, 0, None),
            (0, 5, 0, None),
            (u64::MAX, u64::MAX - 1, 0, Some(80)),
        ] {
            assert_eq!(passed(&all, limit, used, told), expected, "{used} of {limit}, told {told}");
        }
        assert_eq!(passed(&[], 100, 100, 0), None);
    }
}
