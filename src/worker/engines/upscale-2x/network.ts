import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { io, Rank, Tensor } from "@tensorflow/tfjs-core";
import { findPackages } from "./packages.ts";

/** Red, green and blue of pixel after pixel, 0 to 255, rows from the top. */
export interface Samples {
  readonly values: Float32Array;
  readonly width: number;
  readonly height: number;
}

/** Doubles both sides. Blocks the event loop, about 20 µs for each pixel of the input. */
export type Network = (input: Samples) => Samples;

/**
 * How far a pixel's neighbours reach into its result: the sum of the radii of the convolutions on the longest way
 * through the model (seven of 3 × 3, one of 5 × 5, and one of 3 × 3 on the doubled picture).
 */
export const reach = 10;

let loading: Promise<Network> | undefined;

/** Loads the network at the first call, from the packages' files; it is kept for the process's life. */
export function loadNetwork(): Promise<Network> {
  loading ??= load().catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

/**
 * One thread with SIMD: TensorFlow.js has no threads under Node (its threaded build starts workers from a Blob's URL,
 * which Node refuses).
 */
async function load(): Promise<Network> {
  const [tf, layers, backend] = await Promise.all([
    import("@tensorflow/tfjs-core"),
    import("@tensorflow/tfjs-layers"),
    import("@tensorflow/tfjs-backend-wasm"),
  ]);
  const { wasm, model: directory } = findPackages();
  backend.setWasmPaths(fileURLToPath(wasm));
  if (!(await tf.setBackend("wasm"))) throw new Error("TensorFlow.js cannot start its WebAssembly backend");
  const model = await layers.loadLayersModel({ load: () => readModel(directory) });
  return ({ values, width, height }) => {
    const output = tf.tidy(() => model.predict(tf.tensor4d(values, [1, height, width, 3])) as Tensor<Rank.R4>);
    const doubled = output.dataSync<"float32">();
    output.dispose();
    return { values: doubled, width: 2 * width, height: 2 * height };
  };
}

async function readModel(directory: URL): Promise<io.ModelArtifacts> {
  const { modelTopology, weightsManifest }: io.ModelJSON = JSON.parse(
    await readFile(new URL("model.json", directory), "utf8"),
  );
  const files = weightsManifest.flatMap(({ paths }) => paths);
  const shards = await Promise.all(files.map((path) => readFile(new URL(path, directory))));
  return {
    modelTopology,
    weightSpecs: weightsManifest.flatMap(({ weights }) => weights),
    weightData: Uint8Array.from(Buffer.concat(shards)).buffer,
  };
}
