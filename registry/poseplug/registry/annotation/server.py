"""The page's server: on this machine only, for those who have its address with the token in it."""

from __future__ import annotations

import json
import secrets
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from poseplug.core.errors import PoseplugError, one_line
from poseplug.registry.annotation.session import Refused, Session

HOST = "127.0.0.1"
_WEB = Path(__file__).with_name("web")
_MEDIA = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript"}
# The largest that is read of a message; an image with a hundred people is a tenth of it.
_LONGEST = 1 << 20
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class AnnotationServer(ThreadingHTTPServer):
    """Serves the page of one session.

    Args:
        session: what is annotated.
        port: where; 0: any that is free.

    Attributes:
        address: what is opened in a browser.

    Raises:
        PoseplugError: something else uses the port.
    """

    daemon_threads = True

    def __init__(self, session: Session, port: int = 0) -> None:
        self.session, self.token = session, secrets.token_urlsafe(24)
        self.files = {path.name: path for path in _WEB.iterdir() if path.suffix in _MEDIA}
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            reason = one_line(getattr(error, "strerror", None) or error)
            raise PoseplugError(f"Cannot use port {port}: {reason}. Choose another --port, or 0: any.") from None
        self.hosts = {f"{name}:{self.server_port}" for name in (HOST, "localhost")}
        self.address = f"http://{HOST}:{self.server_port}/{self.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent: browsers close connections whenever they like."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    server: AnnotationServer

    def do_GET(self) -> None:
        parts = self._allowed()
        if parts is None:
            return
        session = self.server.session
        match parts:
            case []:
                self._file("annotate.html")
            case ["web", name] if name in self.server.files:
                self._file(name)
            case ["about"]:
                self._json(200, session.about())
            case ["images", number] if (index := self._index(number)) is not None:
                try:
                    self._send(200, *session.images[index].shown())
                except PoseplugError as error:
                    self._json(410, {"error": str(error)})
            case ["states", number] if (index := self._index(number)) is not None:
                self._json(200, session.state(index).told())
            case _:
                self._json(404, {"error": "There is nothing here."})

    def do_POST(self) -> None:
        parts = self._allowed()
        if parts is None:
            return
        session, body = self.server.session, self._body()
        if body is None:
            return
        try:
            match parts:
                case ["states", number] if (index := self._index(number)) is not None:
                    self._json(200, {"version": session.change(index, body).version})
                case ["fit", number] if (index := self._index(number)) is not None:
                    self._json(200, session.fit(index, body))
                case ["save"]:
                    written = session.save()
                    self._json(200, {"people": written.people, "said": written.in_words(session.out)})
                case _:
                    self._json(404, {"error": "There is nothing here."})
        except Refused as refused:
            self._json(409, {"error": "This image was changed in another tab.", "state": refused.known.told()})
        except PoseplugError as error:
            self._json(422, {"error": str(error)})
        except (ValueError, TypeError, KeyError) as error:
            self._json(400, {"error": f"This is no message that can be understood: {one_line(error)[:200]}"})

    def _allowed(self) -> list[str] | None:
        """Return the parts of the path behind the token; None where the request is refused, which is answered."""
        origin, site = self.headers.get("Origin"), self.headers.get("Sec-Fetch-Site", "none")
        own = {f"http://{host}" for host in self.server.hosts}
        token, *parts = self.path.partition("?")[0].removeprefix("/").split("/")
        # A link elsewhere, such as in a terminal that is a page itself, may lead to the page, but to nothing else.
        linked = parts == [""] and self.command == "GET"
        foreign = (origin is not None and origin not in own) or (site not in ("same-origin", "none") and not linked)
        # Another name that leads here is a trick, which makes this page and a stranger's one origin.
        if self.headers.get("Host") not in self.server.hosts or foreign:
            self._refuse(403, "Only this machine's own page may ask.")
            return None
        if not secrets.compare_digest(token.encode(), self.server.token.encode()):
            self._refuse(403, "Open the address that poseplug has printed, with everything behind the port.")
            return None
        return [] if parts == [""] else parts

    def _index(self, number: str) -> int | None:
        known = number.isascii() and number.isdecimal() and len(number) < 9
        return int(number) if known and int(number) < len(self.server.session.images) else None

    def _body(self) -> dict[str, Any] | None:
        """Return the message; None where it is refused, which is answered."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()) or self.headers.get("Transfer-Encoding"):
            self._refuse(411, "Say how long the message is.")
            return None
        if len(length) > 12 or int(length) > _LONGEST:
            self._refuse(413, f"Messages may be {_LONGEST} bytes long, and not {length:.20}.")
            return None
        try:
            body = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            self._refuse(400, "The message is not JSON.")
            return None
        if not isinstance(body, dict):
            self._refuse(400, "The message must be a JSON object.")
            return None
        return body

    def _refuse(self, status: int, reason: str) -> None:
        # What was not read of the message must not be taken for the next one.
        self.close_connection = True
        self._json(status, {"error": reason})

    def _file(self, name: str) -> None:
        path = self.server.files[name]
        self._send(200, path.read_bytes(), _MEDIA[path.suffix])

    def _json(self, status: int, value: Any) -> None:
        self._send(status, json.dumps(value, allow_nan=False).encode(), "application/json")

    def _send(self, status: int, content: bytes, media: str) -> None:
        self.send_response(status)
        headers = {"Content-Type": media, "Content-Length": str(len(content)), **_HEADERS}
        if self.close_connection:
            headers["Connection"] = "close"
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Stay silent: the terminal is the user's."""
