"""Fetch pip's wheel from the configured package index, for a Python that brings no pip."""

from __future__ import annotations

import base64
import configparser
import contextlib
import hashlib
import html.parser
import json
import os
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

# The fingerprint is pinned here: neither the index nor the way to it need be trusted.
WHEEL = "pip-26.2.1-py3-none-any.whl"
SHA256 = "71138adf1f4ca900cdb7d289c21b7494329f2332b6d85f0e1c42108c0384ed3e"
DEFAULT_INDEX = "https://pypi.org/simple"
N_ATTEMPTS = 4


class SetupError(Exception):
    """What stops the installation, and the cure, in one sentence."""


def fetch(folder: Path) -> Path:
    """Download pip's wheel into a folder and return its path."""
    index = (_setting("index-url") or DEFAULT_INDEX).rstrip("/") + "/pip/"
    shown = _without_password(index)
    print(f"  fetching {WHEEL}", flush=True)
    address, page = _download(index)
    link = _find_link(page.decode("utf-8", "replace"))
    if link is None:
        raise SetupError(
            f"the package index {shown} has no {WHEEL}; `apt-get install python3-venv` brings "
            "a pip."
        )
    _, content = _download(urljoin(address, link))
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise SetupError(
            f"what {shown} gives as {WHEEL} is another file (its SHA-256 is wrong); nothing was "
            "installed."
        )
    wheel = folder / WHEEL
    wheel.write_bytes(content)
    return wheel


def _find_link(page: str) -> str | None:
    """Return the link to the wheel on a page of the simple API (PEP 691 JSON, PEP 503 HTML)."""
    try:
        links: list[str] = [entry["url"] for entry in json.loads(page)["files"]]
    except (ValueError, KeyError, TypeError):
        reader = _Links()
        reader.feed(page)
        links = reader.found
    for link in links:
        if unquote(urlsplit(link).path).rsplit("/", 1)[-1] == WHEEL:
            return link
    return None


class _Links(html.parser.HTMLParser):
    """Collects the targets of the links of an HTML page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the target of a link."""
        target = dict(attrs).get("href")
        if tag == "a" and target:
            self.found.append(target)


def _download(address: str) -> tuple[str, bytes]:
    """Return the address, after redirections and without password, and what is there."""
    parts = urlsplit(address)
    headers = {
        "Accept": "application/vnd.pypi.simple.v1+json, text/html;q=0.5, */*;q=0.1",
        "User-Agent": "pyhrf-bootstrap",
    }
    if parts.username:
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(secret.encode()).decode()
        address = _without_password(address)
    if parts.scheme == "file" and address.endswith("/"):
        address += "index.html"
    request = urllib.request.Request(address, headers=headers)
    context = _certificates()
    for attempt in range(N_ATTEMPTS):
        try:
            with _opener(context).open(request, timeout=30) as answer:
                return answer.geturl(), answer.read()
        except urllib.error.HTTPError as error:
            error.close()
            raise SetupError(
                f"the package index answers {error.code} {error.reason} to {address}; set "
                "PIP_INDEX_URL to one that works."
            ) from None
        except OSError as error:  # URLError and time-outs are such
            reason = getattr(error, "reason", error)
            if isinstance(reason, ssl.SSLCertVerificationError) and not parts.username:
                # A small machine has no certificates at all. It may go on: the fingerprint of
                # what is fetched is pinned above, and no secret is sent. pip brings its own
                # certificates and verifies everything that follows.
                context = ssl._create_unverified_context()
            elif attempt + 1 < N_ATTEMPTS:
                time.sleep(2**attempt / 4)
    raise SetupError(
        f"the package index {address} could not be reached ({reason}); connect to the network, "
        "or set https_proxy or PIP_INDEX_URL, and start again."
    )


def _opener(context: ssl.SSLContext) -> urllib.request.OpenerDirector:
    """Return what opens an address through the configured proxy."""
    proxy = _setting("proxy")
    proxies = urllib.request.ProxyHandler({"http": proxy, "https": proxy} if proxy else None)
    return urllib.request.build_opener(proxies, urllib.request.HTTPSHandler(context=context))


def _certificates() -> ssl.SSLContext:
    """Return the certificates to trust: the system's (SSL_CERT_FILE) and pip's (PIP_CERT)."""
    context = ssl.create_default_context()
    own = _setting("cert") or os.environ.get("REQUESTS_CA_BUNDLE")
    if own:
        try:
            if Path(own).is_dir():
                context.load_verify_locations(capath=own)
            else:
                context.load_verify_locations(cafile=own)
        except OSError:  # SSLError is one
            raise SetupError(
                f"the certificates {own} (from PIP_CERT, REQUESTS_CA_BUNDLE or pip.conf) cannot "
                "be read."
            ) from None
    return context


def _setting(name: str) -> str | None:
    """Return a setting of pip's, from its environment variable or configuration files."""
    value = os.environ.get("PIP_" + name.upper().replace("-", "_"))
    if value:
        return value
    home = Path.home()
    user = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    places = [user / "pip/pip.conf", home / ".pip/pip.conf"]
    places += [Path("/etc/pip.conf"), Path("/etc/xdg/pip/pip.conf")]
    if os.environ.get("PIP_CONFIG_FILE"):
        places.insert(0, Path(os.environ["PIP_CONFIG_FILE"]))
    for place in places:
        parser = configparser.RawConfigParser()
        with contextlib.suppress(OSError, configparser.Error, UnicodeDecodeError):
            parser.read(place)
        for section in ("install", "global"):
            if parser.has_option(section, name):
                return parser.get(section, name).strip()
    return None


def _without_password(address: str) -> str:
    """Return an address without the name and password that it may hold."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rsplit("@", 1)[-1]))
