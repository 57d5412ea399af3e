"""The two keys of an SFTP door: the bank's, which is pinned, and ours, which nobody else may read."""

from __future__ import annotations

from collections.abc import Mapping

import asyncssh

from bank_adapters.options import file_option, text_option


def host_key(options: Mapping[str, str]) -> asyncssh.SSHKey:
    """The server's public key in the option `host_key`. Raises ValueError."""
    try:
        return asyncssh.import_public_key(text_option(options, "host_key"))
    except asyncssh.KeyImportError:
        raise ValueError("option 'host_key' is not a public key in OpenSSH's form") from None


def private_key(options: Mapping[str, str]) -> asyncssh.SSHKey:
    """Our key in the file of the option `key_file`. Raises ValueError, also when others may read it."""
    if "key_file" not in options:
        raise ValueError("option 'password' or 'key_file' is missing")
    path = file_option(options, "key_file")
    if path.stat().st_mode & 0o077:
        raise ValueError("option 'key_file': others may read it; chmod 600 it and have the key replaced")
    try:
        return asyncssh.read_private_key(path)
    except asyncssh.KeyImportError:
        raise ValueError("option 'key_file' is not a private key without a passphrase") from None
