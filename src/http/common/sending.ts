import { Readable } from "node:stream";
import type { FastifyReply } from "fastify";
import type { OpenedFile } from "../../core/images/files.ts";
import type { OpenedImage } from "../../core/images/images.ts";
import type { ImageType } from "../../model/image.ts";

const extensions: Readonly<Record<ImageType, string>> = {
  "image/jpeg": "jpg",
  "image/png": "png",
  "image/webp": "webp",
};

export function sendImage(reply: FastifyReply, { image, bytes }: OpenedImage): FastifyReply {
  if (image.size !== null) reply.header("content-length", image.size);
  const disposition = `inline; filename="${image.id}.${extensions[image.type]}"`;
  return sendBytes(reply.type(image.type).header("content-disposition", disposition), bytes);
}

/** Sends a file that a browser must save and never show: its content was not checked. */
export function sendFile(reply: FastifyReply, { file, bytes }: OpenedFile): FastifyReply {
  reply.type("application/octet-stream").header("content-length", file.size);
  return sendBytes(reply.header("content-disposition", attachment(file.name)), bytes);
}

/** Sends bytes in which no script may run. */
function sendBytes(reply: FastifyReply, bytes: AsyncIterable<Uint8Array>): FastifyReply {
  const body = Readable.from(bytes, { objectMode: false });
  if (reply.request.method === "HEAD") body.destroy();
  return reply.header("content-security-policy", "default-src 'none'; sandbox").send(body);
}

/** RFC 6266: the name in plain ASCII and in full, both without what a file system could take for a path or a command. */
function attachment(name: string): string {
  const safe = name.replace(/[/\\\p{C}]/gu, "_").replace(/^\.+/, "_");
  const plain = safe.replace(/[^A-Za-z0-9 ._-]/g, "_");
  const encoded = encodeURIComponent(safe).replace(/['()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`);
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}
