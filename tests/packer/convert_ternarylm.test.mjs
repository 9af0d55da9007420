// convert_ternarylm.test.mjs - packer/scripts/convert_ternarylm.py: a `.pt` as torch.save writes it gives the tensors back, and a
// pickle that asks for more than tensors is refused before anything of it runs. The `.pt` is written here without torch: Python's
// pickler and stand-ins for the names that torch uses.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { root } from "../../scripts/paths.mjs";

const script = join(root, "packer/scripts/convert_ternarylm.py");
const golden = join(root, "tests/golden/models/ternarylm-online-f32");
const folder = mkdtempSync(join(tmpdir(), "tercet-convert-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const run = (args, input) => spawnSync("python3", args, { encoding: "utf8", input });

/** argv: safetensors file, .pt file, what to do to it. */
const writer = `
import io, json, pickle, struct, sys, types, zipfile
torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
def _rebuild_tensor_v2(*args): raise RuntimeError
_rebuild_tensor_v2.__module__ = "torch._utils"
utils._rebuild_tensor_v2 = _rebuild_tensor_v2
class FloatStorage: pass
FloatStorage.__module__, FloatStorage.__qualname__ = "torch", "FloatStorage"
torch.FloatStorage, torch._utils = FloatStorage, utils
sys.modules.update({"torch": torch, "torch._utils": utils})
class Storage:
    def __init__(self, key, count): self.key, self.count = key, count
class Tensor:
    def __init__(self, *args): self.args = args
    def __reduce__(self): return _rebuild_tensor_v2, self.args
class Pickler(pickle._Pickler):
    def persistent_id(self, value):
        if isinstance(value, Storage): return ("storage", FloatStorage, value.key, "cpu", value.count)
source, target, how = sys.argv[1:]
data = open(source, "rb").read()
(size,) = struct.unpack("<Q", data[:8])
header = json.loads(data[8:8 + size]); header.pop("__metadata__", None)
state, records = {}, {}
for i, (name, entry) in enumerate(header.items()):
    begin, end = entry["data_offsets"]
    stride, step = [], 1
    for n in reversed(entry["shape"]):
        stride.insert(0, step); step *= n
    if how == "transposed" and name == "head.weight": stride.reverse()
    records[str(i)] = b"\\0" * 8 + data[8 + size + begin:8 + size + end]
    state[name] = Tensor(Storage(str(i), step + 2), 2, tuple(entry["shape"]), tuple(stride), False, {})
if how == "program":
    class Program:
        def __reduce__(self): return print, ("this must never be printed",)
    state["program"] = Program()
if how == "wrapped": state = {"epoch": 15, "model_state_dict": state}
if how == "other": state.pop("token_emb.weight")
stream = io.BytesIO()
Pickler(stream, 2).dump(state)
with zipfile.ZipFile(target, "w") as archive:
    archive.writestr("archive/data.pkl", stream.getvalue())
    for key, value in records.items():
        archive.writestr("archive/data/" + key, value[:-4] if how == "cut" and key == "0" else value)
`;

function convert(how) {
  const pt = join(folder, `${how}.pt`);
  const made = run(["-", join(golden, "model.safetensors"), pt, how], writer);
  assert.equal(made.status, 0, made.stderr);
  const output = join(folder, how);
  return { ...run([script, pt, "-o", output, "--heads", "4", "--context", "64"]), output };
}

/** name -> { dtype, shape, bytes } */
function readTensors(path) {
  const file = readFileSync(path);
  const size = Number(file.readBigUInt64LE(0));
  const { __metadata__, ...header } = JSON.parse(file.subarray(8, 8 + size).toString());
  const entries = Object.entries(header).map(([name, { dtype, shape, data_offsets }]) => {
    const bytes = file.subarray(8 + size + data_offsets[0], 8 + size + data_offsets[1]);
    return [name, { dtype, shape, bytes: bytes.toString("hex") }];
  });
  return new Map(entries);
}

for (const how of ["plain", "wrapped"]) {
  test(`the tensors of a ${how} state_dict come back, and the shape`, () => {
    const { status, stderr, output } = convert(how);
    assert.equal(status, 0, stderr);
    const want = readTensors(join(golden, "model.safetensors"));
    for (const name of [...want.keys()]) if (name.endsWith("inv_freq")) want.delete(name);
    const got = readTensors(join(output, "model.safetensors"));
    assert.deepEqual([...got.keys()].sort(), [...want.keys()].sort());
    for (const [name, tensor] of want) assert.deepEqual(got.get(name), tensor, name);
    const config = JSON.parse(readFileSync(join(output, "config.json"), "utf8"));
    const original = JSON.parse(readFileSync(join(golden, "config.json"), "utf8"));
    delete original.torch_dtype;
    assert.deepEqual(config, original);
  });
}

const refusals = {
  program: /asks for \w+\.print/,
  transposed: /not stored row after row/,
  cut: /cut short/,
  other: /token_emb\.weight is missing/,
};
for (const [how, sentence] of Object.entries(refusals)) {
  test(`refused: ${how}`, () => {
    const { status, stdout, stderr, output } = convert(how);
    assert.equal(status, 1);
    assert.equal(stdout, "");
    assert.match(stderr, sentence);
    assert.match(stderr, /^convert_ternarylm: [^\n]+\n$/);
    assert.ok(!existsSync(join(output, "model.safetensors")));
    assert.ok(!existsSync(join(output, "model.safetensors.partial")));
  });
}

test("refused: no archive at all", () => {
  const path = join(folder, "text.pt");
  writeFileSync(path, "not a zip");
  const { status, stderr } = run([script, path, "-o", join(folder, "text")]);
  assert.equal(status, 1);
  assert.match(stderr, /damaged or something else/);
});
