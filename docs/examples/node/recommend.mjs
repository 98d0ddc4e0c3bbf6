// Read a packed bundle in Node, without Emberline: `node recommend.mjs shop.ember`.
//
//   npm install onnxruntime-node @huggingface/tokenizers
//
// Encodes the texts of the bundle's self-test, compares them with the vectors that they had where it was packed, and
// ranks these texts for a user.

import { readFileSync } from "node:fs";
import { Tokenizer } from "@huggingface/tokenizers";
import * as ort from "onnxruntime-node";

/** The entries of a zip without compression, by name; they are views of the file's bytes. */
function entries(file) {
  const found = {};
  let end = file.length - 22;
  while (file.readUInt32LE(end) !== 0x06054b50) end -= 1; // the end of the list of entries
  let place = file.readUInt32LE(end + 16);
  for (let count = file.readUInt16LE(end + 10); count > 0; count -= 1) {
    const [size, name, extra, comment] = [24, 28, 30, 32].map((at, index) =>
      index ? file.readUInt16LE(place + at) : file.readUInt32LE(place + at),
    );
    const header = file.readUInt32LE(place + 42);
    const start = header + 30 + file.readUInt16LE(header + 26) + file.readUInt16LE(header + 28);
    found[file.toString("utf8", place + 46, place + 46 + name)] = file.subarray(start, start + size);
    place += 46 + name + extra + comment;
  }
  return found;
}

const files = entries(readFileSync(process.argv[2]));
const json = (name) => JSON.parse(files[name].toString("utf8"));
const manifest = json("manifest.json");
const [[precision, encoder]] = Object.entries(manifest.encoders);
const tokenizer = new Tokenizer(json("tokenizer.json"), {});
const open = (name) => ort.InferenceSession.create(files[name]);
const [session, itemTower, userTower] = await Promise.all([
  open(encoder.file),
  open("item_tower.onnx"),
  open("user_tower.onnx"),
]);
const floats = (data, ...shape) => new ort.Tensor("float32", data, shape);

/** The encoder's vector of a text, (1, H). Longer texts are cut; the last token is the separator. */
async function embed(text) {
  let { ids } = tokenizer.encode(text);
  if (ids.length > manifest.max_length) ids = [...ids.slice(0, manifest.max_length - 1), ids.at(-1)];
  const tensor = (values) => new ort.Tensor("int64", BigInt64Array.from(values, BigInt), [1, ids.length]);
  const outputs = await session.run({ input_ids: tensor(ids), attention_mask: tensor(ids.map(() => 1)) });
  return outputs.sentence_embedding;
}

const dot = (one, two) => one.reduce((sum, value, index) => sum + value * two[index], 0);
const selftest = json("selftest.json");
let least = 1;
const items = [];
for (const [index, text] of selftest.texts.entries()) {
  const vector = await embed(text);
  const expected = selftest.vectors[index];
  least = Math.min(least, dot(vector.data, expected) / Math.sqrt(dot(vector.data, vector.data) * dot(expected, expected)));
  const outputs = await itemTower.run({ sentence_embedding: vector });
  items.push({ text, vector: outputs.item_embedding.data, bias: outputs.item_bias.data[0] });
}

// A user who likes the first text: s(u, i) = z_u · z_i / τ + b_i.
const user = await userTower.run({
  history: floats(items[0].vector, 1, manifest.dimensions),
  profile: (await embed("age: 25; gender: F; occupation: engineer")),
  history_length: floats(Float32Array.of(1), 1),
});
for (const item of items) item.score = dot(user.user_embedding.data, item.vector) / manifest.temperature + item.bias;
items.sort((one, two) => two.score - one.score);
console.log(JSON.stringify({ precision, texts: items.length, leastCosine: least, best: items.slice(0, 3).map((item) => item.text) }));
