// Where frames come from: a picture, a video, a camera. Each is {name, image, width, height, moving, close}.

const LONGEST = [2048, 1536, 1024, 768, 512, 384, 256]; // sides that are offered, beside the source's own
const WORK = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

export async function openFile(blob, name = blob.name) {
  if (blob.type.startsWith("video/")) return playVideo(name, { src: URL.createObjectURL(blob) });
  // Python knows no colour profiles either
  const image = await createImageBitmap(blob, { colorSpaceConversion: "none" }).catch(() => null);
  if (!image) throw new Error(`${name} is no picture or video that this browser reads`);
  return { name, image, width: image.width, height: image.height, moving: false, close() {} };
}

export async function openCamera() {
  if (!navigator.mediaDevices) throw new Error("A camera needs https:// or localhost");
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 }, facingMode: "environment" } });
  return playVideo("camera", { srcObject: stream });
}

async function playVideo(name, where) {
  const video = Object.assign(document.createElement("video"), { muted: true, loop: true, playsInline: true }, where);
  await video.play().catch(() => { throw new Error(`${name} is no video that this browser plays`); });
  function close() {
    video.pause();
    video.srcObject?.getTracks().forEach((track) => track.stop());
    URL.revokeObjectURL(video.src);
  }
  return { name, image: video, width: video.videoWidth, height: video.videoHeight, moving: true, close };
}

/** A frame in memory, {pixels, height, width}, as a picture. */
export function openFrame(name, { pixels, height, width }) {
  const image = new OffscreenCanvas(width, height), rgba = new ImageData(width, height);
  for (let i = 0, j = 0; j < pixels.length; i += 4, j += 3) {
    rgba.data[i] = pixels[j];
    rgba.data[i + 1] = pixels[j + 1];
    rgba.data[i + 2] = pixels[j + 2];
    rgba.data[i + 3] = 255;
  }
  image.getContext("2d").putImageData(rgba, 0, 0);
  return { name, image, width, height, moving: false, close() {} };
}

/** The source as it is now, at [height, width]. */
export function readFrame(source, [height, width]) {
  Object.assign(WORK.canvas, { width, height });
  WORK.drawImage(source.image, 0, 0, width, height);
  const rgba = WORK.getImageData(0, 0, width, height).data, pixels = new Uint8Array(3 * width * height);
  for (let i = 0, j = 0; j < pixels.length; i += 4, j += 3) {
    pixels[j] = rgba[i];
    pixels[j + 1] = rgba[i + 1];
    pixels[j + 2] = rgba[i + 2];
  }
  return { pixels, height, width };
}

/** [[height, width]], the source's own first, that the file {size, smallest} takes. */
export function sizesFor({ width, height }, { size, smallest }) {
  if (size) return [size];
  const longest = Math.max(width, height);
  const scales = [1, ...LONGEST.filter((side) => side < longest).map((side) => side / longest)];
  const scaled = scales.map((scale) => [height, width].map((side) => Math.round(scale * side)));
  const taken = scaled.filter((sides) => Math.min(...sides) >= smallest);
  return taken.length ? taken : [[height, width].map((side) => Math.max(side, smallest))];
}
