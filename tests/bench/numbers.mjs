// Statistics of few numbers.
// Always holds: the input is left as it is; of an empty list everything is NaN.
export const sorted = (values) => [...values].sort((a, b) => a - b);

/** The value below which `share` (0 to 1) of the values lie. */
export function percentile(values, share) {
  const list = sorted(values);
  return list.length === 0 ? NaN : list[Math.min(list.length - 1, Math.floor(share * list.length))];
}

export function median(values) {
  const list = sorted(values);
  const middle = list.length / 2;
  return list.length === 0 ? NaN : list.length % 2 === 1 ? list[Math.floor(middle)] : (list[middle - 1] + list[middle]) / 2;
}

export const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
