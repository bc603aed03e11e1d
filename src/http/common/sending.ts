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

/** What a browser must save, and never show: nobody has looked into it. */
export function sendFile(reply: FastifyReply, { file, bytes }: OpenedFile): FastifyReply {
  reply.type("application/octet-stream").header("content-length", file.size);
  return sendBytes(reply.header("content-disposition", attachment(file.name)), bytes);
}

/** Somebody's own, in which nothing may run. A browser that kept it would show it to whoever uses it next. */
function sendBytes(reply: FastifyReply, bytes: AsyncIterable<Uint8Array>): FastifyReply {
  const body = Readable.from(bytes, { objectMode: false });
  if (reply.request.method === "HEAD") body.destroy();
  return reply
    .header("cache-control", "private, no-store")
    .header("content-security-policy", "default-src 'none'; sandbox")
    .send(body);
}

/** RFC 6266: the name as far as it is plain, and as it is, without what a file system could take for a path or a command. */
function attachment(name: string): string {
  const safe = name.replace(/[/\\\p{C}]/gu, "_").replace(/^\.+/, "_");
  const plain = safe.replace(/[^A-Za-z0-9 ._-]/g, "_");
  const encoded = encodeURIComponent(safe).replace(/['()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`);
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}
