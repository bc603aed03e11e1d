import { hyphenated, uuidSource } from "./ids.ts";
import { imageMaxBytes } from "./image.ts";
import { textRule, utf8Length } from "./text.ts";

/** A file that a user stored under a name; its bytes lie in the blob store under its id. */
export interface StoredFile {
  readonly id: string;
  readonly ownerId: string;
  /** The owner's name for the file: data, and never used as a path. */
  readonly name: string;
  /** What is unique: the owner and the name, or the id while the bytes are on their way. */
  readonly nameKey: string;
  /** The chat it is for. */
  readonly chatId: string | null;
  /** Bytes. */
  readonly size: number;
  /** The picture that its bytes became; null for what is none. */
  readonly imageId: string | null;
  /** False until everything is stored: such a file does not exist for anyone. */
  readonly ready: boolean;
  readonly createdAt: number;
  /** When the sweeper deletes it, and its name is free. */
  readonly expiresAt: number;
}

/** So that every picture is a file too. */
export const fileMaxBytes = imageMaxBytes;
const nameMaxBytes = 255;
const uuidPattern = new RegExp(`^${uuidSource}$`, "i");

export function fileNameRule(name: string): string | undefined {
  const isTooLong = name.length > nameMaxBytes || utf8Length(name) > nameMaxBytes;
  return isTooLong ? `must have at most ${nameMaxBytes} bytes` : textRule(name, { min: 1, max: nameMaxBytes });
}

export function chatIdRule(chatId: string | undefined): string | undefined {
  return chatId === undefined || uuidPattern.test(chatId) ? undefined : "must be a UUID";
}

/** The usual form of a UUID without hyphens, in braces, or as a URN, all of which Python takes; other text as it is. */
export function toChatId(text: string): string {
  const bare = text.replace(/^(?:urn:uuid:(.+)|\{(.+)\})$/i, "$1$2");
  const usual = hyphenated(bare).toLowerCase();
  return uuidPattern.test(usual) ? usual : text;
}

export function fileNameKey(ownerId: string, name: string): string {
  return `${ownerId}/${name}`;
}
