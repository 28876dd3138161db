// Sample tools and a sample schema, for showing tool calls and structured replies, and the canned
// answers the page offers for its tools. Nothing here runs anything.
import { asObject, asString, parseJson, type Json } from "../wire/json";

export const SAMPLE_TOOLS: Json = [
  {
    type: "function",
    function: {
      name: "get_weather",
      description: "The weather in a city right now.",
      parameters: {
        type: "object",
        properties: { city: { type: "string", description: "For example: Oslo" } },
        required: ["city"],
        additionalProperties: false,
      },
    },
  },
  {
    type: "function",
    function: {
      name: "get_time",
      description: "The local time in a time zone.",
      parameters: {
        type: "object",
        properties: { time_zone: { type: "string", description: "IANA name, for example Europe/Oslo" } },
        required: ["time_zone"],
        additionalProperties: false,
      },
    },
  },
];

export const SAMPLE_SCHEMA: Json = {
  type: "json_schema",
  json_schema: {
    name: "place",
    strict: true,
    schema: {
      type: "object",
      properties: {
        name: { type: "string" },
        country: { type: "string" },
        population: { type: "integer" },
        known_for: { type: "array", items: { type: "string" } },
      },
      required: ["name", "country", "population", "known_for"],
      additionalProperties: false,
    },
  },
};

/** A plausible answer to a call, for the user to send as it is or to change. */
export function sampleResult(name: string, args: string): string {
  const given = asObject(parseJson(args)) ?? {};
  if (name === "get_weather") {
    return JSON.stringify({ city: asString(given["city"]) ?? "Oslo", temperature_c: 4, sky: "light snow" });
  }
  if (name === "get_time") {
    return JSON.stringify({ time_zone: asString(given["time_zone"]) ?? "Europe/Oslo", time: "14:05" });
  }
  return JSON.stringify({ ok: true });
}
