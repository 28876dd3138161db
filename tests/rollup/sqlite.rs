//! The ledger's SQL against the store in memory that the other tests trust: the same writes, then the same rows and answers.
//!
//! Absent on purpose: the platform (tests/worker).

use std::collections::BTreeMap;

use behest::lease::schema as lease;
use behest::rollup::schema::{self, SCHEMA};
use behest::rollup::store::{Applied, DetailRow, Scan, TotalRow};
use behest::rollup::usage::{By, GroupKey, UsageQuery};
use behest::rollup::{Store, Write};
use behest::user::schema::Bind;
use serde_json::{Value, json};

use crate::memory::Memory;
use crate::script::Script;

impl Script {
    fn write(&mut self, store: &mut Memory, write: Write) {
        for statement in schema::statements(&write) {
            self.push(&statement, None);
        }
        store.commit(&[write]).unwrap();
    }

    /// What the store in memory answers, SQLite must answer.
    fn ask(&mut self, store: &Memory, rng: &mut fastrand::Rng) {
        let some = |rng: &mut fastrand::Rng| rng.bool();
        let hours = rng.choice([None, Some(1), Some(24)]).unwrap();
        let by = By {
            hours,
            user: some(rng),
            session: some(rng),
            model: some(rng),
            provider: some(rng),
            key_source: some(rng),
            status: some(rng),
        };
        let mut query = UsageQuery { from: rng.u64(..60), to: rng.u64(..90), by, after: None, limit: rng.u64(1..9) };
        for _ in 0..3 {
            let rows = store.sums(&query).unwrap();
            self.push(&schema::sums(&query), Some(rows.iter().map(total_row).collect()));
            query.after = rows.last().map(GroupKey::of);
        }
        // Nobody's id is empty.
        let user = some(rng).then(|| user(rng)).filter(|user| !user.is_empty());
        let scan = Scan {
            below: (rng.u64(..99), String::new(), rng.u64(..9)),
            from: rng.u64(..60),
            to: rng.u64(..99),
            user,
            limit: rng.u64(1..9),
        };
        self.push(&schema::details(&scan), Some(store.details(&scan).unwrap().iter().map(detail_row).collect()));
        self.ask_spent(store, rng);
        let (since, limit) = (rng.u64(..99), rng.u64(..5));
        let recent: Value = store.recent(since, limit).unwrap().into_iter().map(|user| json!([user])).collect();
        self.push(&(schema::RECENT, vec![since.into(), limit.into()]), Some(recent));
        self.push(&(schema::OLDEST_DETAIL, vec![]), Some(json!([[store.oldest_detail().unwrap()]])));
        self.push(&(schema::OLDEST_ERASURE, vec![]), Some(json!([[store.oldest_erasure().unwrap()]])));
    }

    /// What a budget that is switched on asks of the sums.
    fn ask_spent(&mut self, store: &Memory, rng: &mut fastrand::Rng) {
        let from = rng.u64(..60);
        let to = from + rng.u64(1..30);
        let mut users: BTreeMap<&str, [u64; 3]> = BTreeMap::new();
        for row in store.rows.totals.values().filter(|row| (from..to).contains(&row.hour)) {
            let sums = users.entry(&row.user).or_default();
            for (sum, more) in sums.iter_mut().zip([row.requests, row.input + row.output, row.micro_usd]) {
                *sum = (*sum + more).min((1 << 53) - 1);
            }
        }
        let row = |(user, [requests, tokens, micro_usd]): (&str, [u64; 3])| json!([user, requests, tokens, micro_usd]);
        let user = user(rng);
        let one: Value = users.get_key_value(user.as_str()).map(|(user, sums)| row((user, *sums))).into_iter().collect();
        self.push(&(lease::SPENT_OF, vec![from.into(), to.into(), Bind::Text(user.into())]), Some(one));
        self.push(&(lease::SPENT, vec![from.into(), to.into()]), Some(users.into_iter().map(row).collect()));
    }

    /// Every row of every table.
    fn ask_all(&mut self, store: &Memory) {
        let rows = &store.rows;
        let totals: Value = rows.totals.values().map(total_row).collect();
        let details: Value = rows.details.values().map(detail_row).collect();
        let applied: Value = rows.applied.iter().map(|(user, (applied, at))| json!([user, applied.epoch, applied.through, at])).collect();
        let erased: Value = rows.erased.iter().map(|(user, (epoch, at))| json!([user, epoch, at])).collect();
        for (sql, expected) in [
            ("SELECT * FROM totals ORDER BY hour, user, session, model, provider, key_source, status", totals),
            ("SELECT newest_at, user, through, oldest_at, body FROM details ORDER BY newest_at, user, through", details),
            ("SELECT * FROM applied ORDER BY user", applied),
            ("SELECT * FROM erased ORDER BY user", erased),
        ] {
            self.push(&(sql, vec![]), Some(expected));
        }
    }
}

fn total_row(row: &TotalRow) -> Value {
    let (hour, texts) = row.key();
    let texts = texts.into_iter().map(Value::from);
    core::iter::once(json!(hour)).chain(texts).chain(row.numbers().map(Value::from)).collect()
}

fn detail_row(row: &DetailRow) -> Value {
    json!([row.newest_at, row.user, row.through, row.oldest_at, row.body])
}

fn user(rng: &mut fastrand::Rng) -> String {
    (*rng.choice(&["", "ann", "böb", "it's", "100"]).unwrap()).to_owned()
}

fn total(rng: &mut fastrand::Rng) -> TotalRow {
    let mut text = |texts: [&str; 2]| (*rng.choice(&texts).unwrap()).to_owned();
    let (session, model, provider) = (text(["s", "7"]), text(["m", "ü"]), text(["p", "q"]));
    let (key_source, status) = (text(["byok", "platform"]), text(["completed", "failed"]));
    // Now and then a number at which sums stop.
    let micro_usd = if rng.u8(..8) == 0 { (1 << 53) - 1 } else { rng.u64(..1_000) };
    let (hour, requests, input, audio_output) = (rng.u64(..60), 1, rng.u64(..100), rng.u64(..3));
    TotalRow {
        hour,
        user: user(rng),
        session,
        model,
        provider,
        key_source,
        status,
        requests,
        input,
        audio_output,
        micro_usd,
        ..TotalRow::default()
    }
}

fn write(rng: &mut fastrand::Rng) -> Write {
    match rng.u8(..20) {
        0..9 => Write::AddTotal(total(rng)),
        9..14 => {
            let (newest_at, through) = (rng.u64(..90), rng.u64(..9));
            let oldest_at = newest_at - rng.u64(..=newest_at.min(9));
            Write::PutDetail(DetailRow { newest_at, user: user(rng), through, oldest_at, body: "[]".to_owned() })
        }
        14..17 => Write::PutApplied { user: user(rng), applied: Applied { epoch: rng.u64(..3), through: rng.u64(..9) }, at: rng.u64(..99) },
        17 => Write::PruneDetails { before: rng.u64(..40), limit: rng.u64(1..5) },
        18 => Write::PruneErasures { before: rng.u64(..60) },
        _ => Write::Forget { user: "ann".to_owned(), epoch: rng.u64(..4), at: rng.u64(..99) },
    }
}

#[test]
fn sqlite_does_what_the_store_in_memory_does() {
    let (mut store, mut script, mut rng) = (Memory::default(), Script::default(), fastrand::Rng::with_seed(7));
    for statement in SCHEMA {
        script.push(&(statement, vec![]), None);
    }
    for round in 0..30 {
        for _ in 0..100 {
            let write = write(&mut rng);
            script.write(&mut store, write);
            script.ask(&store, &mut rng);
        }
        script.ask_all(&store);
        if round % 10 == 9 {
            script.write(&mut store, Write::Wipe);
            script.ask_all(&store);
        }
    }
    script.run();
}
