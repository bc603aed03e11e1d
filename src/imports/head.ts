import { open } from "node:fs/promises";
import { UserError } from "../user-error.ts";

const headBytes = 1024;

/** What a file begins with. Throws UserError where it cannot be read or has nothing. */
export async function readHead(path: string): Promise<string> {
  const head = await read(path);
  if (head.trim() === "") throw new UserError(`${path}: is empty`);
  return head;
}

async function read(path: string): Promise<string> {
  const buffer = Buffer.alloc(headBytes);
  try {
    await using file = await open(path);
    const { bytesRead } = await file.read(buffer);
    return buffer.toString("utf8", 0, bytesRead);
  } catch (error) {
    throw new UserError(`${path}: cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}
