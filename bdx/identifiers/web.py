"""Names and addresses of the web: DID, URN, UUID, and the identification link of IEC 61406."""

from __future__ import annotations

import re

_DID = re.compile(r"^did:[a-z0-9]+:(?:[A-Za-z0-9._-]|%[0-9A-Fa-f]{2}|:(?!$|[/?#]))+(?:[/?#]\S*)?$")
_URN = re.compile(r"^urn:[a-z0-9][a-z0-9-]{0,30}[a-z0-9]:(?:[a-z0-9._~!$&'()*+,;=:@/-]|%[0-9a-f]{2})+(?:[?#]\S*)?$", re.IGNORECASE)
_UUID_URN = re.compile(r"^urn:uuid:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?:[?#]\S*)?$", re.IGNORECASE)
_UUID = re.compile(r"^(?:urn:uuid:)?([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})$", re.IGNORECASE)
_ADDRESS = re.compile(r"^https?://(?P<authority>[^/?#]*)", re.IGNORECASE)
_URL = re.compile(r"^(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+$")
LONGEST_LINK = 255


def did_ok(text: str) -> bool:
    """Say whether a text is no decentralised identifier, or one of the W3C syntax."""
    bare = text.strip()
    return not bare.lower().startswith("did:") or _DID.match(bare) is not None


def urn_ok(text: str) -> bool:
    """Say whether a text is no URN, or one of RFC 8141, and with urn:uuid: a UUID of RFC 9562."""
    bare = text.strip()
    if not bare.lower().startswith("urn:"):
        return True
    return (_UUID_URN if bare.lower().startswith("urn:uuid:") else _URN).match(bare) is not None


def uuid_of(text: str) -> str:
    """Return the UUID that a text is, bare or as URN, in lower case; empty where it is none."""
    found = _UUID.match(text.strip())
    return found[1].lower() if found else ""


def uuid_version(uuid: str) -> int | None:
    """Return the version of a UUID, 1 to 8; None for one that RFC 9562 does not define, the nil and the max UUID among them."""
    version, variant = int(uuid[14], 16), uuid[19]
    return version if variant in "89ab" and 1 <= version <= 8 else None


def nothing_named(text: str) -> bool:
    """Say whether a text is the nil or the max UUID, which name nothing."""
    return set(uuid_of(text)) - {"-"} in ({"0"}, {"f"})


def identification_link_faults(text: str) -> list[str]:
    """Return why an http address cannot be an identification link; nothing where it can be, or where the text is no such address.

    Source: IEC 61406-1: an address of at most 255 characters of RFC 3986, the same for everybody who reads it.
    """
    bare = text.strip()
    found = _ADDRESS.match(bare)
    if not found:
        return []
    faults = []
    if len(bare) > LONGEST_LINK:
        faults.append(f"it has {len(bare)} characters, the most is {LONGEST_LINK}")
    if not _URL.match(bare):
        faults.append("it holds characters that must be percent-encoded")
    if not found["authority"] or found["authority"].startswith(":"):
        faults.append("it names no host")
    if "@" in found["authority"]:
        faults.append("it carries the name of a user")
    return faults
