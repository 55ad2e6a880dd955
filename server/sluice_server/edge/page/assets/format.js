// How figures are written: for people, in the way of the browser's language.
// What is not known is a dash, never 0.

export const UNKNOWN = "–";

const whole = new Intl.NumberFormat();
const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumSignificantDigits: 3 });
const precise = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 3 });
// Making one takes longer than using it a hundred times.
const percent = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1 });
const fine = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 2 });
const dollars = { style: "currency", currency: "USD", currencyDisplay: "narrowSymbol" };
const large = new Intl.NumberFormat(undefined, dollars);
const small = new Intl.NumberFormat(undefined, { ...dollars, minimumSignificantDigits: 2, maximumSignificantDigits: 2 });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

function known(write) {
  return (value) => (value === undefined || Number.isNaN(value) ? UNKNOWN : write(value));
}

export const count = known((value) => whole.format(value));

/** Large amounts, such as tokens. */
export const amount = known((value) => (Math.abs(value) < 10_000 ? whole : compact).format(value));

export const rate = known((value) => (value >= 1000 ? amount(Math.round(value)) : precise.format(value)));

export const share = known((value) => (value !== 0 && value < 0.01 ? fine : percent).format(value));

/** From seconds. */
export const duration = known((value) => {
  if (value < 1) return `${precise.format(value * 1000)} ms`;
  if (value < 60) return `${precise.format(value)} s`;
  return span(value);
});

/** From 1e-9 US dollars; small amounts keep two digits that say something. */
export const money = known((nanos) => {
  const value = nanos / 1e9;
  return (value !== 0 && Math.abs(value) < 1 ? small : large).format(value);
});

export const bytes = known((value) => {
  const mebibytes = value / 1024 ** 2;
  return mebibytes < 1024 ? `${precise.format(mebibytes)} MiB` : `${precise.format(mebibytes / 1024)} GiB`;
});

/** A length of time in its two largest units. */
export function span(seconds) {
  let rest = Math.max(0, Math.floor(seconds));
  const found = [];
  for (const [size, name] of [[86_400, "d"], [3600, "h"], [60, "min"], [1, "s"]]) {
    const times = Math.floor(rest / size);
    rest %= size;
    if (times || (found.length && rest)) found.push(`${times} ${name}`);
    if (found.length === 2) break;
  }
  return found.join(" ") || "0 s";
}

export function ago(seconds) {
  if (seconds < 1) return "now";
  const [size, name] = [[86_400, "d"], [3600, "h"], [60, "min"]].find(([least]) => seconds >= least) ?? [1, "s"];
  return `${Math.floor(seconds / size)} ${name} ago`;
}

/** What is left until something, as a clock counts it down. */
export function countdown(seconds) {
  const left = Math.ceil(seconds);
  if (left >= 86_400) return span(left);
  const [hours, minutes, rest] = [Math.floor(left / 3600), Math.floor(left / 60) % 60, left % 60];
  const two = (value) => String(value).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** From milliseconds since the epoch. */
export const absolute = (milliseconds) => moment.format(milliseconds);
export const timeOfDay = (milliseconds) => clock.format(milliseconds);

const PERIODS = new Map([[1, "per second"], [60, "per minute"], [3600, "per hour"], [86_400, "per day"]]);

/** How a limit's window reads behind what is counted. */
export function period(seconds) {
  return seconds ? (PERIODS.get(seconds) ?? `per ${span(seconds)}`) : "";
}
