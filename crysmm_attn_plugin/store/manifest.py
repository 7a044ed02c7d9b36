"""``manifest.json``: what a sealed run holds, signed with the digest of its own bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crysmm_attn_plugin.store.files import digest_of, json_bytes, write_bytes
from crysmm_attn_plugin.store.schema import SCHEMA_VERSION

MANIFEST = "manifest.json"
#: No honest manifest is larger (a line a file, a file a few thousand crystals).
MOST_BYTES = 2**28
_EMPTY = f"xxh3:{0:032x}"


def write_manifest(root: Path, content: Mapping[str, Any]) -> Path:
    """Write the manifest, the digest of everything else in it last."""
    return write_bytes(root / MANIFEST, manifest_bytes(content))


def manifest_bytes(content: Mapping[str, Any]) -> bytes:
    """A manifest's bytes, signed."""
    unsigned = json_bytes({"schema_version": SCHEMA_VERSION, **content, "digest": _EMPTY})
    return _with_digest(unsigned, digest_of(unsigned))


def read_manifest(root: Path) -> tuple[dict[str, Any], str]:
    """The manifest, empty when there is none or when it is damaged, and in the latter case why."""
    path = root / MANIFEST
    if not path.exists() and not path.is_symlink():
        return {}, ""
    if not path.is_file():
        return {}, "is not a file"
    if path.stat().st_size > MOST_BYTES:
        return {}, f"has more than {MOST_BYTES:,} bytes, which no manifest has"
    content = path.read_bytes()
    try:
        manifest = json.loads(content)
    except (ValueError, RecursionError) as error:
        return {}, f"is not JSON ({type(error).__name__})"
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), list):
        return {}, "is not a manifest"
    version, state = manifest.get("schema_version", 1), manifest.get("state")
    if type(version) is not int or state not in ("complete", "partial"):
        return {}, f"has schema version {version!r} and state {state!r}"
    if (version == 1 and "digest" not in manifest) or version > SCHEMA_VERSION:
        return manifest, ""  # the first layout signed nothing; a later one is told by its number alone
    signed = manifest.get("digest")
    if not isinstance(signed, str) or len(signed) != len(_EMPTY) or content.count(signed.encode()) != 1:
        return {}, "has lost the digest of its own content"
    if digest_of(_with_digest(content, _EMPTY)) != signed:
        return {}, "was altered: the digest it ends with is not that of its content"
    return manifest, ""


def _with_digest(content: bytes, digest: str) -> bytes:
    """The bytes with another digest in their last field."""
    start = content.rindex(b'"xxh3:') + 1
    return content[:start] + digest.encode() + content[start + len(_EMPTY) :]
