"""What can go wrong with the hub, each as one line that says what to do.

Only the kind of an error is used, never its text: that has several lines, and can hold signed addresses.
"""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
from huggingface_hub import constants
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    XetDownloadError,
)

from harness.errors import HarnessError

LOGIN = "set HF_TOKEN, or log in with `hf auth login`"


class HubUnreachable(HarnessError):
    """Nothing can be had from the hub at all: further models need not be tried."""


@contextmanager
def hub_errors(hub_id: str, revision: str | None) -> Iterator[None]:
    """Whatever huggingface_hub raises inside becomes a HarnessError about ``hub_id``."""
    try:
        yield
    except (OSError, ValueError, RuntimeError, httpx2.HTTPError, XetDownloadError) as error:
        cause: Exception = error
        while isinstance(cause, LocalEntryNotFoundError) and isinstance(cause.__cause__, Exception):
            cause = cause.__cause__  # its "not on this disk either" hides why the hub gave nothing
        raise _translated(cause, hub_id, revision) from None


def _translated(error: Exception, hub_id: str, revision: str | None) -> HarnessError:
    hub = re.sub(r"//[^/]*@", "//", constants.ENDPOINT)  # a mirror's address can hold a password
    match error:
        case OfflineModeIsEnabled():
            return HubUnreachable("HF_HUB_OFFLINE is set: nothing can be asked from the hub; unset it and repeat")
        case GatedRepoError():
            return HarnessError(f"{hub_id} is gated: ask for access at {hub}/{hub_id}, then {LOGIN}")
        case RepositoryNotFoundError():
            return HarnessError(
                f"{hub_id}: no such repository, or a private one; correct 'hub_id' in models.yaml, or {LOGIN}"
            )
        case RevisionNotFoundError():
            return HarnessError(f"{hub_id} has no commit {revision}; correct 'revision' in models.yaml (--resolve)")
        case HfHubHTTPError():
            return _refused(error.response.status_code, hub_id, hub)
        case HFValidationError():
            return HarnessError(f"'{hub_id}' is not a repository's name; correct 'hub_id' in models.yaml")
        case httpx2.HTTPError() | LocalEntryNotFoundError():
            return HubUnreachable(
                f"{hub} cannot be reached ({type(error).__name__}), asking for {hub_id}: check network, proxy and "
                "HF_ENDPOINT, then repeat: complete files are kept"
            )
        case OSError() if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return HarnessError(f"{hub_id}: no space left on the disk; free some and repeat: complete files are kept")
        case OSError() if error.errno is not None:
            return HarnessError(f"{error.filename or hub_id}: {error.strerror}; mend it and repeat")
        case _:
            kind = type(error).__name__
            return HarnessError(f"{hub_id}: the transfer broke off ({kind}); repeat: complete files are kept")


def _refused(status: int, hub_id: str, hub: str) -> HarnessError:
    """An answer of the hub that is none of the cases above, by its HTTP status."""
    if status == 401:
        return HarnessError(f"{hub_id}: the hub does not accept the token; {LOGIN}")
    if status == 403:
        return HarnessError(f"{hub_id}: this account may not read it; ask for access at {hub}/{hub_id}, then {LOGIN}")
    if status == 429:
        return HarnessError(f"{hub_id}: too many requests; wait some minutes and repeat, or {LOGIN}")
    return HarnessError(f"{hub_id}: the hub answers with status {status}; repeat later: complete files are kept")
