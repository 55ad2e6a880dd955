"""Every metric, span attribute and log event that Sluice emits, in one place.

Attributes follow the OpenTelemetry semantic conventions: GenAI
(https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/) and RPC
(https://opentelemetry.io/docs/specs/semconv/rpc/rpc-spans/). They are copied
rather than imported: the package that holds them is marked unstable. Names
under `sluice.` are ours, where the conventions have none.
"""

from __future__ import annotations

# --- Span attributes --------------------------------------------------------

RPC_SYSTEM = "rpc.system"
RPC_SERVICE = "rpc.service"
RPC_METHOD = "rpc.method"
RPC_GRPC_STATUS_CODE = "rpc.grpc.status_code"
ERROR_TYPE = "error.type"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
HTTP_STATUS_CODE = "http.response.status_code"

GEN_AI_OPERATION_NAME = "gen_ai.operation.name"
GEN_AI_PROVIDER_NAME = "gen_ai.provider.name"
GEN_AI_REQUEST_MODEL = "gen_ai.request.model"
GEN_AI_REQUEST_MAX_TOKENS = "gen_ai.request.max_tokens"
GEN_AI_RESPONSE_ID = "gen_ai.response.id"
GEN_AI_RESPONSE_MODEL = "gen_ai.response.model"
GEN_AI_RESPONSE_FINISH_REASONS = "gen_ai.response.finish_reasons"
GEN_AI_USAGE_INPUT_TOKENS = "gen_ai.usage.input_tokens"
GEN_AI_USAGE_OUTPUT_TOKENS = "gen_ai.usage.output_tokens"

SLUICE_GENERATION_ID = "sluice.generation_id"
SLUICE_CALLER = "sluice.caller"
SLUICE_CREDENTIAL = "sluice.credential"
SLUICE_ATTEMPT = "sluice.attempt"
SLUICE_OUTCOME = "sluice.outcome"
ATTEMPT_GAVE_UP = "sluice.attempt_gave_up"
OUTRACED = "OUTRACED"

# --- Prometheus metrics -----------------------------------------------------

# Counters get their `_total` from the library. Units are base units: seconds,
# bytes, US dollars. Which labels each has is in `metrics`.

# What callers see.
RPCS = "sluice_rpcs"
RPC_DURATION = "sluice_rpc_duration_seconds"
ACTIVE_STREAMS = "sluice_active_streams"
QUEUED_CALLS = "sluice_queued_calls"
WAITING_CALLS = "sluice_waiting_calls"
CALLS = "sluice_calls"
CALL_QUEUED = "sluice_call_queued_seconds"
CALL_FIRST_OUTPUT = "sluice_call_first_output_seconds"
CALL_TOKENS = "sluice_call_tokens"
CALL_COST = "sluice_call_cost_usd"
LABEL_CALLS = "sluice_label_calls"
LABEL_TOKENS = "sluice_label_tokens"
LABEL_COST = "sluice_label_cost_usd"
EVENTS = "sluice_stream_events"
MESSAGES = "sluice_stream_messages"
OVERHEAD = "sluice_gateway_overhead_seconds"

# What upstreams do.
ATTEMPTS = "sluice_upstream_attempts"
ATTEMPT_DURATION = "sluice_upstream_attempt_duration_seconds"
FIRST_OUTPUT = "sluice_upstream_first_output_seconds"
OUTPUT_GAP = "sluice_upstream_output_gap_seconds"
TOKENS = "sluice_tokens"
COST = "sluice_cost_usd"
RETRIES_REFUSED = "sluice_retries_refused"
PROVIDER_UP = "sluice_provider_up"
PROVIDER_HEALTH = "sluice_provider_health"
CIRCUITS = "sluice_circuits"
CIRCUIT_OPENINGS = "sluice_circuit_openings"
PROBES = "sluice_probes"
ALERTS = "sluice_alerts"

# Limits and credentials.
LIMIT = "sluice_limit"
LIMIT_REMAINING = "sluice_limit_remaining"
LIMIT_RESERVED = "sluice_limit_reserved"
LIMIT_UTILIZATION = "sluice_limit_utilization_ratio"
CREDENTIAL_ATTEMPTS = "sluice_credential_attempts"
CREDENTIAL_HEALTH = "sluice_credential_health"
CREDENTIAL_REFRESHES = "sluice_credential_refreshes"
CREDENTIAL_EXPIRY = "sluice_credential_expiry_timestamp_seconds"

# The catalogue.
MODELS = "sluice_models"
CATALOG_AGE = "sluice_catalog_age_seconds"
CATALOG_FETCHES = "sluice_catalog_fetches"

# The replica.
SHARED_STATE_UP = "sluice_shared_state_up"
LOOP_BUSY = "sluice_event_loop_busy_ratio"
LOOP_LAG = "sluice_event_loop_lag_seconds"
LOG_LINES_LOST = "sluice_log_lines_lost"
BUILD_INFO = "sluice_build"

# --- Log events -------------------------------------------------------------

SERVER_STARTED = "server.started"
SERVER_DRAINING = "server.draining"
SERVER_STOPPED = "server.stopped"
CALL_FINISHED = "call.finished"
CALL_FAILED_INTERNALLY = "call.failed_internally"
CREDENTIAL_CHANGED = "credential.state_changed"
SHARED_STATE_CHANGED = "state.shared_changed"
CREDENTIAL_REFRESHED = "credential.refreshed"
CREDENTIAL_REFRESH_FAILED = "credential.refresh_failed"
CREDENTIAL_LOGIN_NEEDED = "credential.login_needed"
KEY_PAGE_FAILED = "credential.key_page_failed"
AFTERMATH_FAILED = "call.aftermath_failed"
PROVIDER_HEALTH_CHANGED = "provider.health_changed"
CIRCUIT_CHANGED = "circuit.state_changed"
PROBE_FAILED = "provider.probe_failed"
ERRORS_SUSTAINED = "provider.errors_sustained"
ERRORS_ENDED = "provider.errors_ended"
ALERT_FAILED = "alert.failed"
HEALTH_ROUND_FAILED = "health.round_failed"
MODELS_FETCH_FAILED = "models.fetch_failed"
MODELS_KEPT_UNREADABLE = "models.kept_unreadable"
MODELS_NOT_KEPT = "models.not_kept"
LOCAL_STARTED = "local.started"
LOCAL_READY = "local.ready"
LOCAL_CRASHED = "local.crashed"
LOCAL_STOPPED = "local.stopped"
LOCAL_LISTENER_FAILED = "local.listener_failed"
LIBRARY_LOGGED = "library.logged"
