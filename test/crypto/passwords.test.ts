import bcrypt from "bcrypt";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { openPasswords } from "../../src/crypto/passwords.ts";
import { DomainError } from "../../src/model/errors.ts";

/** As quick as bcrypt can be. */
const quickHash = (password: string) => bcrypt.hashSync(password, 4);

describe("passwords", () => {
  test("match their own hash, of bcrypt at cost 12, and no other", async () => {
    const passwords = openPasswords();
    const [hash, again] = await Promise.all([passwords.hash("correct horse"), passwords.hash("correct horse")]);
    expect(hash).toMatch(/^\$2b\$12\$.{53}$/);
    expect(again).not.toBe(hash);
    expect(await passwords.verify("correct horse", hash)).toBe(true);
    expect(await passwords.verify("Correct horse", hash)).toBe(false);
  });

  test("are compared by all of their 72 bytes", async () => {
    const passwords = openPasswords();
    const start = "日".repeat(23);
    const hash = quickHash(`${start}abc`);
    expect(await passwords.verify(`${start}abc`, hash)).toBe(true);
    for (const other of [`${start}abd`, `${start}ab`, start]) expect(await passwords.verify(other, hash)).toBe(false);
  });

  test("are compared as they were typed", async () => {
    const passwords = openPasswords();
    const hash = quickHash("cafe\u0301 🙂 ");
    expect(await passwords.verify("cafe\u0301 🙂 ", hash)).toBe(true);
    for (const other of ["caf\u00E9 🙂 ", "cafe\u0301 🙂", "CAFE\u0301 🙂 "]) {
      expect(await passwords.verify(other, hash)).toBe(false);
    }
  });

  test("match the hashes that other systems made", async () => {
    const passwords = openPasswords();
    for (const version of ["2a", "2b"]) {
      const hash = quickHash("imported").replace("$2b$", `$${version}$`);
      expect(await passwords.verify("imported", hash)).toBe(true);
    }
  });

  test("cost as many rounds when they are wrong, whatever the cost of an imported hash", async () => {
    const compare = vi.spyOn(bcrypt, "compare");
    onTestFinished(() => compare.mockRestore());
    const passwords = openPasswords();
    const rounds = () => compare.mock.calls.reduce((sum, [, hash]) => sum + 2 ** bcrypt.getRounds(hash), 0);
    const dear = await passwords.hash("imported");
    for (const stored of [undefined, quickHash("imported"), bcrypt.hashSync("imported", 9), dear]) {
      compare.mockClear();
      expect(await passwords.verify("wrong", stored)).toBe(false);
      expect(rounds()).toBe(2 ** 12);
    }
  });

  test("match nothing where there is no account, or no hash", async () => {
    const passwords = openPasswords();
    expect(await passwords.verify("anything", undefined)).toBe(false);
    for (const stored of ["", "plain", "$2b$12$short"]) expect(await passwords.verify("plain", stored)).toBe(false);
  });

  test("are common in any letter case", () => {
    const passwords = openPasswords();
    for (const common of ["password", "12345678", "PassWord", "qwertyuiop", "iloveyou"]) {
      expect(passwords.isCommon(common)).toBe(true);
    }
    for (const rare of ["", "correct horse battery", "pa55w0rd-of-mine", "__proto__", "constructor"]) {
      expect(passwords.isCommon(rare)).toBe(false);
    }
  });

  test("are turned away when too many are waiting, and taken again when they are done", async () => {
    const passwords = openPasswords();
    const hash = quickHash("right");
    const all = Array.from({ length: 100 }, () => passwords.verify("right", hash));
    const busy = { code: "resource_exhausted", retryAfterMs: 5000 };
    await expect(passwords.verify("one more", hash)).rejects.toMatchObject(busy);
    const results = await Promise.allSettled(all);
    const served = results.filter(({ status }) => status === "fulfilled").length;
    expect(served).toBeGreaterThanOrEqual(64);
    expect(served).toBeLessThanOrEqual(66);
    for (const result of results.slice(0, served)) expect(result).toMatchObject({ value: true });
    for (const result of results.slice(served)) {
      expect(result).toMatchObject({ status: "rejected", reason: expect.any(DomainError) });
    }
    expect(await passwords.verify("right", hash)).toBe(true);
  });

  test("of those who sign in are taken while too many others wait", async () => {
    const passwords = openPasswords();
    const hash = quickHash("right");
    const others = Promise.allSettled(Array.from({ length: 100 }, () => passwords.confirm("right", hash)));
    await expect(passwords.hash("one more")).rejects.toMatchObject({ code: "resource_exhausted" });
    const first = await Promise.race([passwords.verify("right", hash), others]);
    expect(first).toBe(true);
    await others;
  });

  test("go on after a check that failed", async () => {
    const passwords = openPasswords();
    const notText = 1 as unknown as string;
    const failing = Array.from({ length: 10 }, () => passwords.verify("right", notText));
    for (const { status } of await Promise.allSettled(failing)) expect(status).toBe("rejected");
    expect(await passwords.verify("right", quickHash("right"))).toBe(true);
  });
});
