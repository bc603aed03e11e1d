import { readFileSync } from "node:fs";
import { ConfigError } from "./error.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export type Reader = ReturnType<typeof reader>;

export function reader(env: Environment) {
  /** Empty is unset, as in a compose file's `NAME=`. */
  const text = (name: string): string | undefined => env[name]?.trim() || undefined;
  return {
    text,
    flag(name: string, fallback: boolean): boolean {
      const value = text(name)?.toLowerCase();
      if (value === undefined) return fallback;
      if (["true", "1", "yes", "on"].includes(value)) return true;
      if (["false", "0", "no", "off"].includes(value)) return false;
      throw new ConfigError(name, "must be true or false");
    },
    integer<Fallback extends number | undefined>(name: string, fallback: Fallback, min: number, max: number) {
      const value = text(name);
      if (value === undefined) return fallback;
      const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
      if (number >= min && number <= max) return number;
      throw new ConfigError(name, `must be a whole number from ${min} to ${max}`);
    },
    /** Separated by commas; empty where it is unset. */
    list(name: string): string[] {
      return (text(name) ?? "").split(",").flatMap((entry) => entry.trim() || []);
    },
    file(name: string): string | undefined {
      const path = text(name);
      if (path === undefined) return undefined;
      try {
        return readFileSync(path, "utf8");
      } catch (error) {
        throw new ConfigError(name, `cannot be read: ${(error as NodeJS.ErrnoException).code}`);
      }
    },
  };
}
