// What the user set for coming requests: model, system prompt, sampling, sample tools or schema.
// Remembered between visits; whatever is unreadable falls back to the default. No secrets here.
import { asObject, parseJson } from "../wire/json";
import { keep, recall } from "../session/storage";

export type Sample = "none" | "tools" | "schema";

export interface Preferences {
  /** Empty: the project's default model. */
  model: string;
  system: string;
  temperature: number | undefined;
  maxTokens: number | undefined;
  sample: Sample;
}

export const DEFAULTS: Preferences = {
  model: "",
  system: "",
  temperature: undefined,
  maxTokens: undefined,
  sample: "none",
};

export function recallPreferences(): Preferences {
  return readPreferences(recall("browser", "preferences") ?? "");
}

export function keepPreferences(preferences: Preferences): void {
  keep("browser", "preferences", JSON.stringify(preferences));
}

export function readPreferences(text: string): Preferences {
  const stored = asObject(parseJson(text)) ?? {};
  const { model, system, temperature, maxTokens, sample } = stored;
  return {
    model: typeof model === "string" ? model : DEFAULTS.model,
    system: typeof system === "string" ? system : DEFAULTS.system,
    temperature: readTemperature(temperature),
    maxTokens: readMaxTokens(maxTokens),
    sample: sample === "tools" || sample === "schema" ? sample : "none",
  };
}

/** 0 to 2, else unset. */
export function readTemperature(value: unknown): number | undefined {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  return typeof number === "number" && number >= 0 && number <= 2 ? number : undefined;
}

/** A whole number from 1, else unset. */
export function readMaxTokens(value: unknown): number | undefined {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  return typeof number === "number" && Number.isInteger(number) && number >= 1 ? number : undefined;
}
