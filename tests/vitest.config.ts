// Which suites `npm test` runs against the built Worker, and in what order.
// Always holds: one gateway, started once, serves every file of a project (each test makes its own Behest project in it);
// what starts, kills or floods gateways of its own runs afterwards, one file at a time, so that it disturbs no measured bound.
// Absent: retries. A test that fails once has found something.
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

const root = fileURLToPath(new URL(".", import.meta.url));
const ALONE = ["worker/durability.test.ts", "worker/alerts.test.ts", "worker/ledger-kills.test.ts", "worker/limit-under-load.test.ts", "worker/disconnect.test.ts", "worker/budget-rounds.test.ts", "worker/leavers.test.ts", "worker/lost.test.ts", "worker/ip-limit.test.ts", "worker/reach.test.ts", "worker/zone-totals.test.ts"];
/** Those that take longest, mostly waiting: begun last, they would hold up the rest. */
const LONG = ["worker/over-time.test.ts", "worker/ledger.test.ts", "worker/revocation.test.ts", "worker/restart.test.ts", "worker/stale-revocation.test.ts", "worker/issuers.test.ts"];
const shared = { root, globalSetup: ["support/shared-gateway.ts"], testTimeout: 30_000, hookTimeout: 60_000, teardownTimeout: 15_000 };

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isShort = ({ moduleId }: TestSpecification) => Number(!LONG.some((name) => moduleId.endsWith(name)));
    return (await super.sort(files)).sort((one, other) => isShort(one) - isShort(other));
  }
}

export default defineConfig({
  root,
  test: {
    maxWorkers: 2,
    sequence: { sequencer: LongFirst },
    projects: [
      { test: { ...shared, name: "together", include: ["**/*.test.ts"], exclude: [...ALONE, "interop/**"], sequence: { groupOrder: 0 } } },
      { test: { ...shared, name: "interop", include: ["interop/**/*.test.ts"], sequence: { groupOrder: 2 } } },
      { test: { ...shared, name: "alone", include: ALONE, fileParallelism: false, sequence: { groupOrder: 1 } } },
    ],
  },
});
