//! The data file is what the search needs, and the search finds what is in it.

use super::*;

const COLUMNS: &str = "# id provider mode flags context_window max_output input cached_input cache_write output audio_input \
    audio_output cache_write_hour long_above long_input long_cached_input long_cache_write long_output long_cache_write_hour retired";

fn lines() -> impl Iterator<Item = &'static str> {
    table::TEXT.lines().skip_while(|line| line.starts_with('#'))
}

#[test]
fn the_file_is_sorted_and_well_formed() {
    assert!(table::TEXT.is_ascii() && table::TEXT.ends_with('\n') && !table::TEXT.contains('\r'));
    assert!(table::TEXT.len() < 200_000, "{} bytes", table::TEXT.len());
    assert!(lines().count() > 500, "{} rows", lines().count());
    let header = table::TEXT.lines().take_while(|line| line.starts_with('#')).last();
    assert_eq!(header.map(|line| line.replace('\t', " ")).as_deref(), Some(COLUMNS));
    let keys: Vec<_> = lines().map(|line| line.split('\t').take(2).collect::<Vec<_>>()).collect();
    assert!(keys.is_sorted_by(|a, b| a < b), "sorted by id and provider, each pair once");
}

#[test]
fn every_row_parses_whole() {
    for line in lines() {
        let cells: Vec<_> = line.split('\t').collect();
        assert_eq!(cells.len(), COLUMNS.split(' ').count() - 1, "{line}");
        let model = table::row(line).unwrap_or_else(|| panic!("{line}"));
        assert_eq!(rendered(&model), cells[4..], "{line}");
        assert!(cells[3].chars().all(|letter| "tsrkidavAw".contains(letter)), "{line}");
        assert!(model.context_window != Some(0) && model.max_output != Some(0), "{line}");
        // More than a dollar per 1,000 tokens is a slip of the decimal point.
        assert!(model.prices.input.max(model.prices.output) <= Some(1_000_000_000), "{line}");
    }
}

/// The numbers of a row as the file writes them: what a wrong cell would not survive.
fn rendered(model: &Model) -> Vec<String> {
    let text = |p: Prices| [p.input, p.cached_input, p.cache_write, p.output];
    let mut cells = vec![model.context_window, model.max_output];
    cells.extend(text(model.prices));
    let long = model.long.map(|long| long.prices).unwrap_or_default();
    cells.extend([model.prices.audio_input, model.prices.audio_output, model.prices.cache_write_hour]);
    cells.push(model.long.map(|long| long.above));
    cells.extend(text(long));
    cells.extend([long.cache_write_hour, model.retired]);
    cells.into_iter().map(|cell| cell.map_or_else(String::new, |number| number.to_string())).collect()
}

#[test]
fn the_search_finds_what_a_scan_finds() {
    let rows: Vec<_> = lines().filter_map(table::row).collect();
    for model in &rows {
        assert_eq!(find(model.provider, model.id).as_ref(), Some(model));
        let first = rows.iter().find(|row| row.id == model.id);
        assert_eq!(find("openai-compatible", model.id).as_ref(), first);
        // Neighbours of each id that are not ids themselves.
        for absent in [format!("{}\u{1}", model.id), format!("{}~", model.id), model.id[..model.id.len() - 1].to_owned()] {
            let scanned = rows.iter().find(|row| row.id == absent);
            assert_eq!(table::find(&absent, None).as_ref(), scanned, "{absent}");
        }
    }
}

#[test]
fn well_known_models_have_their_limits() {
    let cases = [
        ("openai", "gpt-4o", 128_000, 16_384),
        ("openai", "gpt-4o-mini", 128_000, 16_384),
        ("openai", "gpt-4.1", 1_047_576, 32_768),
        ("openai", "gpt-5", 272_000, 128_000),
        ("openai", "o3", 200_000, 100_000),
        ("anthropic", "claude-sonnet-4-5", 200_000, 64_000),
        ("anthropic", "claude-haiku-4-5", 200_000, 64_000),
        ("gemini", "gemini-2.5-pro", 1_048_576, 65_536),
        ("vertex", "claude-haiku-4-5", 200_000, 64_000),
        ("openai-compatible", "deepseek-chat", 131_072, 8_192),
        ("groq", "openai/gpt-oss-120b", 131_072, 65_536),
        ("workers-ai", "@cf/meta/llama-3.3-70b-instruct-fp8-fast", 24_000, 12_000),
        ("demo", "demo-1", 32_768, 4_096),
    ];
    for (kind, model, window, output) in cases {
        assert!(find(kind, model).is_some(), "{kind} {model}");
        assert_eq!(limits(kind, model), (window, output), "{kind} {model}");
    }
}

#[test]
fn prices_are_pico_dollars_per_token() {
    // $2.50 and $10 per million tokens, $1.25 for cached input.
    let model = find("openai", "gpt-4o").unwrap();
    let text = Prices { input: Some(2_500_000), cached_input: Some(1_250_000), output: Some(10_000_000), ..Prices::default() };
    assert_eq!((model.mode, model.prices, model.long), (Mode::Chat, text, None));
    // Twice the price above 200,000 tokens.
    let long = find("gemini", "gemini-2.5-pro").unwrap().long.unwrap();
    assert_eq!((long.above, long.prices.input, long.prices.output), (200_000, Some(2_500_000), Some(15_000_000)));
    assert_eq!(find("demo", "any-name").unwrap().prices.output, Some(0));
}

#[test]
fn names_are_found_in_other_spellings() {
    let cases = [
        ("openai", "gpt-4o-2024-08-06", Some("gpt-4o-2024-08-06")),
        ("openai", "gpt-4o-2031-01-01", Some("gpt-4o")),
        ("openai", "openai/gpt-4o-2031-01-01", Some("gpt-4o")),
        ("openai", "ft:gpt-4o-mini-2024-07-18:acme::abc", Some("ft:gpt-4o-mini-2024-07-18")),
        ("anthropic", "claude-sonnet-4-5-20310101", Some("claude-sonnet-4-5")),
        ("vertex", "claude-sonnet-4-5@20310101", Some("claude-sonnet-4-5")),
        ("vertex", "publishers/google/models/gemini-2.5-flash", Some("gemini-2.5-flash")),
        ("gemini", "models/gemini-2.5-flash", Some("gemini-2.5-flash")),
        ("openai-compatible", "anthropic/claude-sonnet-4-5", Some("claude-sonnet-4-5")),
        ("openai-compatible", "a/b/c/gpt-4o", Some("gpt-4o")),
        ("openai-compatible", "a/b/c/d/gpt-4o", None),
        ("openai", "claude-sonnet-4-5", None),
        ("anthropic", "gpt-4o", None),
        ("openai", "gpt-4", Some("gpt-4")),
        ("openai", "gpt-4-nonesuch", None),
        ("openai", "", None),
        ("openai", "/", None),
        ("openai", "@2024", None),
        ("openai", "-2024-08-06", None),
        ("openai", "# id", None),
        ("openai-compatible", "# id", None),
        ("openai-compatible", "größe-2024-08-06", None),
        ("openai-compatible", "gpt-4o\tx", None),
        ("nonesuch", "gpt-4o", None),
    ];
    for (kind, name, id) in cases {
        assert_eq!(find(kind, name).map(|model| model.id), id, "{kind} {name}");
    }
}

#[test]
fn an_unknown_model_has_the_defaults() {
    assert_eq!(limits("openai-compatible", "nonesuch"), (DEFAULT_CONTEXT_WINDOW, DEFAULT_MAX_OUTPUT));
    // The window is not in the data set, the model is.
    let model = find("openai", "gpt-5.5-cyber").unwrap();
    assert_eq!((model.context_window, limits("openai", "gpt-5.5-cyber")), (None, (DEFAULT_CONTEXT_WINDOW, DEFAULT_MAX_OUTPUT)));
    for model in lines().filter_map(table::row) {
        let (window, output) = limits(model.provider, model.id);
        assert!(output > 0 && output <= window / 2, "{}", model.id);
    }
}

#[test]
fn all_models_of_a_provider_are_listed_once() {
    let all: Vec<_> = all("anthropic").collect();
    assert!(all.len() > 15 && all.iter().all(|model| model.provider == "anthropic"));
    assert!(all.is_sorted_by(|a, b| a.id < b.id));
    assert_eq!(super::all("demo").map(|model| model.id).collect::<Vec<_>>(), ["demo-1"]);
    assert_eq!(super::all("").count() + super::all("provider").count(), 0);
}

/// 2026-10-23, as OpenAI announced it; and no day where none is announced.
#[test]
fn last_days_are_read() {
    assert_eq!(find("openai", "gpt-4-0613").unwrap().retired, Some(20_749));
    assert_eq!(find("openai", "gpt-4o").unwrap().retired, None);
}

#[test]
fn capabilities_are_read() {
    let model = find("gemini", "gemini-2.5-pro").unwrap();
    for has in [Capability::Tools, Capability::Reasoning, Capability::ImageInput, Capability::AudioInput, Capability::DocumentInput] {
        assert!(model.capabilities.has(has), "{has:?}");
    }
    assert!(!model.capabilities.has(Capability::AudioOutput));
    assert_eq!(find("openai", "text-embedding-3-small").unwrap().mode, Mode::Embedding);
}
