import sharp from "sharp";
import type { Call } from "./calls.ts";

/** Pixels a side. Noise is stored as it is: width × height × 3 bytes, a little under the limit of 20 MiB. */
const largest = 2600;

/** A PNG of 20 MB unless it is to be smaller, the same each time but for its pixels. */
export function drawLargePicture(side = largest): Promise<Buffer> {
  const noise = { type: "gaussian", mean: 128, sigma: 60 } as const;
  const blank = { width: side, height: side, channels: 3, background: "black", noise } as const;
  return sharp({ create: blank }).png({ compressionLevel: 0 }).toBuffer();
}

export function uploadCall(body: Buffer, token: string): Call {
  const headers = { "content-type": "image/png", authorization: `Bearer ${token}` };
  return { method: "POST", path: "/images", headers, body, status: 201, accepts: (answer) => answer.includes("uuid") };
}
