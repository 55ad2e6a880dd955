"""Which settings name a file or a place in the file system.

Relative ones start at the configuration's own directory (`load`), and files must be readable
(`checks.files`).
"""

PATHS: tuple[tuple[str, str], ...] = (
    ("tls", "cert"),
    ("tls", "key"),
    ("tls", "client_ca"),
    ("local", "model_path"),
    ("alerts", "ca_file"),
)
"""Settings that name a file."""

PROVIDER_FILES = ("ca_file",)
"""Settings of a provider that name a file."""

AUTHORITIES = "ca_file"
"""Wherever it stands: a file with certificates."""

PLACES: tuple[tuple[str, str], ...] = (("catalog", "directory"),)
"""Settings that name a place in the file system which need not exist yet."""

CREDENTIAL_FILES: tuple[tuple[str, ...], ...] = (
    ("api_key_file",),
    ("oauth", "key_file"),
    ("oauth", "assertion_file"),
    ("oauth", "ca_file"),
)
"""Settings of one credential that name a file."""

CREDENTIAL_PATHS = (*CREDENTIAL_FILES, ("oauth", "token_directory"))
"""Settings of one credential that name a place in the file system."""
