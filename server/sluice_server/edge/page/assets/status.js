// From the server's document to the rows that the page shows. Nothing here
// touches the page. A document is proto JSON: 64-bit numbers and times are text,
// and what is 0, false or empty is left out; what may be unknown is left out
// only then.

const NANOS = { RATE_LIMIT_UNIT_CREDIT_USD_NANOS: true, RATE_LIMIT_UNIT_COST_USD_NANOS: true };

const UNITS = {
  RATE_LIMIT_UNIT_REQUESTS: "requests",
  RATE_LIMIT_UNIT_TOKENS: "tokens",
  RATE_LIMIT_UNIT_INPUT_TOKENS: "input tokens",
  RATE_LIMIT_UNIT_OUTPUT_TOKENS: "output tokens",
  RATE_LIMIT_UNIT_CREDIT_USD_NANOS: "credit",
  RATE_LIMIT_UNIT_COST_USD_NANOS: "spending",
};

const HEALTH = {
  HEALTH_STATE_HEALTHY: { kind: "good", word: "healthy", rank: 1 },
  HEALTH_STATE_DEGRADED: { kind: "warn", word: "degraded", rank: 2 },
  HEALTH_STATE_UNHEALTHY: { kind: "bad", word: "unhealthy", rank: 3 },
};
const UNUSED = { kind: "unknown", word: "not used yet", rank: 0 };

const CIRCUIT = {
  CIRCUIT_STATE_CLOSED: { kind: "good", word: "closed", rank: 0 },
  CIRCUIT_STATE_HALF_OPEN: { kind: "warn", word: "half open", rank: 1 },
  CIRCUIT_STATE_OPEN: { kind: "bad", word: "open", rank: 2 },
};

const CONFIGURED = "RATE_LIMIT_SOURCE_CONFIG";

export const number = (value) => (value === undefined ? undefined : Number(value));
export const seconds = (text) => (text === undefined ? undefined : Number.parseFloat(text));
/** Milliseconds since the epoch. */
export const time = (text) => (text === undefined ? undefined : Date.parse(text));

const counted = (value) => Number(value ?? 0);

/** The figures of some calls: since the start, or of a window of so many seconds. */
export function figures(calls, window) {
  if (!calls) return { reasons: {} };
  return window ? recent(calls, window) : total(calls);
}

function total(calls) {
  const ended = counted(calls.successes) + counted(calls.errors);
  return {
    calls: counted(calls.requests),
    errors: counted(calls.errors),
    errorRate: ended ? counted(calls.errors) / ended : undefined,
    firstOutput: seconds(calls.time_to_first_output?.p50),
    firstOutputSlow: seconds(calls.time_to_first_output?.p95),
    latency: seconds(calls.latency?.p50),
    latencySlow: seconds(calls.latency?.p95),
    inputTokens: number(calls.usage?.input_tokens),
    outputTokens: number(calls.usage?.output_tokens),
    cost: calls.cost && counted(calls.cost.usd_nanos) + counted(calls.cost.wasted_usd_nanos),
    wasted: counted(calls.cost?.wasted_usd_nanos),
    unpriced: counted(calls.unpriced_calls),
    reasons: calls.errors_by_reason ?? {},
  };
}

function recent(calls, window) {
  const found = calls.recent?.find((each) => seconds(each.window) === window);
  if (!found) return { reasons: {} };
  return {
    calls: counted(found.successes) + counted(found.errors) + counted(found.cancellations),
    errors: counted(found.errors),
    errorRate: number(found.error_rate),
    firstOutput: seconds(found.mean_time_to_first_output),
    latency: seconds(found.mean_latency),
    callsPerSecond: counted(found.calls_per_second),
    inputTokens: counted(found.input_tokens_per_second),
    outputTokens: counted(found.output_tokens_per_second),
    perSecond: true,
    cost: counted(found.usd_nanos),
    reasons: found.errors_by_reason ?? {},
  };
}

/** Everything that the page shows of one document. */
export function read(status) {
  const metrics = status.metrics ?? {};
  const limits = status.rate_limits ?? {};
  const server = metrics.server ?? {};
  const snapshot = time(server.snapshot_time);
  return {
    server,
    snapshot,
    providers: (metrics.providers ?? []).map(readProvider),
    credentials: readCredentials(metrics.credentials ?? [], limits, snapshot),
    models: (metrics.models ?? []).map(({ provider, model, calls }) => ({ key: `${provider}/${model}`, calls })),
    callers: (metrics.callers ?? []).map(({ caller = "", calls }) => ({ key: caller, title: caller || "(without a name)", calls })),
    labels: (metrics.labels ?? []).map(({ key, value = "", calls }) => ({ key: `${key}=${value}`, calls })),
    failures: readFailures(metrics.providers ?? [], server),
    leftOut: status.left_out ?? {},
  };
}

function readProvider({ provider, health, health_message, health_time, circuit, calls }) {
  return {
    key: provider,
    health: HEALTH[health] ?? UNUSED,
    message: health_message ?? "",
    judged: time(health_time),
    circuit: CIRCUIT[circuit],
    calls: calls ?? {},
  };
}

/** One row for each credential with its limits, and one for each other holder of limits. */
function readCredentials(credentials, limits, snapshot) {
  const rows = new Map();
  const place = (provider, name) => JSON.stringify([provider, name]);
  for (const entry of credentials) {
    const { provider, credential, calls } = entry;
    rows.set(place(provider, credential), {
      key: `${provider} / ${credential}`,
      provider,
      name: credential,
      state: HEALTH[entry.health] ?? UNUSED,
      rests: time(entry.backoff_until),
      expires: time(entry.expire_time),
      refreshes: counted(entry.refreshes),
      refreshFailures: counted(entry.refresh_failures),
      refreshed: time(entry.last_refresh_time),
      calls: calls ?? {},
      limits: [],
      verdicts: [],
    });
  }
  const at = (provider, name) => {
    const found = rows.get(place(provider, name));
    if (found) return found;
    const made = { key: holder(provider, name), provider, name, limits: [], verdicts: [], shared: true };
    rows.set(place(provider, name), made);
    return made;
  };
  for (const bucket of limits.buckets ?? []) {
    at(bucket.provider ?? "", bucket.quota_scope ?? "").limits.push(readLimit(bucket));
  }
  for (const verdict of limits.headroom ?? []) {
    at(verdict.provider, verdict.credential).verdicts.push(verdict);
  }
  for (const row of rows.values()) {
    row.limits.sort(byTightness);
    row.room = readRoom(row.verdicts, snapshot);
  }
  return [...rows.values()];
}

function holder(provider, name) {
  if (!provider) return name.replace("/", " ");
  return name ? `${provider} / ${name} (shared)` : `${provider} / all credentials`;
}

function readLimit(bucket) {
  const own = bucket.source === CONFIGURED;
  const [limit, remaining, held] = [number(bucket.limit), number(bucket.remaining), counted(bucket.reserved)];
  // What own limits hold is off their remaining already.
  const room = remaining === undefined ? undefined : Math.max(0, own ? remaining : remaining - held);
  const window = seconds(bucket.window);
  return {
    key: JSON.stringify([bucket.model, bucket.unit, window, own]),
    model: bucket.model ?? "",
    what: UNITS[bucket.unit] ?? "of something",
    money: bucket.unit in NANOS,
    window,
    own,
    atOnce: own && !window,
    limit,
    room,
    held,
    left: room === undefined || !limit ? undefined : Math.min(1, room / limit),
    reset: time(bucket.reset_time),
    observed: time(bucket.observe_time),
  };
}

/** What is nearly used up comes first; the rest stays where it is, so that it can be read. */
function byTightness(one, other) {
  const urgency = ({ left = 1 }) => (left < 0.25 ? left : 1);
  return urgency(one) - urgency(other) || one.key.localeCompare(other.key);
}

function readRoom(verdicts, snapshot) {
  if (!verdicts.length) return undefined;
  const full = verdicts.filter((each) => !each.admissible);
  const used = verdicts.map((each) => number(each.utilization)).filter((each) => each !== undefined);
  const utilization = used.length ? Math.max(...used) : undefined;
  if (full.length) {
    const waits = full.map((each) => seconds(each.wait)).filter((each) => each !== undefined);
    const some = full.length < verdicts.length;
    return {
      kind: some ? "warn" : "bad",
      word: some ? `full for ${full.length} of ${verdicts.length} models` : "full",
      rank: some ? 2 : 3,
      utilization,
      until: waits.length ? snapshot + Math.min(...waits) * 1000 : undefined,
    };
  }
  return verdicts.some((each) => each.throttled)
    ? { kind: "warn", word: "nearly full", rank: 1, utilization }
    : { kind: "good", word: "room", rank: 0, utilization };
}

/** Why upstream calls failed, at whom, and how many calls that cost. */
function readFailures(providers, server) {
  const rows = new Map();
  const at = (reason) => {
    const row = rows.get(reason) ?? { key: reason, title: reason || "(without a reason)", minute: 0, five: 0, total: 0, places: [] };
    rows.set(reason, row);
    return row;
  };
  for (const { provider, calls } of providers) {
    for (const [reason, times] of Object.entries(calls?.errors_by_reason ?? {})) {
      const row = at(reason);
      row.total += Number(times);
      row.places.push({ provider, times: Number(times) });
      if (calls.last_error_reason === reason) row.last = Math.max(row.last ?? 0, time(calls.last_error_time));
    }
    for (const [window, name] of [[60, "minute"], [300, "five"]]) {
      for (const [reason, times] of Object.entries(figures(calls, window).reasons)) at(reason)[name] += Number(times);
    }
  }
  for (const [reason, times] of Object.entries(server.calls?.errors_by_reason ?? {})) {
    at(reason).callers = Number(times);
  }
  const windows = providers.some(({ calls }) => calls?.recent);
  return [...rows.values()].map((row) => ({
    ...row,
    ...(windows ? {} : { minute: undefined, five: undefined }),
    callers: row.callers ?? (server.calls ? 0 : undefined),
    where: row.places.sort((one, other) => other.times - one.times),
  }));
}
