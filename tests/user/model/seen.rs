//! What schedules came across: a property that no schedule puts to the test says nothing.

#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub admitted: u64,
    pub granted_less: u64,
    pub refused_rate: u64,
    pub refused_concurrency: u64,
    pub refused_requests: u64,
    pub refused_tokens_day: u64,
    pub refused_tokens_month: u64,
    pub refused_usd_day: u64,
    pub refused_usd_month: u64,
    pub granted_less_usd: u64,
    pub next_month: u64,
    pub moved: u64,
    pub earlier_day: u64,
    pub repeated_begin: u64,
    pub conflict: u64,
    pub progressed: u64,
    pub in_instalments: u64,
    pub extended: u64,
    pub extended_beyond: u64,
    pub extended_after_midnight: u64,
    pub not_extended: u64,
    pub settled: u64,
    pub repeated_finish: u64,
    pub stored_late: u64,
    pub appended_instead: u64,
    pub deleted: u64,
    pub expired_by_begin: u64,
    pub expired_by_alarm: u64,
    pub failed_before: u64,
    pub failed_after: u64,
    pub crashed: u64,
    pub given_private: u64,
    pub outdated_private: u64,
    pub checkpoints: u64,
    pub pruned: u64,
    pub acknowledged: u64,
    /// Only busy schedules get there.
    pub totals_by_finish: u64,
}

impl Seen {
    fn counts(&mut self) -> [(&'static str, &mut u64); 36] {
        [
            ("admitted", &mut self.admitted),
            ("granted_less", &mut self.granted_less),
            ("refused_rate", &mut self.refused_rate),
            ("refused_concurrency", &mut self.refused_concurrency),
            ("refused_requests", &mut self.refused_requests),
            ("refused_tokens_day", &mut self.refused_tokens_day),
            ("refused_tokens_month", &mut self.refused_tokens_month),
            ("refused_usd_day", &mut self.refused_usd_day),
            ("refused_usd_month", &mut self.refused_usd_month),
            ("granted_less_usd", &mut self.granted_less_usd),
            ("next_month", &mut self.next_month),
            ("moved", &mut self.moved),
            ("earlier_day", &mut self.earlier_day),
            ("repeated_begin", &mut self.repeated_begin),
            ("conflict", &mut self.conflict),
            ("progressed", &mut self.progressed),
            ("in_instalments", &mut self.in_instalments),
            ("extended", &mut self.extended),
            ("extended_beyond", &mut self.extended_beyond),
            ("extended_after_midnight", &mut self.extended_after_midnight),
            ("not_extended", &mut self.not_extended),
            ("settled", &mut self.settled),
            ("repeated_finish", &mut self.repeated_finish),
            ("stored_late", &mut self.stored_late),
            ("appended_instead", &mut self.appended_instead),
            ("deleted", &mut self.deleted),
            ("expired_by_begin", &mut self.expired_by_begin),
            ("expired_by_alarm", &mut self.expired_by_alarm),
            ("failed_before", &mut self.failed_before),
            ("failed_after", &mut self.failed_after),
            ("crashed", &mut self.crashed),
            ("given_private", &mut self.given_private),
            ("outdated_private", &mut self.outdated_private),
            ("checkpoints", &mut self.checkpoints),
            ("pruned", &mut self.pruned),
            ("acknowledged", &mut self.acknowledged),
        ]
    }

    pub fn add(&mut self, other: &Self) {
        let mut other = other.clone();
        for ((_, sum), (_, count)) in self.counts().into_iter().zip(other.counts()) {
            *sum += *count;
        }
        self.totals_by_finish += other.totals_by_finish;
    }

    pub fn assert_all(&mut self) {
        let unseen: Vec<&str> = self.counts().into_iter().filter(|(_, count)| **count < 5).map(|(name, _)| name).collect();
        assert!(unseen.is_empty(), "schedules hardly ever reach {unseen:?}: {self:?}");
    }
}
