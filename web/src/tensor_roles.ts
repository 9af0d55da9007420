// tensor_roles.ts: what the tensors of a model are called and which part of it they belong to: the roles of CONTAINER.md, section 7.1,
// with the names of core/container/container_tensors.c.
import type { ModelPart } from "./types.js";

const ROLES: Record<number, string> = {
  1: "embedding",
  2: "position_embedding",
  16: "attention.norm",
  17: "attention.q",
  18: "attention.k",
  19: "attention.v",
  20: "attention.q_bias",
  21: "attention.k_bias",
  22: "attention.v_bias",
  24: "attention.sub_norm",
  25: "attention.o",
  26: "attention.o_bias",
  27: "attention.norm_bias",
  28: "attention.q_norm",
  29: "attention.k_norm",
  32: "ffn.norm",
  33: "ffn.gate",
  34: "ffn.up",
  35: "ffn.sub_norm",
  36: "ffn.down",
  37: "ffn.norm_bias",
  38: "ffn.gate_bias",
  39: "ffn.up_bias",
  40: "ffn.down_bias",
  48: "mixer.norm",
  49: "mixer.in",
  50: "mixer.conv",
  51: "mixer.conv_bias",
  52: "mixer.step_bias",
  53: "mixer.log_rate",
  54: "mixer.skip",
  55: "mixer.out_norm",
  56: "mixer.out",
  57: "attention.q_in_norm",
  58: "attention.k_in_norm",
  59: "attention.v_in_norm",
  60: "attention.o_in_norm",
  61: "ffn.gate_in_norm",
  62: "ffn.up_in_norm",
  63: "ffn.down_in_norm",
  64: "output_norm",
  65: "head",
  66: "output_norm_bias",
  67: "head_bias",
  68: "head_norm",
};

/** Such as "embedding" or "layers.3.attention.q". */
export function tensorName(stage: number, role: number): string {
  const name = ROLES[role] ?? "unknown";
  return name.includes(".") ? `layers.${stage - 1}.${name}` : name;
}

export function tensorPart(role: number): ModelPart {
  const name = ROLES[role] ?? "";
  if (name.startsWith("attention.")) return "attention";
  if (name.startsWith("ffn.")) return "feedForward";
  if (name.startsWith("mixer.")) return "states";
  return name.endsWith("embedding") ? "embedding" : "head";
}
