"""Every fault, once, with its place and its line."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from sluice_server.config.faults import ConfigurationError, written
from sluice_server.config.kinds import ProviderKind
from sluice_server.config.load import load

FaultsOf = Callable[..., list[str]]
Kinds = Mapping[str, ProviderKind]

PROVIDER = "providers: {p: {kind: openai-compatible, base_url: 'http://127.0.0.1:1'%s}}"
HEADERS_REFUSED = {
    "authorization": "must not be set as a header: keys belong under credentials",
    "X-Api-Key": "must not be set as a header: keys belong under credentials",
    "Host": "must not be set: the gateway sets this header itself",
    "Transfer-Encoding": "must not be set: the gateway sets this header itself",
    "content-length": "must not be set: the gateway sets this header itself",
    "traceparent": "must not be set: the gateway sets this header itself",
}
TOKEN = "0123456789abcdef"
HASH = f"sha256:{hashlib.sha256(TOKEN.encode()).hexdigest()}"
ISSUER = "jwt_issuers: [{issuer: i, audience: a, jwks_url: 'https://i.example/keys'}]"
ISSUERS = ISSUER.replace("}]", "}, {issuer: j, audience: a, jwks_url: 'https://j.example/keys'}]")

SHAPE = [
    ("listen: 1", "listen: must be text; put it in quotes"),
    (
        "listen: nowhere",
        (
            "listen: must be host:port, for example 127.0.0.1:50051, or "
            "with IPv6 [::1]:50051 in quotes"
        ),
    ),
    ("insecure: perhaps", "insecure: must be true or false"),
    ("lisen: x", "lisen: is not a known key; did you mean listen?"),
    ("zzz: x", "zzz: is not a known key"),
    ("_env_file: x", "_env_file: is not a known key"),
    (
        "server: {keepalive_second: 3}",
        "server.keepalive_second: is not a known key; did you mean keepalive_seconds?",
    ),
    (
        PROVIDER % ", time_outs: {}",
        "providers.p.time_outs: is not a known key; did you mean timeouts?",
    ),
    (
        PROVIDER % ", timeouts: {idle: 3}",
        "providers.p.timeouts.idle: is not a known key; did you mean idle_seconds?",
    ),
    (
        PROVIDER % ", credentials: [{name: a, api_key: b, zzz: c}]",
        "providers.p.credentials[0].zzz: is not a known key",
    ),
    ("local: 3", "local: must be a mapping"),
    ("callers: {}", "callers: must be a list"),
    ("callers: [x]", "callers[0]: must be a mapping"),
    (
        "callers: [{name: a, token_hashes: ['sha256:00']}]",
        (
            "callers[0].token_hashes[0]: must be sha256: and 64 hexadecimal digits, "
            "as `sluice-server token new` writes it"
        ),
    ),
    (
        "callers: [{name: a, certificates: [checkout]}]",
        (
            "callers[0].certificates[0]: must be uri:, dns: or cn: "
            "and the name that stands in the certificate"
        ),
    ),
    (
        "callers: [{name: a}]",
        (
            "callers[0]: needs at least one of token, token_hashes, certificates and jwt; "
            "`sluice-server token new` makes a token and its hash"
        ),
    ),
    ("callers: [{name: a, token: short}]", "callers[0].token: must have at least 16 characters"),
    (
        "callers: [{name: a, token: 'with white space in it'}]",
        "callers[0].token: must be visible ASCII without white space or line ends",
    ),
    (
        f"callers: [{{name: -a, token: {TOKEN}}}]",
        (
            "callers[0].name: must be 1 to 63 of letters, digits, '.', '_' and '-', "
            "starting with a letter or digit"
        ),
    ),
    (
        f"callers: [{{name: a, token: {TOKEN}, priority: high}}]",
        "callers[0].priority: must be one of 'low' or 'normal'",
    ),
    (
        f"callers: [{{name: a, token: {TOKEN}, limits: {{requests_per_second: 0}}}}]",
        "callers[0].limits.requests_per_second: must be greater than 0",
    ),
    (
        PROVIDER % ", limits: {concurrent_streams: true}",
        "providers.p.limits.concurrent_streams: must be a number, not true or false",
    ),
    ("limits: {throttle_threshold: 1.5}", "limits.throttle_threshold: must be at most 1.0"),
    ("limits: {max_waiting: -1}", "limits.max_waiting: must be at least 0"),
    ("local: {threads: true}", "local.threads: must be a number, not true or false"),
    ("local: {threads: 1.5}", "local.threads: must be a whole number"),
    ("local: {threads: many}", "local.threads: must be a whole number"),
    ("local: {threads: 0}", "local.threads: must be at least 1"),
    ("local: {context_tokens: 9999999}", "local.context_tokens: must be at most 1,048,576"),
    (
        "local: {model_name: a/b}",
        "local.model_name: must not contain a slash: provider/model names are taken",
    ),
    ("local: {model_path: ''}", "local.model_path: must be the path of a file"),
    ("timeouts: {idle_seconds: soon}", "timeouts.idle_seconds: must be a number"),
    ("timeouts: {idle_seconds: 0}", "timeouts.idle_seconds: must be greater than 0"),
    ("timeouts: {idle_seconds: .inf}", "timeouts.idle_seconds: must be a finite number"),
    (
        "telemetry: {log_format: xml}",
        "telemetry.log_format: must be one of 'auto', 'json' or 'console'",
    ),
    (
        "telemetry: {otlp_endpoint: 'ftp://x'}",
        "telemetry.otlp_endpoint: must start with https:// (or http://)",
    ),
    ("tls: {cert: sluice.yaml}", "tls.key: is required"),
    (
        "providers: {Big: {kind: vertex, project: p}}",
        (
            "providers.Big: must be a provider name: 1 to 63 of a-z, "
            "0-9 and '-', not starting with '-'"
        ),
    ),
    ("providers: {p: {}}", "providers.p.kind: is required"),
    (
        PROVIDER % ", credentials: [{name: a, api_key: ''}]",
        "providers.p.credentials[0].api_key: must not be empty",
    ),
    (
        PROVIDER % ', credentials: [{name: a, api_key: "b\\n"}]',
        (
            "providers.p.credentials[0].api_key: must be visible ASCII "
            "without white space or line ends"
        ),
    ),
    (
        PROVIDER % ", models: []",
        "providers.p.models: must have at least 1 entry; leave it out for none",
    ),
    (
        PROVIDER % ", models: ['a b']",
        "providers.p.models[0]: must be a model name: 1 to 128 characters without white space",
    ),
    (
        PROVIDER % ', headers: {a: "b\\r\\nc"}',
        "providers.p.headers.a: must be visible ASCII, not empty, without white space at the ends",
    ),
    (
        PROVIDER % ", headers: {'a b': c}",
        'providers.p.headers["a b"]: must be a valid HTTP header name',
    ),
    *(
        (PROVIDER % f", headers: {{{name}: b}}", f"providers.p.headers.{name}: {message}")
        for name, message in HEADERS_REFUSED.items()
    ),
    *(
        (
            f"providers: {{p: {{kind: openai-compatible, base_url: '{url}'}}}}",
            f"providers.p.base_url: {message}",
        )
        for url, message in {
            "ftp://a": "must start with https:// (or http://)",
            "https://": "must be a valid http:// or https:// address",
            "https://a:b": "must be a valid http:// or https:// address",
            "https://a:0": "must be a valid http:// or https:// address",
            "https://[a": "must be a valid http:// or https:// address",
            "https://u:p@a": "must not contain a user or password; use credentials or headers",
            "https://a?": "must not contain a query or fragment",
            "https://a#b": "must not contain a query or fragment",
            "https://a /": "must be an address of visible ASCII characters without white space",
        }.items()
    ),
    (
        "routes: {a/b: [local/smollm2-135m-instruct]}",
        'routes["a/b"]: must not contain a slash: provider/model names are taken',
    ),
    ("routes: {a: []}", "routes.a: must have at least 1 entry; leave it out for none"),
    ("routes: {a: [b]}", "routes.a[0]: must be provider/model, for example openai/gpt-4.1-mini"),
    (
        "callers: [{name: a, token: '${T}'}]",
        "callers[0].token: needs the environment variable T, not set",
    ),
    (
        "listen: ${T",
        "listen: has a malformed ${...}: write ${NAME}, ${NAME:-default}, or $${ for a plain ${",
    ),
]
"""What one value alone shows."""

BETWEEN = [
    (
        "listen: 0.0.0.0:50051",
        (
            "listen: can be reached from other machines, so configure "
            "tls (a certificate and its key) and "
            "callers (each with a name and a token, its hash, a certificate or a JWT); "
            "or listen on 127.0.0.1; or set insecure: true if something else protects the port"
        ),
    ),
    (
        f"listen: '[::]:1'\ncallers: [{{name: a, token: {TOKEN}}}]",
        (
            "listen: can be reached from other machines, so configure "
            "tls (a certificate and its key); "
            "or listen on 127.0.0.1; or set insecure: true if something else protects the port"
        ),
    ),
    (
        "listen: 10.0.0.1:1\ntls: {cert: sluice.yaml, key: sluice.yaml}",
        (
            "listen: can be reached from other machines, so configure "
            "callers (each with a name and a token, its hash, a certificate or a JWT); "
            "or listen on 127.0.0.1; or set insecure: true if something else protects the port"
        ),
    ),
    ("listen: 127.0.0.1:9464", "management.metrics: takes the same port as listen"),
    (
        "alerts: {url: 'https://a.example/hook'}",
        "alerts.url: needs alerts.secret, with which alerts are signed",
    ),
    (
        "alerts: {secret: '0123456789abcdef'}",
        "alerts.secret: is of no use without alerts.url",
    ),
    (
        "alerts: {url: 'http://a.example/hook', secret: '0123456789abcdef'}",
        (
            "alerts.url: would send alerts in the clear; use https://, "
            "or set alerts.insecure_http: true"
        ),
    ),
    ("alerts: {url: 'ftp://a.example'}", "alerts.url: must start with https:// (or http://)"),
    ("alerts: {url: 'https://a.example/#x'}", "alerts.url: must not contain a fragment"),
    ("alerts: {secret: short}", "alerts.secret: must have at least 16 characters"),
    (
        "alerts: {secret: 'whsec_not+base64?-----'}",
        "alerts.secret: must be base64 after whsec_",
    ),
    (
        "attempts: {hedge_after: soon}",
        'attempts.hedge_after: must be a number of seconds above 0, or "p95"',
    ),
    (
        "breakers: {cooldown_seconds: 90}",
        "breakers.max_cooldown_seconds: is shorter than breakers.cooldown_seconds",
    ),
    (
        "management: {health: '0.0.0.0:7', metrics: '127.0.0.1:7'}",
        "management.metrics: takes the same port as management.health",
    ),
    (
        "tls: {cert: absent.pem, key: sluice.yaml}",
        "tls.cert: cannot be read: No such file or directory",
    ),
    (
        "local: {model_path: absent.gguf}",
        "local.model_path: cannot be read: No such file or directory",
    ),
    ("local: {model_path: .}", "local.model_path: cannot be read: Is a directory"),
    (
        f"callers: [{{name: a, token: {TOKEN}}}, {{name: a, token: {TOKEN}2}}]",
        "callers[1].name: is the same as an earlier one",
    ),
    (
        f"callers: [{{name: a, token: {TOKEN}}}, {{name: b, token_hashes: ['{HASH}']}}]",
        "callers[1].token_hashes[0]: is the same as an earlier one",
    ),
    (
        f"callers: [{{name: a, token_hashes: ['{HASH}', '{HASH}']}}]",
        "callers[0].token_hashes[1]: is the same as an earlier one",
    ),
    (
        "callers: [{name: a, certificates: ['cn:a']}]",
        (
            "callers[0].certificates: needs tls.client_ca, the authority that signed them: "
            "without it clients show no certificate"
        ),
    ),
    (
        f"callers: [{{name: a, token: {TOKEN}, rpcs: [Generate, GetMetrics]}}]",
        "callers[0].rpcs[1]: needs admin: true, for it tells about everybody",
    ),
    (
        "callers: [{name: a, jwt: [{subject: s}]}]",
        "callers[0].jwt[0]: needs jwt_issuers: nobody's JWTs are believed yet",
    ),
    (
        f"{ISSUERS}\ncallers: [{{name: a, jwt: [{{subject: s}}]}}]",
        "callers[0].jwt[0]: must name its issuer, since jwt_issuers has several",
    ),
    (
        f"{ISSUERS}\ncallers: [{{name: a, jwt: [{{subject: s, issuer: k}}]}}]",
        "callers[0].jwt[0].issuer: is not among jwt_issuers",
    ),
    (
        f"{ISSUER}\ncallers: [{{name: a, jwt: [{{subject: s}}, {{subject: s, issuer: i}}]}}]",
        "callers[0].jwt[1]: is the same as an earlier one",
    ),
    (
        "jwt_issuers: [{issuer: i, audience: a}]",
        "jwt_issuers[0]: needs exactly one of jwks_file and jwks_url",
    ),
    (
        "jwt_issuers: [{issuer: i, audience: a, jwks_file: absent.json}]",
        "jwt_issuers[0].jwks_file: cannot be read: No such file or directory",
    ),
    (
        "jwt_issuers: [{issuer: i, audience: a, jwks_url: 'http://i.example/keys'}]",
        (
            "jwt_issuers[0].jwks_url: would fetch keys in the clear; use https://, "
            "or set insecure_http: true"
        ),
    ),
    (
        "jwt_issuers: [{issuer: i, audience: a, jwks_url: 'https://i/k', max_age_seconds: 10}]",
        "jwt_issuers[0].max_age_seconds: is shorter than refresh_seconds",
    ),
    (
        f"callers: [{{name: a, token: {TOKEN}}}, {{name: b, token: {TOKEN}}}]",
        "callers[1].token: is the same as an earlier one",
    ),
    (
        "providers: {local: {kind: vertex, project: p}}",
        (
            "providers.local: has the name of the embedded model; "
            "rename it or set local.enabled: false"
        ),
    ),
    (
        "providers: {p: {kind: grok}}",
        (
            "providers.p.kind: is not an available kind; did you mean groq? "
            "(available: azure-openai, groq, openai, openai-compatible, vertex)"
        ),
    ),
    (
        "providers: {p: {kind: openai-compatible}}",
        "providers.p.base_url: is required by kind openai-compatible",
    ),
    ("providers: {p: {kind: vertex}}", "providers.p.project: is required by kind vertex"),
    (
        "providers: {p: {kind: vertex, project: a, region: b}}",
        "providers.p.region: is not a setting of kind vertex (it takes location, project)",
    ),
    (
        "providers: {p: {kind: openai}}",
        (
            "providers.p.credentials: needs a key for kind openai, for example "
            '[{name: primary, api_key: "${OPENAI_API_KEY}"}]'
        ),
    ),
    (
        "providers: {p: {kind: openai-compatible, base_url: 'http://example.com/v1'}}",
        (
            "providers.p.base_url: would send keys and prompts in the clear; use https://, "
            "or set insecure_http: true for this provider"
        ),
    ),
    *(
        (
            PROVIDER % f", credentials: [{{name: a{given}}}]",
            (
                "providers.p.credentials[0]: needs exactly one of api_key, api_key_file, "
                f"api_key_command and oauth{has}"
            ),
        )
        for given, has in {
            "": "",
            ", api_key: null": "",
            ", api_key: b, api_key_command: [c]": "; it has api_key and api_key_command",
            ", api_key_file: sluice.yaml, api_key_command: [c]": (
                "; it has api_key_file and api_key_command"
            ),
        }.items()
    ),
    (
        PROVIDER % ", credentials: [{name: a, api_key: b, api_key_command_refresh_seconds: 5}]",
        (
            "providers.p.credentials[0].api_key_command_refresh_seconds: "
            "is of no use without api_key_command"
        ),
    ),
    (
        PROVIDER % ", credentials: [{name: a, api_key_file: /nowhere/key}]",
        "providers.p.credentials[0].api_key_file: cannot be read: No such file or directory",
    ),
    (
        PROVIDER % ", credentials: [{name: a, api_key_file: .}]",
        "providers.p.credentials[0].api_key_file: cannot be read: Is a directory",
    ),
    (
        PROVIDER % ", credentials: [{name: a, api_key_command: pass show key}]",
        (
            "providers.p.credentials[0].api_key_command: "
            "must be a list: the program, then each argument"
        ),
    ),
    (
        PROVIDER % ", credentials: [{name: a, api_key_command: []}]",
        (
            "providers.p.credentials[0].api_key_command: "
            "must have at least 1 entry; leave it out for none"
        ),
    ),
    (
        PROVIDER % ", credentials: [{name: a, api_key: '${UNSET_KEY}'}]",
        "providers.p.credentials[0].api_key: needs the environment variable UNSET_KEY, not set",
    ),
    (
        PROVIDER % ", strategy: random",
        "providers.p.strategy: must be one of 'health', 'round_robin' or 'failover'",
    ),
    (
        PROVIDER % ", credentials: [{name: a, api_key: b}, {name: a, api_key: c}]",
        "providers.p.credentials[1].name: is the same as an earlier one",
    ),
    (PROVIDER % ", models: [a, a]", "providers.p.models[1]: is the same as an earlier one"),
    (PROVIDER % ", headers: {a: b, A: c}", "providers.p.headers.A: is the same as an earlier one"),
    (
        "routes: {fast: [nowhere/x]}",
        "routes.fast[0]: names no configured provider (configured: local)",
    ),
    (
        "local: {enabled: false}\n" + PROVIDER % "" + "\nroutes: {fast: [local/x]}",
        "routes.fast[0]: names no configured provider (configured: p)",
    ),
    ("routes: {fast: [local/x]}", "routes.fast[0]: names another model than local.model_name"),
    (
        PROVIDER % ", models: [a]" + "\nroutes: {fast: [p/b]}",
        "routes.fast[0]: names a model outside providers.p.models",
    ),
    (
        PROVIDER % ", models: [big], model_limits: {bi: {concurrent_streams: 1}}",
        "providers.p.model_limits.bi: names a model outside providers.p.models; did you mean big?",
    ),
    (
        PROVIDER % ", models: [big], model_info: {bi: {context_tokens: 1}, '*': {}}",
        "providers.p.model_info.bi: names a model outside providers.p.models; did you mean big?",
    ),
    (
        PROVIDER % "" + "\nroutes: {fast: [p/b, p/b]}",
        "routes.fast[1]: is the same as an earlier one",
    ),
    (
        "local: {enabled: false}",
        (
            "providers: must have at least one provider when local.enabled is false: "
            "nothing could be served"
        ),
    ),
]
"""What only two values together, or a value and a file, show."""


@pytest.mark.parametrize(("text", "fault"), [*SHAPE, *BETWEEN])
def test_each_fault_is_told(faults_of: FaultsOf, text: str, fault: str) -> None:
    """One mistake gives exactly one fault: its place, and a sentence that helps."""
    (told,) = faults_of(text)
    assert told.split(": ", 1)[1] == fault, "the line comes first"


TOGETHER = """\
    lissten: 127.0.0.1:1
    listen: 0.0.0.0:1
    callers:
      - name: a
        token: ${CALLER_TOKEN}
    providers:
      openai:
        kind: opennai
        credentials:
          - name: primary
            api_key: ""
      elsewhere:
        kind: openai-compatible
        base_url: http://example.com
        timeouts:
          idle_seconds: -1
    routes:
      fast: [openai/a, nowhere/b, c]
    server:
      drain_grace_seconds: long
    state:
      redis: redis://127.0.0.1
    attempts: {max_attempts: 1}
    attempts: {max_attempts: 2}
    """


def test_all_faults_are_told_together_in_the_order_of_the_file(faults_of: FaultsOf) -> None:
    """Mistakes of every sort are found in one go; none hides another or makes up a third."""
    places = [fault.split(": ")[:2] for fault in faults_of(TOGETHER)]
    assert places == [
        ["line 1", "lissten"],
        ["line 2", "listen"],
        ["line 5", "callers[0].token"],
        ["line 8", "providers.openai.kind"],
        ["line 11", "providers.openai.credentials[0].api_key"],
        ["line 14", "providers.elsewhere.base_url"],
        ["line 16", "providers.elsewhere.timeouts.idle_seconds"],
        ["line 18", "routes.fast[2]"],
        ["line 18", "routes.fast[1]"],
        ["line 20", "server.drain_grace_seconds"],
        ["line 24", "attempts"],
    ]


def test_what_cannot_be_judged_is_left_alone(faults_of: FaultsOf) -> None:
    """A broken section does not make everything that refers to it wrong as well."""
    assert faults_of("providers: [x]\nlocal: 3\nroutes: {fast: [openai/a]}") == [
        "line 1: providers: must be a mapping",
        "line 2: local: must be a mapping",
    ]
    assert faults_of("listen: 0.0.0.0:1\ninsecure: 7") == [
        "line 2: insecure: must be true or false"
    ]
    assert faults_of("listen: 0.0.0.0:1\ntls: 7\ncallers: 8") == [
        "line 2: tls: must be a mapping",
        "line 3: callers: must be a list",
    ]


def test_the_error_tells_file_number_and_faults(tmp_path: Path, kinds: Kinds) -> None:
    """As text, the error is ready for a terminal; as data, it is a tuple of faults."""
    path = tmp_path / "a.yaml"
    path.write_text(
        dedent("""\
        listen: 1

        insecure: 5
        """)
    )
    with pytest.raises(ConfigurationError) as caught:
        load(path, environ={}, kinds=kinds)
    assert str(caught.value) == (
        f"{path}: 2 faults\n"
        "  line 1: listen: must be text; put it in quotes\n"
        "  line 3: insecure: must be true or false"
    )
    assert [(fault.path, fault.line) for fault in caught.value.faults] == [
        ("listen", 1),
        ("insecure", 3),
    ]


def test_an_unreadable_file_is_a_fault(tmp_path: Path, kinds: Kinds) -> None:
    """A file that is not there, or is none, is told like any other fault."""
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        load(tmp_path / "absent.yaml", environ={}, kinds=kinds)
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        load(tmp_path, environ={}, kinds=kinds)


def test_places_are_written_as_people_write_them() -> None:
    """Odd keys are quoted, so that a place can be read in one way only."""
    assert written(("routes", "gpt-4.1", 0)) == 'routes["gpt-4.1"][0]'
    assert written(("a", "b\n", "c")) == 'a["b\\n"].c'
    assert not written(())


@pytest.mark.parametrize("content", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nxx\n"])
def test_authorities_must_be_some(faults_of: FaultsOf, tmp_path: Path, content: str) -> None:
    """A `ca_file` without certificates is told at the start, wherever it stands."""
    (tmp_path / "empty.pem").write_text(content, encoding="ascii")
    faults = faults_of(
        """
        alerts: {url: "https://h.test/x", secret: "0123456789abcdef", ca_file: empty.pem}
        providers:
          up:
            kind: openai-compatible
            base_url: https://up.test
            ca_file: empty.pem
            credentials:
              - name: a
                oauth:
                  {grant: client_credentials, token_url: "https://t.test", client_id: c,
                   client_secret: s, ca_file: empty.pem}
        """
    )
    told = "holds no certificates in PEM form"
    assert len(faults) == 3
    assert all(told in fault and "ca_file" in fault for fault in faults)
