// The network of model.onnx, run by ONNX Runtime as WebAssembly: frames in, label maps out.
import * as ort from "./ort.wasm.bundle.min.js";

// Threads share memory, which a page may where its server isolates it (COOP and COEP)
export const threads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency, 8) : 1;
export const version = ort.env.versions.web;

/** A function of a frame {pixels, height, width}, RGB bytes row by row, that gives the class of each pixel. */
export async function loadNetwork() {
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmPaths = { wasm: new URL("ort-wasm-simd-threaded.wasm", import.meta.url).href };
  const session = await ort.InferenceSession.create(new URL("model.onnx", import.meta.url).href);
  let last = Promise.resolve();
  async function run({ pixels, height, width }) {
    const frames = new ort.Tensor("uint8", pixels, [1, height, width, 3]);
    const { label_map } = await session.run({ frames });
    const classes = label_map.data.slice();
    label_map.dispose();
    return classes;
  }
  // A session takes one frame at a time
  return (frame) => (last = last.catch(() => {}).then(() => run(frame)));
}
