#!/usr/bin/env python3
"""Makes src/catalog/models.tsv: limits, capabilities, prices and last days of the models behind the providers we serve.

The facts come from one public table, the one in the PyPI package `litellm` (MIT), pinned by version and by digest.
Always holds: the same table makes the same bytes; rows are sorted by id, then provider, in plain ASCII; a price that is
not a whole number of pico-dollars per token is an error, never rounded.
Absent on purpose: prices per image, second, character or search; batch, flex and priority rates.

    scripts/catalogue.py                    download the pinned wheel, write the file
    scripts/catalogue.py --from DIR|WHEEL   the same from an unpacked wheel or a wheel file
    scripts/catalogue.py --check            write nothing; exit 1 unless the file is what would be written
"""

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from datetime import date
from decimal import Decimal
from pathlib import Path

VERSION = "1.109.1"
# Of the table, not of the wheel: wheels differ by platform, the table in them does not.
SHA256 = "8f8060d8ce7a40c91b995c74d6a27657543d49e3c1c53430dabd556f244392c6"
TABLE = "litellm/model_prices_and_context_window_backup.json"
OUTPUT = Path(__file__).resolve().parent.parent / "src" / "catalog" / "models.tsv"
MAX_BYTES = 200_000

# The table's name of a provider: our name, and the prefix that its ids have in the table (not always, and not on the wire).
PROVIDERS = {
    "openai": ("openai", "openai/"),
    "anthropic": ("anthropic", "anthropic/"),
    "gemini": ("gemini", "gemini/"),
    "groq": ("groq", "groq/"),
    "mistral": ("mistral", "mistral/"),
    "openrouter": ("openrouter", "openrouter/"),
    "deepseek": ("deepseek", "deepseek/"),
    "together_ai": ("together", "together_ai/"),
    "xai": ("xai", "xai/"),
    "cerebras": ("cerebras", "cerebras/"),
    "fireworks_ai": ("fireworks", "fireworks_ai/"),
    "fireworks_ai-embedding-models": ("fireworks", "fireworks_ai/"),
    "cloudflare": ("workers-ai", "cloudflare/"),
}
# `vertex_ai`, `vertex_ai-anthropic_models`, `vertex_ai-language-models`, …
VERTEX = ("vertex", "vertex_ai/")

MODES = {"chat": "c", "responses": "r", "embedding": "e", "moderation": "m"}

# One letter per capability; the letters are `catalog::Capability`.
FLAGS = {
    "t": "supports_function_calling",
    "s": "supports_response_schema",
    "r": "supports_reasoning",
    "k": "supports_prompt_caching",
    "i": "supports_vision",
    "d": "supports_pdf_input",
    "a": "supports_audio_input",
    "v": "supports_video_input",
    "A": "supports_audio_output",
    "w": "supports_web_search",
}
MODALITIES = {"image": "i", "audio": "a", "video": "v"}

PRICES = [
    "input_cost_per_token",
    "cache_read_input_token_cost",
    "cache_creation_input_token_cost",
    "output_cost_per_token",
    "input_cost_per_audio_token",
    "output_cost_per_audio_token",
    "cache_creation_input_token_cost_above_1hr",
]
LONG_PRICES = [*PRICES[:4], PRICES[6]]
COLUMNS = (
    "id provider mode flags context_window max_output input cached_input cache_write output audio_input audio_output "
    "cache_write_hour long_above long_input long_cached_input long_cache_write long_output long_cache_write_hour retired"
).split()

# Our own: the demo provider is not in any table. Its limits are those of an unknown model, and it costs nothing.
DEMO = ["demo-1", "demo", "c", "t", "32768", "4096", "0", "0", "0", "0"]

# Entries that are no model: a price class of Together's, and OpenAI's code containers.
NOT_MODELS = re.compile(r"together-ai-|openai/container$")


def main() -> int:
    args = arguments()
    with tempfile.TemporaryDirectory() as temp:
        table = read_table(Path(args.source) if args.source else download(Path(temp)))
    text = render(rows(table))
    if len(text) > MAX_BYTES:
        sys.exit(f"{len(text)} bytes: more than {MAX_BYTES}")
    if not args.check:
        OUTPUT.write_text(text, encoding="ascii", newline="\n")
        print(f"{OUTPUT.name}: {text.count(chr(10)) - 2} models, {len(text)} bytes")
    elif not OUTPUT.exists() or OUTPUT.read_bytes() != text.encode("ascii"):
        sys.exit(f"{OUTPUT.name} is not what this script makes: run scripts/catalogue.py")
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--from", dest="source", metavar="PATH", help=f"litellm {VERSION}: an unpacked wheel or a wheel file")
    parser.add_argument("--check", action="store_true", help="compare with the checked-in file, write nothing")
    return parser.parse_args()


def download(folder: Path) -> Path:
    """The pinned wheel; for one fixed platform, so that it is found wherever this runs."""
    target = ["--platform", "manylinux_2_28_x86_64", "--implementation", "cp", "--python-version", "3.11", "--abi", "abi3"]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
    subprocess.run([*pip, *target, "--dest", str(folder), f"litellm=={VERSION}"], check=True)
    return next(folder.glob("litellm-*.whl"))


def read_table(source: Path) -> dict:
    if source.is_dir():
        data = (source / TABLE).read_bytes()
    else:
        with zipfile.ZipFile(source) as wheel:
            data = wheel.read(TABLE)
    digest = hashlib.sha256(data).hexdigest()
    if digest != SHA256:
        sys.exit(f"the table is not that of litellm {VERSION}: its SHA-256 is {digest}")
    return json.loads(data, parse_float=Decimal)


def rows(table: dict) -> list[list[str]]:
    """One row per provider and id. Of two entries for one model, the one whose key names the provider counts."""
    chosen: dict[tuple[str, str], tuple[bool, list[str]]] = {}
    for key, entry in table.items():
        provider, prefix = provider_of(entry)
        if not provider or entry.get("mode") not in MODES or NOT_MODELS.match(key):
            continue
        named = key.startswith(prefix)
        row = row_of(key.removeprefix(prefix), provider, entry)
        if row and (named or (row[0], provider) not in chosen):
            chosen[row[0], provider] = (named, row)
    found = {at: row for at, (_, row) in chosen.items()}
    return sorted([*without_short_names(found), [*DEMO, *[""] * (len(COLUMNS) - len(DEMO))]])


def provider_of(entry: dict) -> tuple[str, str]:
    name = entry.get("litellm_provider", "")
    return VERTEX if name.split("-")[0] == "vertex_ai" else PROVIDERS.get(name, ("", ""))


def without_short_names(found: dict[tuple[str, str], list[str]]) -> list[list[str]]:
    """Fireworks' ids are `accounts/fireworks/models/x`; the table repeats most as `x`, which the look-up finds anyway."""
    long = {at[0].rsplit("/", 1)[1] for at in found if at[0].startswith("accounts/fireworks/")}
    return [row for (model, provider), row in found.items() if provider != "fireworks" or model not in long]


def row_of(model: str, provider: str, entry: dict) -> list[str] | None:
    window, output = count(entry, "max_input_tokens"), count(entry, "max_output_tokens")
    prices = [price(entry, name) for name in PRICES]
    if not window and not any(prices):
        return None
    if price(entry, "output_cost_per_reasoning_token") not in ("", prices[3]):
        sys.exit(f"{model}: reasoning has a price of its own, which needs a column")
    if entry["mode"] == "embedding":
        output = prices[3] = ""
    row = [model, provider, MODES[entry["mode"]], flags(entry), window, output, *prices, *long_context(model, entry), retired(entry)]
    if any(not re.fullmatch(r"[!-~]*", cell) for cell in row) or not model or model.startswith("#"):
        sys.exit(f"{model}: not plain ASCII")
    return row


def flags(entry: dict) -> str:
    found = {letter for letter, name in FLAGS.items() if entry.get(name) is True}
    found |= {letter for name, letter in MODALITIES.items() if name in entry.get("supported_modalities", [])}
    found |= {"A"} & {name[0].upper() for name in entry.get("supported_output_modalities", []) if name == "audio"}
    return "".join(letter for letter in FLAGS if letter in found)


def count(entry: dict, name: str) -> str:
    value = entry.get(name)
    if value is None or value == 0:
        return ""
    if int(value) != Decimal(value) or int(value) < 0:
        sys.exit(f"{name} is {value}: not a number of tokens")
    return str(int(value))


def price(entry: dict, name: str) -> str:
    """Dollars per token, as pico-dollars per token; the same number is micro-dollars per million tokens."""
    value = entry.get(name)
    if value is None:
        return ""
    pico = Decimal(value) * 10**12
    if pico != pico.to_integral_value() or pico < 0:
        sys.exit(f"{name} is {value}: not a whole number of pico-dollars")
    return str(int(pico))


def long_context(model: str, entry: dict) -> list[str]:
    """The prices of a request whose input is longer than a threshold; of several thresholds, the lowest."""
    named = [re.fullmatch(r"input_cost_per_token_above_(\d+)k_tokens", name) for name in entry]
    above = sorted(int(match[1]) for match in named if match)
    if not above:
        return [""] * 6
    if len(above) > 1:
        print(f"{model}: long-context prices above {above}k, the lowest is kept", file=sys.stderr)
    return [str(above[0] * 1000), *(price(entry, f"{name}_above_{above[0]}k_tokens") for name in LONG_PRICES)]


def retired(entry: dict) -> str:
    """The day on which the provider stops serving it, as days since 1970."""
    day = entry.get("deprecation_date")
    return "" if day is None else str((date.fromisoformat(day) - date(1970, 1, 1)).days)


def render(lines: list[list[str]]) -> str:
    # Two comment lines; `#` sorts before every id.
    head = [
        f"# From the table in litellm {VERSION} (PyPI), Copyright (c) 2023 Berri AI, MIT License. Made by scripts/catalogue.py.",
        "# " + "\t".join(COLUMNS),
    ]
    return "\n".join([*head, *("\t".join(line) for line in lines)]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
