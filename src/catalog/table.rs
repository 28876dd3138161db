//! The text of `models.tsv` and the search in it.
//!
//! Always holds: rows are sorted by id and then provider, in plain ASCII, after comment lines that begin with `#`; the
//! columns are those that `row` reads (`scripts/catalogue.py` writes both, tests check both).
//! Absent on purpose: names that are nearly the same (the caller tries them one by one).

use super::{Capabilities, LongContext, Mode, Model, Prices};

pub(super) const TEXT: &str = include_str!("models.tsv");

/// The row of this id; of this provider, or of the first one that has it.
pub(super) fn find(id: &str, provider: Option<&str>) -> Option<Model> {
    let wanted = |model: &Model| provider.is_none_or(|provider| provider == model.provider);
    let rows = TEXT.get(lower_bound(id)?..)?.lines();
    rows.take_while(|line| id_of(line) == id).filter_map(row).find(wanted)
}

/// All rows of this provider, by id.
pub(super) fn of(provider: &str) -> impl Iterator<Item = Model> {
    let of_it = move |line: &&str| line.split('\t').nth(1) == Some(provider);
    TEXT.lines().filter(of_it).filter_map(row)
}

/// Where the first line begins whose id is not less than this one. `None` only if the text were not what it always is.
fn lower_bound(id: &str) -> Option<usize> {
    let (mut low, mut high) = (0, TEXT.len());
    // `low` and `high` are always starts of lines (or the end), and each turn removes at least one line.
    while low < high {
        let middle = low.midpoint(high);
        let start = TEXT.get(low..middle)?.rfind('\n').map_or(low, |at| low + at + 1);
        let rest = TEXT.get(start..high)?;
        if id_of(rest) < id {
            low = start + rest.find('\n')? + 1;
        } else {
            high = start;
        }
    }
    Some(low)
}

fn id_of(line: &str) -> &str {
    line.split_once('\t').map_or(line, |(id, _)| id)
}

/// Reads one line. `None`: not a row.
pub(super) fn row(line: &'static str) -> Option<Model> {
    let mut cells = line.split('\t');
    let (id, provider) = (cells.next()?, cells.next()?);
    let mode = match cells.next()? {
        "c" => Mode::Chat,
        "r" => Mode::Responses,
        "e" => Mode::Embedding,
        "m" => Mode::Moderation,
        _ => return None,
    };
    let capabilities = Capabilities(cells.next()?);
    let mut number = || cells.next().and_then(|cell| cell.parse().ok());
    let (context_window, max_output) = (number(), number());
    let ordinary = [number(), number(), number(), number()];
    let prices = Prices { audio_input: number(), audio_output: number(), cache_write_hour: number(), ..text_prices(ordinary) };
    let above = number();
    let long = [number(), number(), number(), number()];
    let hour = number();
    let long = above.map(|above| LongContext { above, prices: Prices { cache_write_hour: hour, ..text_prices(long) } });
    Some(Model { id, provider, mode, capabilities, context_window, max_output, prices, long, retired: number() })
}

fn text_prices([input, cached_input, cache_write, output]: [Option<u64>; 4]) -> Prices {
    Prices { input, cached_input, cache_write, output, ..Prices::default() }
}
