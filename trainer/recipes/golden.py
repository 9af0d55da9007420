"""golden.py: what an engine must find in a packed BitNet folder, computed in float64 by numpy alone: python3 -m recipes.golden FOLDER --valid valid.bin -o golden.json.

Shares no line with the model of tercet_train or with the engine: it reads the folder's bytes and says what the paper's formulas give (BitNet b1.58,
arXiv 2402.17764; names and packing of transformers' BitNetForCausalLM), so that a fault of one of them shows as a difference. The tokens are SentencePiece's own.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy  # noqa: E402
from tercet_train.data import open_tokens  # noqa: E402
from tercet_train.tokenizer import open_tokenizer  # noqa: E402

PROMPTS = ("Once upon a time there was a little girl", "The old man looked at the boy and said,", '"I don\'t know," said Dorothy', "One morning Tom went to the store")
GREEDY_TOKENS = 64
WINDOWS = 16
LEAST = 1e-5
# Of a value: a few roundings of float32, one after another. It turns a code of 8 bits here and there into its neighbour.
NOISE = 1e-6
NOISES = 16
NUMBERS = {"F32": numpy.float32, "F16": numpy.float16, "U8": numpy.uint8}


class Reference:
    """logits(ids) of a whole text at once; no cache, so that nothing can be kept wrongly. noise: a generator of numbers by chance; what goes into each ternary layer is then off
    by NOISE of itself, so that it is seen how much of a logit another precision may turn."""

    def __init__(self, folder: Path):
        self.noise = None
        self.config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        bytes_of_file = (folder / "model.safetensors").read_bytes()
        length = int.from_bytes(bytes_of_file[:8], "little")
        header = json.loads(bytes_of_file[8 : 8 + length])
        raw = {}
        for name, facts in header.items():
            if name != "__metadata__":
                first, last = facts["data_offsets"]
                raw[name] = numpy.frombuffer(bytes_of_file[8 + length + first : 8 + length + last], NUMBERS[facts["dtype"]]).reshape(facts["shape"])
        self.plain = {name: array.astype(numpy.float64) for name, array in raw.items() if array.dtype != numpy.uint8}
        self.signs = {name: _unpack(array) for name, array in raw.items() if array.dtype == numpy.uint8}
        self.width, self.heads = self.config["hidden_size"], self.config["num_attention_heads"]
        self.head = self.width // self.heads
        frequencies = self.config["rope_theta"] ** -(numpy.arange(0, self.head, 2) / self.head)
        self.angles = numpy.outer(numpy.arange(self.config["max_position_embeddings"]), frequencies)

    def logits(self, ids) -> "numpy.ndarray":
        """(tokens, vocabulary)."""
        embedding = self.plain["model.embed_tokens.weight"]
        x = embedding[numpy.asarray(ids)]
        for layer in range(self.config["num_hidden_layers"]):
            name = f"model.layers.{layer}."
            x = x + self._attention(self._norm(x, f"{name}input_layernorm"), f"{name}self_attn.")
            x = x + self._feed_forward(self._norm(x, f"{name}post_attention_layernorm"), f"{name}mlp.")
        return self._norm(x, "model.norm") @ embedding.T

    def nats(self, ids) -> float:
        """Sum over all tokens but the first."""
        logits = self.logits(ids[:-1])
        top = logits.max(-1)
        return float((numpy.log(numpy.exp(logits - top[:, None]).sum(-1)) + top - logits[numpy.arange(len(ids) - 1), ids[1:]]).sum())

    def _norm(self, x, name: str):
        return x / numpy.sqrt((x * x).mean(-1, keepdims=True) + self.config["rms_norm_eps"]) * self.plain[f"{name}.weight"]

    def _linear(self, x, name: str):
        if self.noise is not None:
            x = x * (1 + NOISE * self.noise.standard_normal(x.shape))
        worth = numpy.maximum(numpy.abs(x).max(-1, keepdims=True), LEAST) / 127
        return numpy.rint(x / worth) @ self.signs[f"{name}.weight"].T * (worth * self.plain[f"{name}.weight_scale"][0])

    def _turn(self, x):
        """Rotary positions; x (tokens, heads, head), pairs are half a head apart."""
        cosine, sine = (part(self.angles[: len(x)])[:, None, :] for part in (numpy.cos, numpy.sin))
        first, second = numpy.split(x, 2, -1)
        return numpy.concatenate([first * cosine - second * sine, second * cosine + first * sine], -1)

    def _attention(self, x, name: str):
        tokens = len(x)
        query, key, value = (self._linear(x, f"{name}{part}_proj").reshape(tokens, -1, self.head) for part in "qkv")
        shared = self.heads // key.shape[1]
        key, value = numpy.repeat(self._turn(key), shared, 1), numpy.repeat(value, shared, 1)
        scores = numpy.einsum("ihd,jhd->hij", self._turn(query), key) / numpy.sqrt(self.head)
        scores[:, numpy.triu(numpy.ones((tokens, tokens), bool), 1)] = -numpy.inf
        shares = numpy.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        mixed = numpy.einsum("hij,jhd->ihd", shares, value).reshape(tokens, self.width)
        return self._linear(self._norm(mixed, f"{name}attn_sub_norm"), f"{name}o_proj")

    def _feed_forward(self, x, name: str):
        inner = numpy.maximum(self._linear(x, f"{name}gate_proj"), 0) ** 2 * self._linear(x, f"{name}up_proj")
        return self._linear(self._norm(inner, f"{name}ffn_sub_norm"), f"{name}down_proj")


def _unpack(packed):
    """Row i * (rows / 4) + r of the signs lies in bits 2 i + 1 and 2 i of byte (r, column)."""
    signs = numpy.concatenate([(packed >> 2 * quarter & 3).astype(numpy.float64) - 1 for quarter in range(4)])
    if signs.max() > 1:
        raise ValueError("a packed weight holds the code 3, which stands for nothing")
    return signs


def make_case(reference: Reference, tokenizer, prompt: str, greedy_tokens: int = GREEDY_TOKENS) -> dict:
    ids = tokenizer.encode(prompt)
    rows = reference.logits(ids)
    top = numpy.argsort(-rows[-1])[:8]
    last, text, greedy, margins = rows[-1], list(ids), [], []
    for _ in range(greedy_tokens):
        order = numpy.argsort(-last)
        margins.append(round(float(last[order[0]] - last[order[1]]), 5))
        greedy.append(int(order[0]))
        text.append(greedy[-1])
        last = reference.logits(text)[-1]
    return {
        "prompt": prompt,
        "ids": ids,
        "argmax_per_position": [int(best) for best in rows.argmax(-1)],
        "top8_last": [[int(token), round(float(rows[-1][token]), 5)] for token in top],
        "top8_doubt": round(_doubt(reference, ids, rows[-1], top), 5),
        "logit_sum_last": round(float(rows[-1].sum()), 4),
        "greedy": greedy,
        "greedy_text": tokenizer.decode(greedy),
        "greedy_margins": margins,
        "smallest_greedy_margin": min(margins),
    }


def _doubt(reference: Reference, ids, last, top) -> float:
    """By how much a program that computes in float32 may be off in these logits: the most that any of NOISES noises did to the reference itself."""
    reference.noise, most = numpy.random.default_rng(1), 0.0
    for _ in range(NOISES):
        most = max(most, float(numpy.abs(reference.logits(ids)[-1] - last)[top].max()))
    reference.noise = None
    return most


def make_golden(folder: Path, valid: Path) -> dict:
    reference, tokenizer = Reference(folder), open_tokenizer(folder)
    window = reference.config["max_position_embeddings"]
    ids = numpy.asarray(open_tokens(valid).tokens[: WINDOWS * window + 1], numpy.int64)
    nats = sum(reference.nats(ids[first : first + window + 1]) for first in range(0, WINDOWS * window, window)) / (WINDOWS * window)
    return {
        "note": "float64 reference (trainer/recipes/golden.py): int8 absmax activations (127/absmax per token, round half to even), exact ternary weights, F16 embedding as stored; "
        f"first {WINDOWS} windows of {window} tokens of the held-out text",
        f"valid_first_{WINDOWS * window}_tokens_nats": round(nats, 6),
        f"valid_token_ids_first_{window + 1}": [int(token) for token in ids[: window + 1]],
        "cases": [make_case(reference, tokenizer, prompt) for prompt in PROMPTS],
    }


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser("python3 -m recipes.golden", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="packed BitNet folder with its SentencePiece tokenizer")
    parser.add_argument("--valid", required=True, type=Path, help="held-out token file (run.py leaves valid.bin)")
    parser.add_argument("-o", "--output", required=True, type=Path)
    words = parser.parse_args(arguments)
    try:
        golden = make_golden(words.folder, words.valid)
    except (ValueError, OSError, KeyError) as error:
        print(f"golden: error: {words.folder}: {error}", file=sys.stderr)
        return 1
    words.output.write_text(json.dumps(golden, indent=0) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
