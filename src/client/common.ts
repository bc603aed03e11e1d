/** What both entries of the package export. */
export { Code, ConnectError } from "@connectrpc/connect";
export {
  type Account,
  type ApiClient,
  type AuthClient,
  type DeadLetter,
  DeadLetterSource,
  hasEnded,
  type Image,
  type ImageJob,
  type ImageJobClient,
  type Model,
  Role,
  type SigningKey,
  State,
  stateName,
} from "./api.ts";
export { bearer } from "./call.ts";
export type { DarkroomClient, DarkroomOptions, NewAccount } from "./darkroom.ts";
export type { Developed, DevelopOptions, Progress, WaitOptions } from "./develop.ts";
export { DevelopError, describe, isTransient, reasonOf } from "./errors.ts";
export type { DevelopedPicture, Picture } from "./pictures.ts";
export { type KeyValueStorage, type TokenStore, type Tokens, tokensIn, tokensInMemory } from "./tokens.ts";
