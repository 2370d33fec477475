// Run a model of layout nchw-float in WebAssembly: node run_in_wasm.mjs MODEL HEIGHT WIDTH; reads image.bin and mask.bin,
// writes composite.bin (float32).
import { readFileSync, writeFileSync } from "node:fs";
import * as ort from "onnxruntime-web";

const [model, ...size] = process.argv.slice(2);
const [height, width] = size.map(Number);
const read = (name, channels) =>
  new ort.Tensor("float32", new Float32Array(new Uint8Array(readFileSync(name)).buffer), [1, channels, height, width]);
const session = await ort.InferenceSession.create(new Uint8Array(readFileSync(model)));
const { composite } = await session.run({ image: read("image.bin", 3), mask: read("mask.bin", 1) });
writeFileSync("composite.bin", new Uint8Array(composite.data.buffer, composite.data.byteOffset, composite.data.byteLength));
