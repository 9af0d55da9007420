// wasm_text.ts: what a model is, and its text: tokens, their text, conversations.
import { TercetError } from "./errors.js";
import { CHAT_NO_THINKING, CHAT_ROLE, STATUS } from "./generated_constants.js";
import type { ChatPrompt } from "./protocol.js";
import type { ThinkingMarks } from "./thinking.js";
import type { Sampling } from "./types.js";
import { WasmCalls, type Handle } from "./wasm_calls.js";

const TEXT_ADD_BEGINNING = 1;
const TEXT_PARSE_SPECIAL = 2;

export interface ModelFacts {
  modelId: string;
  name: string;
  family: string;
  licence: string;
  layers: number;
  hidden: number;
  inner: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  vocabulary: number;
  context: number;
  tiedHead: boolean;
  activationBits: number;
  tensors: number;
  tokenCount: number;
  parameters: number;
  ternaryParameters: number;
  dataBytes: number;
  fileBytes: number;
  sampling: Sampling;
}

/** A chat format: the model's own, or a known one that was asked for. */
export interface ChatFacts {
  name: string;
  /** Whether an answer can be asked for without thinking. */
  thinkingSwitch: boolean;
  /** What an answer puts around its thinking. */
  thinkingMarks: ThinkingMarks;
  stopTokens: Uint32Array;
}

export class WasmText extends WasmCalls {
  /** A token's own bytes, and whether it is one of the model's stop tokens. */
  ownToken(model: Handle, token: number): { text: Uint8Array; stop: boolean } {
    this.call("token", model, token);
    return { text: this.read(this.value(0), this.value(1)), stop: this.value(2) !== 0 };
  }

  modelFacts(model: Handle): ModelFacts {
    this.call("model_info", model);
    return {
      modelId: this.hex(),
      name: this.string(0),
      family: this.string(2),
      licence: this.string(4),
      layers: this.value(8),
      hidden: this.value(9),
      inner: this.value(10),
      heads: this.value(11),
      kvHeads: this.value(12),
      headDim: this.value(13),
      vocabulary: this.value(14),
      context: this.value(15),
      tiedHead: this.value(16) === 1,
      activationBits: this.value(17),
      tensors: this.value(18),
      tokenCount: this.value(19),
      parameters: this.value(20),
      ternaryParameters: this.value(21),
      dataBytes: this.value(22),
      fileBytes: this.value(23),
      sampling: {
        temperature: shortest(this.double(26)),
        topK: this.value(24),
        topP: shortest(this.double(27)),
        minP: shortest(this.double(28)),
        repetitionPenalty: shortest(this.double(29)),
        repetitionWindow: this.value(25),
      },
    };
  }

  tokenize(
    model: Handle,
    text: string,
    options: { addBeginning: boolean; parseSpecial: boolean },
  ): Uint32Array {
    const utf8 = new TextEncoder().encode(text);
    const flags =
      (options.addBeginning ? TEXT_ADD_BEGINNING : 0) |
      (options.parseSpecial ? TEXT_PARSE_SPECIAL : 0);
    // A token has at least one byte; the beginning token and the space in front come on top. Only a text whose normal form
    // is longer may have more, and then the module says how many.
    const capacity = utf8.length + 2;
    try {
      return this.#tokenizeInto(capacity, model, utf8, flags);
    } catch (error) {
      const tooMany = error instanceof TercetError && error.code === "BAD_ARGUMENT";
      const needed = (tooMany && error.where) || 0;
      if (needed <= capacity) throw error;
      return this.#tokenizeInto(needed, model, utf8, flags);
    }
  }

  #tokenizeInto(capacity: number, model: Handle, utf8: Uint8Array, flags: number): Uint32Array {
    const buffer = this.createBuffer(capacity * 4 + utf8.length);
    try {
      const textAddress = buffer.address + capacity * 4;
      this.write(textAddress, utf8);
      const place = [buffer.address, capacity] as const;
      this.call("tokenize", model, textAddress, utf8.length, flags, ...place);
      return this.readWords(buffer.address, this.value(0));
    } finally {
      this.destroy(buffer.handle);
    }
  }

  /** A token by itself: its bytes, which need not be whole characters, and what they are as text. */
  tokenText(model: Handle, token: number): { token: number; text: string; bytes: number[] } {
    const found = this.callAny("token", model, token) === STATUS.OK;
    const [address, count] = found ? [this.value(0), this.value(1)] : [0, 0];
    return { token, text: this.text(address, count), bytes: [...this.read(address, count)] };
  }

  detokenize(model: Handle, tokens: Uint32Array): string {
    if (tokens.length === 0) return "";
    const source = this.createTokens(tokens);
    try {
      // The core says BAD_ARGUMENT and the size when the text does not fit: ask with no room first.
      const args = [model, source.address, tokens.length] as const;
      const status = this.callAny("detokenize", ...args, 0, 0);
      const bytes = this.value(0);
      if (bytes === 0) {
        if (status >= STATUS.BAD_ARGUMENT) throw this.error(status);
        return "";
      }
      const target = this.createBuffer(bytes);
      try {
        this.call("detokenize", ...args, target.address, bytes);
        return this.text(target.address, bytes);
      } finally {
        this.destroy(target.handle);
      }
    } finally {
      this.destroy(source.handle);
    }
  }

  // ---------------------------------------------------------------- chat

  /** `format` null: the model's own; NO_CHAT_FORMAT if it has none. */
  chatFacts(model: Handle, format: string | null): ChatFacts {
    return this.#withFormat(format, (...name) => {
      this.call("chat_info", model, ...name);
      return {
        name: this.string(0),
        thinkingSwitch: this.value(2) === 1,
        thinkingMarks: this.value(4) === 0 ? null : { begin: this.string(3), end: this.string(5) },
        stopTokens: Uint32Array.from({ length: this.value(7) }, (_, i) => this.value(8 + i)),
      };
    });
  }

  /** A conversation to the tokens of a prompt that asks for the next answer. */
  tokenizeChat(model: Handle, { messages, format, thinking }: ChatPrompt): Uint32Array {
    const texts = messages.map(({ content }) => new TextEncoder().encode(content));
    const textBytes = texts.reduce((sum, text) => sum + text.length, 0);
    // Room for the words in front, then the texts.
    const words = messages.length * 3;
    const source = this.createBuffer(words * 4 + textBytes + 1);
    try {
      let at = source.address + words * 4;
      const table = messages.flatMap(({ role }, i) => {
        const text = texts[i] as Uint8Array;
        this.write(at, text);
        at += text.length;
        return [CHAT_ROLE[role], at - text.length, text.length];
      });
      this.write(source.address, new Uint8Array(Uint32Array.from(table).buffer));
      const flags = thinking ? 0 : CHAT_NO_THINKING;
      return this.#withFormat(format, (...name) => {
        const args = [model, ...name, source.address, messages.length, flags] as const;
        // The format adds a few tokens to each message; if they are more, the core says how many.
        for (let capacity = textBytes + 16 * (messages.length + 2); ;) {
          const place = this.createBuffer(capacity * 4);
          try {
            const status = this.callAny("chat_tokenize", ...args, place.address, capacity);
            const count = this.value(0);
            if (status === STATUS.OK) return this.readWords(place.address, count);
            if (status !== STATUS.BAD_ARGUMENT || count <= capacity) throw this.error(status);
            capacity = count;
          } finally {
            this.destroy(place.handle);
          }
        }
      });
    } finally {
      this.destroy(source.handle);
    }
  }

  #withFormat<Value>(
    format: string | null,
    work: (address: number, bytes: number) => Value,
  ): Value {
    if (format === null) return work(0, 0);
    const name = new TextEncoder().encode(format);
    const buffer = this.createBuffer(name.length + 1);
    try {
      this.write(buffer.address, name);
      return work(buffer.address, name.length);
    } finally {
      this.destroy(buffer.handle);
    }
  }
}

/** 0.7 for the f32 that is called 0.699999988079071: both are the same f32. */
function shortest(value: number): number {
  const short = Number(value.toPrecision(7));
  return Math.fround(short) === value ? short : value;
}
