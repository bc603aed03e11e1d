import sharp from "sharp";

/** A picture in one strong colour, 40 × 30 pixels. */
export async function redPicture(type: "png" | "jpeg" = "png"): Promise<Uint8Array<ArrayBuffer>> {
  const picture = sharp({ create: { width: 40, height: 30, channels: 3, background: "#c04020" } });
  return new Uint8Array(await picture.toFormat(type).toBuffer());
}

/** How far a picture is from grey: 160 for the red one. */
export async function colourfulness(picture: string | Uint8Array): Promise<number> {
  const { channels } = await sharp(picture).toColourspace("srgb").stats();
  const means = channels.slice(0, 3).map(({ mean }) => mean);
  return Math.max(...means) - Math.min(...means);
}
