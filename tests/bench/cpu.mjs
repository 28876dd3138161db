// CPU time of another process: user and system, all its threads, in µs.
// Always holds: the number grows while the process lives. On Linux it is the scheduler's own count of each thread, in ns; where the kernel
// does not give that, /proc/<pid>/stat in ticks of 10 ms; elsewhere `ps`.
// Absent: children of that process, and threads that have ended (workerd has neither).
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";

const linux = process.platform === "linux";
const fine = linux && existsSync("/proc/self/schedstat") && Number(readFileSync("/proc/self/schedstat", "utf8").split(" ")[0]) > 0;
const TICK_MICROS = linux ? 1_000_000 / Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" })) : 0;

export function cpuMicros(pid) {
  if (fine) return fromSchedule(pid);
  return linux ? fromStat(pid) : fromPs(pid);
}

function fromSchedule(pid) {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.reduce((sum, thread) => sum + Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]), 0) / 1_000;
}

function fromStat(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The second field is the program's name in parentheses and may hold spaces; utime and stime are the 14th and 15th.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MICROS;
}

/** `[[dd-]hh:]mm:ss[.cc]`. */
function fromPs(pid) {
  const text = execFileSync("ps", ["-o", "time=", "-p", String(pid)], { encoding: "utf8" }).trim();
  const [clock, days] = text.split("-").reverse();
  const seconds = clock.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
  return (seconds + Number(days ?? 0) * 86_400) * 1_000_000;
}
