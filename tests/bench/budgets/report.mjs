// The bursts' results as one Markdown table, subjects side by side.
// Always holds: a cell shows every round's number or their range; overshoot is what was billed, or admitted in a window, beyond the limit.
// Absent: opinion.
const range = (values, show) => {
  const [least, most] = [Math.min(...values), Math.max(...values)].map(show);
  return least === most ? least : `${least}–${most}`;
};
const row = (cells) => `| ${cells.join(" | ")} |`;
const dollars = (value) => (value < 5e-7 ? "0" : `$${value.toFixed(6)}`);
const count = (value) => String(value);

export function markdown({ machine, subjects, bursts }) {
  const head = ["64 clients at once", "fits", ...subjects.flatMap(({ title }) => [`${title}: served`, "over"])];
  const lines = bursts.map(({ burst, results }) => row([
    burst.title, burst.fits,
    ...results.flatMap((result) => (result ? [range(result.served, count), range(result.over, burst.limits.rpm ? count : dollars)] : ["not run", ""])),
  ]));
  const statuses = bursts.map(({ burst, results }) => `${burst.key}: ${results.map((result, n) => `${subjects[n].title} ${JSON.stringify(result?.statuses ?? "not run")}`).join("; ")}`);
  return `${machine}\n\n${[row(head), row(head.map(() => "---")), ...lines].join("\n")}\n\nAnswers by status, all rounds:\n${statuses.join("\n")}`;
}
