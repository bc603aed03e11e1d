/** Optional dependencies, found without being loaded. Throws when one is not installed. */
export function findPackages(): { readonly wasm: URL; readonly model: URL } {
  for (const name of ["@tensorflow/tfjs-core", "@tensorflow/tfjs-layers"]) import.meta.resolve(name);
  const backend = import.meta.resolve("@tensorflow/tfjs-backend-wasm");
  const definition = import.meta.resolve("@upscalerjs/esrgan-slim/2x");
  return {
    wasm: new URL("./", backend),
    // The package exports its code alone; the weights lie beside `dist`.
    model: new URL("models/x2/", definition.slice(0, definition.indexOf("/dist/") + 1)),
  };
}

export function isInstalled(): boolean {
  try {
    findPackages();
    return true;
  } catch {
    return false;
  }
}
