// chat.ts: conversations on the page side: what a caller passes becomes a prompt for the worker. Formats and their tokens are
// the core's business; here a message is a role and a text.
import { requireThat } from "./checks.js";
import { TercetError } from "./errors.js";
import { abortedResult } from "./generation.js";
import { CHAT_ROLE } from "./generated_constants.js";
import type { ChatPrompt } from "./protocol.js";
import type { ChatMessage, ChatOptions, ChatResult, ModelInfo } from "./types.js";

/** What a conversation looks like to the worker. Throws for what cannot work with this model. */
export function chatPrompt(
  messages: readonly ChatMessage[],
  options: Pick<ChatOptions, "chatFormat" | "thinking">,
  info: Pick<ModelInfo, "chatFormat" | "thinkingSwitch">,
): ChatPrompt {
  const { chatFormat, thinking = true } = options;
  requireThat(
    chatFormat === undefined ||
      (typeof chatFormat === "string" && /^[a-z0-9.-]+$/.test(chatFormat)),
    "chatFormat is the name of a format",
  );
  requireThat(typeof thinking === "boolean", "thinking is true or false");
  requireThat(
    Array.isArray(messages) && messages.length > 0,
    "a conversation is an array of messages, at least one",
  );
  if (info.chatFormat === null && chatFormat === undefined)
    throw new TercetError(
      "NO_CHAT_FORMAT",
      "this model was made to continue texts: use generate(), or name a format that fits it with the option chatFormat",
    );
  requireThat(
    thinking || chatFormat !== undefined || info.thinkingSwitch,
    `chat format ${info.chatFormat} has no switch for thinking`,
  );
  return {
    // map() would pass over holes.
    messages: Array.from(messages, checkedMessage),
    format: chatFormat ?? null,
    thinking,
  };
}

/** A copy without whatever else the caller's object holds. */
function checkedMessage(message: ChatMessage, index: number): ChatMessage {
  const { role, content } = message ?? {};
  requireThat(
    typeof role === "string" && Object.hasOwn(CHAT_ROLE, role),
    `the role of message ${index} is one of ${Object.keys(CHAT_ROLE).join(", ")}`,
  );
  requireThat(typeof content === "string", `the content of message ${index} is a string`);
  if (/\p{Surrogate}/u.test(content))
    throw new TercetError("INVALID_UTF8", `message ${index} holds half a character`, {
      where: index,
    });
  return { role, content };
}

/** The answer to a conversation that was stopped before it began. */
export function abortedAnswer(seed: bigint): ChatResult {
  return {
    ...abortedResult(seed),
    thinking: "",
    message: { role: "assistant", content: "" },
  };
}
