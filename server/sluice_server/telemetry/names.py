"""Every metric, span attribute and log event that Sluice emits, in one place.

Attributes follow the OpenTelemetry semantic conventions of GenAI and RPC, each
in an older and a newer version; which one is used is in `conventions`, and why
these versions in docs/decisions/0030. They are copied rather than imported: the
package that holds them is marked unstable. Names under `sluice.` are ours, where
the conventions have none.
"""

from __future__ import annotations

# --- Attributes of spans and of OpenTelemetry's metrics ---------------------

# General: https://opentelemetry.io/docs/specs/semconv/registry/attributes/
ERROR_TYPE = "error.type"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
CLIENT_ADDRESS = "client.address"
CLIENT_PORT = "client.port"
NETWORK_PEER_ADDRESS = "network.peer.address"
NETWORK_PEER_PORT = "network.peer.port"
NETWORK_TRANSPORT = "network.transport"
NETWORK_TYPE = "network.type"
HTTP_STATUS_CODE = "http.response.status_code"

# RPC, older: https://github.com/open-telemetry/semantic-conventions/blob/v1.37.0/docs/rpc/rpc-spans.md
# with .../v1.37.0/docs/rpc/grpc.md
RPC_SYSTEM = "rpc.system"
RPC_SERVICE = "rpc.service"
RPC_METHOD = "rpc.method"
RPC_GRPC_STATUS_CODE = "rpc.grpc.status_code"

# RPC, newer: https://github.com/open-telemetry/semantic-conventions/blob/v1.44.0/docs/rpc/grpc.md
RPC_SYSTEM_NAME = "rpc.system.name"
RPC_RESPONSE_STATUS_CODE = "rpc.response.status_code"

# GenAI, older: https://github.com/open-telemetry/semantic-conventions/blob/v1.36.0/docs/gen-ai/gen-ai-spans.md
GEN_AI_SYSTEM = "gen_ai.system"

# GenAI, newer: https://github.com/open-telemetry/semantic-conventions/blob/v1.41.1/docs/gen-ai/gen-ai-spans.md
GEN_AI_PROVIDER_NAME = "gen_ai.provider.name"
GEN_AI_REQUEST_STREAM = "gen_ai.request.stream"
GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS = "gen_ai.usage.cache_read.input_tokens"
GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS = "gen_ai.usage.cache_creation.input_tokens"
GEN_AI_USAGE_REASONING_OUTPUT_TOKENS = "gen_ai.usage.reasoning.output_tokens"
GEN_AI_INPUT_MESSAGES = "gen_ai.input.messages"
GEN_AI_OUTPUT_MESSAGES = "gen_ai.output.messages"
GEN_AI_SYSTEM_INSTRUCTIONS = "gen_ai.system_instructions"

# GenAI, the same in both.
GEN_AI_OPERATION_NAME = "gen_ai.operation.name"
GEN_AI_OUTPUT_TYPE = "gen_ai.output.type"
GEN_AI_REQUEST_MODEL = "gen_ai.request.model"
GEN_AI_REQUEST_MAX_TOKENS = "gen_ai.request.max_tokens"
GEN_AI_REQUEST_TEMPERATURE = "gen_ai.request.temperature"
GEN_AI_REQUEST_TOP_P = "gen_ai.request.top_p"
GEN_AI_REQUEST_TOP_K = "gen_ai.request.top_k"
GEN_AI_REQUEST_SEED = "gen_ai.request.seed"
GEN_AI_REQUEST_STOP_SEQUENCES = "gen_ai.request.stop_sequences"
GEN_AI_REQUEST_PRESENCE_PENALTY = "gen_ai.request.presence_penalty"
GEN_AI_REQUEST_FREQUENCY_PENALTY = "gen_ai.request.frequency_penalty"
GEN_AI_RESPONSE_ID = "gen_ai.response.id"
GEN_AI_RESPONSE_MODEL = "gen_ai.response.model"
GEN_AI_RESPONSE_FINISH_REASONS = "gen_ai.response.finish_reasons"
GEN_AI_USAGE_INPUT_TOKENS = "gen_ai.usage.input_tokens"
GEN_AI_USAGE_OUTPUT_TOKENS = "gen_ai.usage.output_tokens"

# Ours, of the server span.
SLUICE_GENERATION_ID = "sluice.generation_id"
SLUICE_CALLER = "sluice.caller"
SLUICE_ATTEMPTS = "sluice.attempts"
SLUICE_REASON = "sluice.reason"

# Ours, of the client span of an upstream call; the first three are in events too.
SLUICE_PROVIDER = "sluice.provider"
SLUICE_CREDENTIAL = "sluice.credential"
SLUICE_ATTEMPT = "sluice.attempt"
SLUICE_REASONING_EFFORT = "sluice.request.reasoning.effort"
SLUICE_REASONING_MAX_TOKENS = "sluice.request.reasoning.max_tokens"
SLUICE_FINISH_REASON = "sluice.response.finish_reason"
SLUICE_CONTENT_CUT = "sluice.content_cut"

# Ours, of both.
SLUICE_OUTCOME = "sluice.outcome"
SLUICE_COST = "sluice.cost_usd"
SLUICE_WASTED_COST = "sluice.wasted_usd"

# Events of the server span, which tell why nothing happened for a while, and their attributes.
PLACE_WAITED = "sluice.place_waited"
ROOM_WAITED = "sluice.room_waited"
ATTEMPT_GAVE_UP = "sluice.attempt_gave_up"
HEDGE_STARTED = "sluice.hedge_started"
RETRY_PAUSED = "sluice.retry_paused"
SLUICE_SECONDS = "sluice.seconds"
SLUICE_MODEL = "sluice.model"
SLUICE_LIMIT = "sluice.limit"
SLUICE_UPSTREAM_CALLED = "sluice.upstream_called"
OUTRACED = "OUTRACED"

# Events of the client span.
FIRST_OUTPUT_CAME = "sluice.first_output"

# --- OpenTelemetry's metrics -------------------------------------------------

# https://github.com/open-telemetry/semantic-conventions/blob/v1.41.1/docs/gen-ai/gen-ai-metrics.md;
# the first two are as in v1.36.0.
GEN_AI_CLIENT_OPERATION_DURATION = "gen_ai.client.operation.duration"
GEN_AI_CLIENT_TOKEN_USAGE = "gen_ai.client.token.usage"
GEN_AI_CLIENT_TIME_TO_FIRST_CHUNK = "gen_ai.client.operation.time_to_first_chunk"
GEN_AI_TOKEN_TYPE = "gen_ai.token.type"

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
CONFIG_RELOADED_WELL = "sluice_config_last_reload_successful"
CONFIG_RELOADED_AT = "sluice_config_last_reload_success_timestamp_seconds"
CONFIG_RELOADS = "sluice_config_reloads"
CONFIG_WAITING = "sluice_config_waiting_for_restart"
LOG_LINES_LOST = "sluice_log_lines_lost"
BUILD_INFO = "sluice_build"

# --- Log events -------------------------------------------------------------

SERVER_STARTED = "server.started"
CONFIG_RELOADED = "config.reloaded"
CONFIG_RELOAD_FAILED = "config.reload_failed"
CONFIG_WAITS = "config.waits_for_restart"
SERVER_DRAINING = "server.draining"
SERVER_STOPPED = "server.stopped"
JWT_KEYS_READ = "jwt.keys_read"
JWT_KEYS_FAILED = "jwt.keys_failed"
CERTIFICATE_RELOADED = "tls.certificate_reloaded"
CERTIFICATE_UNUSABLE = "tls.certificate_unusable"
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
EXPORT_FAILED = "telemetry.export_failed"
EXPORT_RESUMED = "telemetry.export_resumed"
VARIABLES_IGNORED = "telemetry.variables_ignored"
