// Reads golden.npz, frames and the label maps that they must give: a zip of NumPy's arrays.

/** [{pixels, height, width, labels}], pixels as RGB bytes. */
export async function readGolden(buffer) {
  const arrays = await readArrays(buffer);
  const frames = arrays["frames.npy"], maps = arrays["label_maps.npy"];
  const [count, height, width] = maps.shape, area = height * width;
  return Array.from({ length: count }, (_, i) => ({
    pixels: frames.bytes.subarray(3 * area * i, 3 * area * (i + 1)),
    labels: maps.bytes.subarray(area * i, area * (i + 1)),
    height,
    width,
  }));
}

/** By name {shape, bytes}; the directory at the end of a zip says where each file lies. */
async function readArrays(buffer) {
  const view = new DataView(buffer), arrays = {};
  const end = buffer.byteLength - 22; // NumPy leaves no comment behind the end record
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left > 0; left--) {
    const [nameLength, extra, comment] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true));
    const name = new TextDecoder().decode(new Uint8Array(buffer, at + 46, nameLength));
    const head = view.getUint32(at + 42, true);
    const start = head + 30 + view.getUint16(head + 26, true) + view.getUint16(head + 28, true);
    const packed = new Blob([new Uint8Array(buffer, start, view.getUint32(at + 20, true))]);
    const plain = packed.stream().pipeThrough(new DecompressionStream("deflate-raw"));
    arrays[name] = readArray(await new Response(plain).arrayBuffer());
    at += 46 + nameLength + extra + comment;
  }
  return arrays;
}

/** An array of bytes in C order behind NumPy's head. */
function readArray(buffer) {
  const length = new DataView(buffer).getUint16(8, true);
  const head = new TextDecoder().decode(new Uint8Array(buffer, 10, length));
  const shape = head.match(/'shape': \(([^)]*)\)/)[1].split(",").filter((n) => n.trim()).map(Number);
  return { shape, bytes: new Uint8Array(buffer, 10 + length) };
}
