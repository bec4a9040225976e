const whole = new Intl.NumberFormat("en");
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

export function count(value: number | bigint): string {
  return whole.format(value);
}

/** A rate or a time: small ones have more digits. */
export function figure(value: number): string {
  if (value >= 100) return whole.format(Math.round(value));
  return value >= 10 ? value.toFixed(1) : value === 0 ? "0" : value.toFixed(2);
}

export function bytes(value: number | bigint): string {
  let size = Number(value);
  let unit = 0;
  while (size >= 1024 && unit < UNITS.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? size : figure(size)} ${UNITS[unit]}`;
}

export function percent(share: number, digits = 1): string {
  return `${(share * 100).toFixed(digits)}%`;
}

/** A signed difference, with a true minus. */
export function signed(value: number, digits = 0): string {
  const text = Math.abs(value).toFixed(digits);
  return Number(text) === 0 ? `±${text}` : `${value > 0 ? "+" : "−"}${text}`;
}

export function seconds(value: number): string {
  if (value < 60) return `${value.toFixed(value < 10 ? 1 : 0)} s`;
  if (value < 3600) return `${Math.floor(value / 60)} min`;
  if (value < 86_400) return `${Math.floor(value / 3600)} h ${Math.floor((value % 3600) / 60)} min`;
  return `${Math.floor(value / 86_400)} d ${Math.floor((value % 86_400) / 3600)} h`;
}

/** The time of a version: its upper 48 bits are milliseconds. */
export function timeOf(version: bigint): string {
  return version === 0n ? "–" : clock(Number(version >> 16n));
}

export function clock(ms: number): string {
  const time = new Date(ms);
  const day = time.toDateString() === new Date().toDateString() ? "" : `${time.toLocaleDateString("en-CA")} `;
  return `${day}${time.toLocaleTimeString("en-GB")}`;
}

/** A node in short: its host and port. */
export function hostOf(url: string): string {
  return url.replace(/^https?:\/\//, "");
}
