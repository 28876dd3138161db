// The body of a chat request, from what is to be said and the user's preferences. Always streams and
// always asks for usage. Unset preferences are left out, so that the project's defaults apply.
import type { Json } from "../wire/json";
import type { WireMessage } from "./message";
import type { Preferences } from "./preferences";
import { SAMPLE_SCHEMA, SAMPLE_TOOLS } from "./samples";

export interface ChatBody {
  model: string;
  messages: WireMessage[];
  stream: true;
  stream_options: { include_usage: true };
  temperature?: number;
  max_tokens?: number;
  tools?: Json;
  response_format?: Json;
}

export function chatBody(messages: readonly WireMessage[], preferences: Preferences): ChatBody {
  const system = preferences.system.trim();
  const said: WireMessage[] = system === "" ? [] : [{ role: "system", content: system }];
  return {
    // SDKs insist on a model; the gateway takes this name for the project's default.
    model: preferences.model.trim() || "default",
    messages: [...said, ...messages],
    stream: true,
    stream_options: { include_usage: true },
    ...(preferences.temperature !== undefined && { temperature: preferences.temperature }),
    ...(preferences.maxTokens !== undefined && { max_tokens: preferences.maxTokens }),
    ...(preferences.sample === "tools" && { tools: SAMPLE_TOOLS }),
    ...(preferences.sample === "schema" && { response_format: SAMPLE_SCHEMA }),
  };
}
