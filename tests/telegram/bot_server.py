"""The Telegram Bot API on loopback: one bot, chats that read it, and every kind of fault.

`delivered` is what people would see. A fault is a dict, used up in the order given:
``{"kind": ..., "method": "sendMessage" (default: any but getUpdates), ...}``. Kinds:

- ``retry_after`` (seconds), ``status`` (status, description, html): an answer that refuses;
- ``timeout_before``, ``timeout_after`` (seconds): no answer, the message not taken or taken;
- ``drop_before``, ``drop_after``: the connection closes, the message not taken or taken;
- ``html`` (taken): 200 with a page instead of JSON; ``garbage`` (taken): 200 with cut JSON;
- ``slow`` (seconds): the answer comes late, ``trickle`` (seconds): one byte at a time.
"""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

TOKEN = "123456789:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQr"
CHAT = "7700112233"
HTML = b"<html><head><title>Sign in</title></head><body>Welcome to the hotel</body></html>"


@dataclass
class Delivered:
    """One message that reached a chat."""

    chat_id: str
    text: str
    message_id: int
    time_s: float
    photo: bytes | None = None
    buttons: list = field(default_factory=list)
    edits: list = field(default_factory=list)


class BotServer:
    """The server; a context manager. `url` is its base URL, without ``/bot``."""

    def __init__(self, *, token=TOKEN, chats=(CHAT,), clock=time.monotonic, port=0):
        self.token, self.chats, self.clock = token, set(chats), clock
        self.delivered: list[Delivered] = []
        self.calls: list[tuple[str, dict]] = []
        self.acknowledged: list[dict] = []
        self.commands: list[dict] = []
        self.doubtful: list[str] = []
        """Texts that were taken without the client having been told."""
        self.blocked = False
        self.faults: list[dict] = []
        self.lock = threading.Lock()
        self.ending = threading.Event()
        self._updates: queue.Queue = queue.Queue()
        self._unread: list[dict] = []
        self._ids = 0
        self.port = port
        self._start()

    def _start(self):
        self.ending.clear()
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._server.bot = self
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        # its poll is what ending it takes
        serve = lambda: self._server.serve_forever(poll_interval=0.02)  # noqa: E731
        self._thread = threading.Thread(target=serve, daemon=True)
        self._thread.start()

    def stop(self):
        """Stop answering; what was delivered stays."""
        self.ending.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def restart(self):
        """Answer again, on the same port."""
        self._start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if not self.ending.is_set():
            self.stop()

    # what people do

    def say(self, text, chat_id=CHAT, user="ana"):
        """A person writes to the bot; return the update's id."""
        message = self._message(chat_id, text, user)
        return self._push({"message": message})

    def press(self, data, chat_id=CHAT, user="ana", message_id=None):
        """A person presses a button under the bot's last message; return the update's id."""
        seen = [m for m in self.delivered if m.chat_id == str(chat_id)]
        message = self._message(chat_id, seen[-1].text if seen else "", "bot")
        message["message_id"] = message_id or (seen[-1].message_id if seen else 1)
        press = {"id": str(self._next()), "from": _person(user), "chat_instance": "1"}
        return self._push({"callback_query": press | {"data": data, "message": message}})

    def _message(self, chat_id, text, user):
        kind = "group" if str(chat_id).startswith("-") else "private"
        message = {"message_id": self._next(), "date": int(time.time()), "text": text}
        message |= {"chat": {"id": int(chat_id), "type": kind}, "from": _person(user)}
        if text.startswith("/"):
            length = len(text.split()[0])
            message["entities"] = [{"type": "bot_command", "offset": 0, "length": length}]
        return message

    def _push(self, update):
        update["update_id"] = self._next()
        self._updates.put(update)
        return update["update_id"]

    def _next(self):
        with self.lock:
            self._ids += 1
            return self._ids

    # what the bot asks

    def texts(self):
        """What people have read, in order."""
        return [message.text for message in self.delivered]

    def fault_for(self, method):
        """Take the next fault meant for that method."""
        with self.lock:
            for fault in self.faults:
                if fault.get("method", method if method != "getUpdates" else "") == method:
                    self.faults.remove(fault)
                    return fault
        return None

    def answer(self, method, form, files):
        """Return status and JSON of a call, done."""
        call = getattr(self, f"_on_{method}", None)
        if call is None:
            return 404, _refusal(404, "Not Found")
        if method.startswith(("send", "edit")):
            if self.blocked:
                return 403, _refusal(403, "Forbidden: bot was blocked by the user")
            if form.get("chat_id") not in self.chats:
                return 400, _refusal(400, "Bad Request: chat not found")
        problem_or_result = call(form, files)
        if isinstance(problem_or_result, str):
            return 400, _refusal(400, f"Bad Request: {problem_or_result}")
        return 200, {"ok": True, "result": problem_or_result}

    def _on_sendMessage(self, form, files):
        text = form.get("text", "").strip()
        if not text:
            return "message text is empty"
        if len(text.encode("utf-16-le")) // 2 > 4096:
            return "message is too long"
        return self._deliver(form, text, None)

    def _on_sendPhoto(self, form, files):
        picture = files.get("photo")
        if not picture or not picture.startswith(b"\x89PNG"):
            return "IMAGE_PROCESS_FAILED"
        if len(form.get("caption", "").encode("utf-16-le")) // 2 > 1024:
            return "message caption is too long"
        return self._deliver(form, form.get("caption", "").strip(), picture)

    def _deliver(self, form, text, photo):
        markup = json.loads(form.get("reply_markup", "{}"))
        buttons = [b["callback_data"] for row in markup.get("inline_keyboard", []) for b in row]
        seen = Delivered(form["chat_id"], text, self._next(), self.clock(), photo, buttons)
        self.delivered.append(seen)
        message = self._message(form["chat_id"], text, "bot")
        return message | {"message_id": seen.message_id}

    def _on_editMessageText(self, form, files):
        for seen in self.delivered:
            if str(seen.message_id) == form.get("message_id"):
                seen.edits.append(form["text"])
                seen.buttons = []
                return self._message(form["chat_id"], form["text"], "bot")
        return "message to edit not found"

    def _on_getUpdates(self, form, files):
        offset = int(form.get("offset", 0) or 0)
        self._unread = [u for u in self._unread if u["update_id"] >= offset]
        until = time.monotonic() + float(form.get("timeout", 0) or 0)
        while not self.ending.is_set():
            with contextlib.suppress(queue.Empty):
                while True:
                    self._unread.append(self._updates.get_nowait())
            if self._unread or time.monotonic() >= until:
                break
            self.ending.wait(0.02)
        return list(self._unread)

    def _on_answerCallbackQuery(self, form, files):
        self.acknowledged.append(form)
        return True

    def _on_setMyCommands(self, form, files):
        self.commands = json.loads(form["commands"])
        return True

    def _on_getMe(self, form, files):
        return {"id": int(self.token.split(":")[0]), "is_bot": True} | {
            "first_name": "Bot", "username": "cripto_bot"}  # fmt: skip


def _person(user):
    return {"id": abs(hash(user)) % 10**9, "is_bot": user == "bot"} | {
        "first_name": user, "username": user}  # fmt: skip


def _refusal(code, description, **parameters):
    body = {"ok": False, "error_code": code, "description": description}
    return body | ({"parameters": parameters} if parameters else {})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    bot: BotServer

    def handle_error(self, request, client_address):
        # a client that hangs up is what many of these tests are about
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 30

    def log_message(self, *_):
        pass

    def do_POST(self):
        bot = self.server.bot
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if bot.ending.is_set():
            return self._hang_up()
        form, files = self._parse(body)
        token, _, method = self.path.removeprefix("/bot").partition("/")
        bot.calls.append((method, form))
        if token != bot.token:
            code = 401 if token.count(":") == 1 else 404
            name = "Unauthorized" if code == 401 else "Not Found"
            return self._reply(code, _refusal(code, name))
        fault = bot.fault_for(method)
        if fault is None:
            return self._reply(*bot.answer(method, form, files))
        return self._fail(fault, method, form, files)

    do_GET = do_POST

    def _parse(self, body):
        kind = self.headers.get("Content-Type", "")
        if not kind.startswith("multipart/"):
            return {k: v[0] for k, v in parse_qs(body.decode(), keep_blank_values=True).items()}, {}
        whole = BytesParser().parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
        form, files = {}, {}
        for part in whole.get_payload():
            name = part.get_param("name", header="content-disposition")
            content = part.get_payload(decode=True)
            if part.get_filename():
                files[name] = content
            else:
                form[name] = content.decode()
        return form, files

    def _fail(self, fault, method, form, files):
        bot, kind = self.server.bot, fault["kind"]
        if kind == "retry_after":
            wait = fault["seconds"]
            text = f"Too Many Requests: retry after {wait}"
            return self._reply(429, _refusal(429, text, retry_after=wait))
        if kind == "status":
            code = fault["status"]
            if fault.get("html"):
                return self._send(code, HTML, "text/html")
            return self._reply(code, _refusal(code, fault.get("description", "trouble")))
        if kind in ("timeout_before", "drop_before"):
            if kind == "timeout_before":
                bot.ending.wait(fault.get("seconds", 5))
            return self._hang_up()
        status, content = bot.answer(method, form, files)
        if kind == "slow":
            bot.ending.wait(fault.get("seconds", 0.2))
            return self._reply(status, content)
        if status == 200:
            bot.doubtful.append(form.get("text", form.get("caption", "")).strip())
        if kind == "trickle":
            return self._trickle(json.dumps(content).encode(), fault.get("seconds", 0.05))
        if kind == "html":
            return self._send(200, HTML, "text/html")
        if kind == "garbage":
            return self._send(200, json.dumps(content).encode()[:20])
        if kind == "timeout_after":
            bot.ending.wait(fault.get("seconds", 5))
        elif kind != "drop_after":
            raise ValueError(f"unknown kind of fault: {kind}")
        return self._hang_up()

    def _trickle(self, body, seconds):
        self.send_response_only(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        for index in range(len(body)):
            self.wfile.write(body[index : index + 1])
            if self.server.bot.ending.wait(seconds):
                break

    def _reply(self, status, content):
        self._send(status, json.dumps(content).encode())

    def _send(self, status, body, kind="application/json"):
        self.send_response_only(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _hang_up(self):
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
