//! What schedules came across: an invariant that no schedule puts to the test says nothing.

use behest::lease::Lease;
use behest::user::refusal::{Budget, Refusal};

use crate::memory::Fault;

macro_rules! counters {
    ($($name:ident)*) => {
        #[derive(Clone, Debug, Default)]
        pub struct Seen { $(pub $name: u64,)* }

        impl Seen {
            pub fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }

            /// Each of them, several times.
            pub fn assert_all(&self) {
                let unseen: Vec<&str> = [$((stringify!($name), self.$name),)*].into_iter().filter(|(_, n)| *n < 5).map(|(name, _)| name).collect();
                assert!(unseen.is_empty(), "schedules hardly ever reach {unseen:?}: {self:#?}");
            }
        }
    };
}

counters! {
    begun settled expired granted_less in_instalments extended stopped stale
    generous long short single
    refused_rate refused_places refused_requests_day refused_tokens_day refused_tokens_month refused_usd_day refused_usd_month
    refused_busy refused_by_user
    second_ask overtaken renewals renewed given_back recalled unanswered late told
    lost doubled slow failed_before failed_after project_failed_before project_failed_after evicted evicted_project
    recalled_itself outlived
    erased came_back gone set_back project_set_back
    lowered raised switched_off switched_on budget_switched_on rolled_up used_whole_switched_on
    used_whole_rate used_whole_places used_whole_budget used_whole_after_loss used_whole_after_erasure next_day next_month
}

impl Seen {
    pub fn fail(&mut self, fault: Option<Fault>) {
        self.failed_before += u64::from(fault == Some(Fault::Before));
        self.failed_after += u64::from(fault == Some(Fault::After));
    }

    pub fn fail_project(&mut self, fault: Option<Fault>) {
        self.project_failed_before += u64::from(fault == Some(Fault::Before));
        self.project_failed_after += u64::from(fault == Some(Fault::After));
    }

    pub fn lease(&mut self, lease: &Lease) {
        *match lease.ttl_ms {
            900_000 => &mut self.generous,
            60_000 => &mut self.long,
            10_000 => &mut self.short,
            _ => &mut self.single,
        } += 1;
    }

    pub fn refuse(&mut self, refusal: &Refusal) {
        *match refusal {
            Refusal::Rate { scope, .. } if scope == "project" => &mut self.refused_rate,
            Refusal::Concurrency { whose, .. } if whose == "project" => &mut self.refused_places,
            Refusal::Busy { .. } => &mut self.refused_busy,
            Refusal::Quota { scope: Budget::ProjectRequestsPerDay, .. } => &mut self.refused_requests_day,
            Refusal::Quota { scope: Budget::ProjectTokensPerDay, .. } => &mut self.refused_tokens_day,
            Refusal::Quota { scope: Budget::ProjectTokensPerMonth, .. } => &mut self.refused_tokens_month,
            Refusal::Quota { scope: Budget::ProjectUsdPerDay, .. } => &mut self.refused_usd_day,
            Refusal::Quota { scope: Budget::ProjectUsdPerMonth, .. } => &mut self.refused_usd_month,
            _ => &mut self.refused_by_user,
        } += 1;
    }
}
