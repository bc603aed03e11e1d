import { BaseSequencer, type TestSpecification } from "vitest/node";

/** What takes minutes. Where no run has measured them yet, the largest files begin, and these would be waited for alone. */
export const longest = [
  "test/client/openapi.test.ts",
  "test/conformance/conformance.test.ts",
  "test/deploy/image.test.ts",
  "test/api/service-bus.test.ts",
  "test/crash/crash.test.ts",
  "test/client/go.test.ts",
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const first = longest.flatMap((path) => sorted.filter(({ moduleId }) => moduleId.endsWith(path)));
    return [...new Set([...first, ...sorted])];
  }
}
