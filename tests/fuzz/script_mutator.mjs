// script_mutator.mjs - changes inputs by chance, for the fuzz targets in JavaScript, which no coverage guides: a seed gives the same
// changes each time, words of the language that is read are put in whole, and two inputs are crossed.

/** Numbers in [0, limit) from a seed (mulberry32, Tommy Ettinger, public domain). */
export function randomOf(seed) {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * limit);
  };
}

const pick = (random, list) => list[random(list.length)];

const NUMBERS = ["0", "1", "-1", "2", "65535", "2147483648", "4294967296", "1e308", "0.1", "1e-9"];

function changeOnce(bytes, { random, words, pool }) {
  const at = random(bytes.length + 1);
  const end = Math.min(bytes.length, at + 1 + random(random(4) === 0 ? 64 : 8));
  const replaced = (put, from = at, to = end) =>
    Buffer.concat([bytes.subarray(0, from), Buffer.from(put), bytes.subarray(to)]);
  switch (random(10)) {
    case 0:
      return replaced([random(256)], at, at + 1);
    case 1:
      return at < bytes.length ? replaced([bytes[at] ^ (1 << random(8))], at, at + 1) : bytes;
    case 2:
      return replaced("");
    case 3:
      return replaced(Buffer.concat([bytes.subarray(at, end), bytes.subarray(at, end)]));
    case 4:
      return replaced(pick(random, NUMBERS));
    case 5: {
      const other = pick(random, pool);
      const from = random(other.length + 1);
      return replaced(other.subarray(from, from + 1 + random(100)), at, at);
    }
    case 6:
      return replaced(pick(random, words));
    default:
      return replaced(pick(random, words), at, at);
  }
}

/** One to five changes of an input of the pool. */
export function mutate(pool, words, random, most = 2000) {
  let bytes = pick(random, pool);
  for (let count = 1 + random(5); count > 0; count--)
    bytes = changeOnce(bytes, { random, words, pool });
  return bytes.subarray(0, most);
}

const known = new Map();

/** The words that are JSON themselves; a target's are looked through once. */
function valuesOf(words) {
  const values =
    known.get(words) ??
    words.flatMap((word) => {
      try {
        return [JSON.parse(word)];
      } catch {
        return word === "{" ? [{}] : word === "[" ? [[]] : [];
      }
    });
  known.set(words, values);
  return values;
}

/** All arrays and objects in it. */
function containers(value) {
  if (typeof value !== "object" || value === null) return [];
  return [value, ...Object.values(value).flatMap(containers)];
}

function changeValueOnce(root, values, random) {
  const all = containers(root.value);
  const other = () => structuredClone(pick(random, [...values, ...all]));
  if (all.length === 0 || random(12) === 0) root.value = other();
  const place = pick(random, all.length > 0 ? all : [root]);
  const names = Object.keys(place);
  const name = names.length > 0 ? pick(random, names) : "a";
  switch (random(5)) {
    case 0:
      if (Array.isArray(place)) place.splice(random(place.length + 1), 1);
      else delete place[name];
      break;
    case 1:
      if (Array.isArray(place)) place.splice(random(place.length + 1), 0, other());
      else
        place[
          String(
            pick(
              random,
              values.filter((one) => typeof one === "string"),
            ),
          )
        ] = other();
      break;
    case 2:
      place[name] = structuredClone(place[pick(random, names.length > 0 ? names : ["a"])]);
      break;
    default:
      place[name] = other();
  }
}

/** As mutate(), but for one time in four one to four changes of the value that the JSON stands for. */
export function mutateJson(pool, words, random, most = 4000) {
  if (random(4) === 0) return mutate(pool, words, random, most);
  const root = {};
  try {
    root.value = JSON.parse(pick(random, pool).toString());
  } catch {
    return mutate(pool, words, random, most);
  }
  const values = valuesOf(words);
  for (let count = 1 + random(4); count > 0; count--) changeValueOnce(root, values, random);
  return Buffer.from(JSON.stringify(root.value) ?? "null").subarray(0, most);
}
