"""A certificate's trouble in words: what is wrong with it and what to do, told before the request is ever repeated; and when it ends."""

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime

# X.509 verify codes (OpenSSL, `x509_vfy.h`).
_NAME_IT = "If that is meant to be, name it or its authority with ca_file."
_BY_CODE = {
    9: ("has a certificate that is not valid yet", "Is this machine's clock right?"),
    10: ("has a certificate that has expired", "Its operator has to renew it."),
    18: ("has a self-signed certificate", _NAME_IT),
    19: ("has a certificate of an authority that is not trusted here", _NAME_IT),
    20: ("has a certificate of an authority that is not known here", _NAME_IT),
    62: ("has a certificate that is made for another name", "Check the url."),
    64: ("has a certificate that is made for another address", "Check the url."),
}
_OLD = ("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "NO_PROTOCOLS_AVAILABLE", "INAPPROPRIATE_FALLBACK")


def trouble(problem: BaseException) -> tuple[str, str] | None:
    """(what is wrong with the host, what to do), of an error of requests; None when the connection only broke off, which may pass."""
    found = _inner(problem)
    if isinstance(found, ssl.SSLCertVerificationError):
        return _BY_CODE.get(found.verify_code, ("has a certificate that is not trusted", _NAME_IT))
    reason = (found.reason or "") if isinstance(found, ssl.SSLError) else ""
    if any(mark in reason for mark in _OLD):
        return "speaks only a TLS older than 1.2", "Its operator has to update it."
    if "WRONG_VERSION_NUMBER" in reason or "HTTP_REQUEST" in reason:
        return "does not speak TLS at that port", "Check the url."
    if isinstance(found, ssl.SSLError) and found.library == "X509":
        return "can not be checked, since ca_file holds no certificate", "ca_file is a file of certificates in PEM form."
    return None


def ends_in(certificate: Mapping[str, object] | None) -> float | None:
    """Days until a certificate (as `ssl.SSLSocket.getpeercert` gives it) ends; None when it tells nothing."""
    until = (certificate or {}).get("notAfter")
    if not isinstance(until, str):
        return None
    return (ssl.cert_time_to_seconds(until) - datetime.now(UTC).timestamp()) / 86_400


def _inner(problem: BaseException) -> BaseException:
    """The error of `ssl` within those of urllib3 and requests."""
    found: BaseException | None = problem
    while found is not None and not isinstance(found, ssl.SSLError):
        reason = getattr(found, "reason", None)
        found = reason if isinstance(reason, BaseException) else next((one for one in found.args if isinstance(one, BaseException)), None)
    return found or problem
