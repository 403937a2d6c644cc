"""Addresses of streams, shown without what may be a password."""

from __future__ import annotations

import re


def hide_login(source: str) -> str:
    """An address without what stands before an @, and without a query; what is no address stays as it is.

    Some cameras take the password in the path: rtsp://host/user=admin&password=12345.
    """
    return re.sub("(?<=://)([^?&=;]*).*", r"\1", re.sub("(?<=://).*@", "***@", source))
