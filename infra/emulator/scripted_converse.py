"""A loopback server that speaks Converse from a script, for tests and for asking without a model.

There is no model in it: text that it gives begins with [scripted]. The real SDK signs, sends, retries and parses, so a
test looks at the requests that were really sent.
"""

import json
import threading
import urllib.parse
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from infra.emulator.browser_guard import host_refusal, origin_refusal, own_hosts

MARK = "[scripted]"
Body = dict[str, Any]


@dataclass(frozen=True)
class ToolCall:
    """A tool that an answer calls; `input` may be anything, as a model's may."""

    id: str
    input: Any
    name: str = "run_query"


@dataclass(frozen=True)
class Says:
    """An answer: text, tool calls, why it ended (by default what the calls say), and what it used up."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    stop: str | None = None
    has_blank: bool = False
    """Begins with a blank text, as models do, which Converse refuses to be sent."""
    input_tokens: int = 100
    output_tokens: int = 10

    def document(self) -> Body:
        content: list[Body] = [{"text": "\n"}] if self.has_blank else []
        content += [{"text": mark(self.text)}] if self.text else []
        content += [{"toolUse": {"toolUseId": c.id, "name": c.name, "input": c.input}} for c in self.calls]
        return {
            "output": {"message": {"role": "assistant", "content": content}},
            "stopReason": self.stop or ("tool_use" if self.calls else "end_turn"),
            "usage": {
                "inputTokens": self.input_tokens,
                "outputTokens": self.output_tokens,
                "totalTokens": self.input_tokens + self.output_tokens,
            },
            "metrics": {"latencyMs": 1},
        }


@dataclass(frozen=True)
class Fails:
    """An error as the service gives it, such as 429 ThrottlingException."""

    status: int
    error_type: str
    message: str


@dataclass(frozen=True)
class Answers:
    """A whole document that came from elsewhere: a real model's, passed on as it is."""

    whole: Body

    def document(self) -> Body:
        return self.whole


Outcome = Says | Fails | Answers
Step = Outcome | Callable[[Body], Outcome]
Script = Sequence[Step] | Callable[[Body], Outcome]
"""Steps, one a request; or one function of every request."""
Intervenes = Callable[[str, str], str | None]
"""What a guardrail says instead of a text, or None: of (INPUT or OUTPUT, the text)."""


@dataclass
class Request:
    """One request as it came, and the document of its answer."""

    path: str
    body: Body
    answer: Body = field(default_factory=dict)


@dataclass
class ScriptedConverse:
    """The running server: where it is, and what it was asked."""

    script: Script
    intervenes: Intervenes | None = None
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def converse_bodies(self) -> list[Body]:
        """Bodies of the requests to the model, in order."""
        return [request.body for request in self.requests if request.path.endswith("/converse")]

    def answer_to(self, path: str, body: Body) -> tuple[int, str | None, Body]:
        """Status, error type and document of the answer to a request."""
        request = Request(path, body)
        with self._lock:
            self.requests.append(request)
            number = len(self.converse_bodies)
        status, error_type, request.answer = self._answer(path, body, number)
        return status, error_type, request.answer

    def _answer(self, path: str, body: Body, number: int) -> tuple[int, str | None, Body]:
        parts = path.strip("/").split("/")
        if len(parts) == 3 and (parts[0], parts[2]) == ("model", "converse"):
            return _show(self._step(number, body))
        if len(parts) == 5 and (parts[0], parts[2], parts[4]) == ("guardrail", "version", "apply"):
            return 200, None, self._guardrail(body)
        return _show(Fails(404, "UnknownOperationException", f"{MARK} nothing is served here"))

    def _step(self, number: int, body: Body) -> Outcome:
        if callable(self.script):
            return self.script(body)
        if number > len(self.script):
            said = f"{MARK} the script has {len(self.script)} steps, and this is request {number}"
            return Fails(400, "ScriptOverException", said)
        step = self.script[number - 1]
        return step(body) if callable(step) else step

    def _guardrail(self, body: Body) -> Body:
        text = "\n".join(block["text"]["text"] for block in body["content"])
        said = self.intervenes(body["source"], text) if self.intervenes else None
        units = ("topicPolicy", "contentPolicy", "wordPolicy", "sensitiveInformationPolicy")
        others = ("sensitiveInformationPolicyFree", "contextualGroundingPolicy")
        return {
            "usage": {f"{name}Units": 0 for name in (*units, *others)},
            "action": "NONE" if said is None else "GUARDRAIL_INTERVENED",
            "outputs": [] if said is None else [{"text": mark(said)}],
            "assessments": [],
        }


def mark(text: str) -> str:
    """The text, saying that it comes from a script."""
    return text if text.startswith(MARK) else f"{MARK} {text}"


def _show(step: Outcome) -> tuple[int, str | None, Body]:
    if isinstance(step, Fails):
        return step.status, step.error_type, {"message": step.message}
    return 200, None, step.document()


@contextmanager
def serve(script: Script, intervenes: Intervenes | None = None, port: int = 0) -> Iterator[ScriptedConverse]:
    """Serve a script on 127.0.0.1 until the block ends; port 0 is any that is free."""
    scripted = ScriptedConverse(script, intervenes)
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(scripted))
    scripted.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield scripted
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(scripted: ScriptedConverse) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if refusal := self._refusal():
                self.send_error(403, explain=refusal)
                return
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))) or b"{}")
            path = urllib.parse.unquote(self.path.split("?")[0].replace("%2F", "%252F"))
            status, error_type, document = scripted.answer_to(path, body)
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            if error_type:
                self.send_header("x-amzn-errortype", error_type)
            self.end_headers()
            self.wfile.write(content)

        def _refusal(self) -> str | None:
            """No web page asks a model through this: behind it may be the caller's own access to Bedrock."""
            headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in self.headers.items()]
            return host_refusal(headers, own_hosts(scripted.port)) or origin_refusal(headers)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Nothing: a question is nobody's log line."""

    return Handler


def demo_script(first: int, last: int, columns: Mapping[str, Sequence[str]]) -> Callable[[Body], Says | Fails]:
    """A script of two steps for asking without a model: a query chosen by words of the question, then its row count.

    `first` and `last` are days as yyyymmdd; `columns` are those of each table that may be asked, reviews' last.
    """

    def step(body: Body) -> Says | Fails:
        newest = body["messages"][-1]["content"]
        results = [block["toolResult"] for block in newest if "toolResult" in block]
        if results:
            return Says(_demo_answer(results[0]))
        question = " ".join(block.get("text", "") for block in newest).lower()
        sql = demo_sql(question, first, last, columns)
        return Says(
            "I ask the lake what fits the words of the question.",
            (ToolCall(f"scripted-{uuid.uuid4().hex[:12]}", {"sql": sql}),),
        )

    return step


def demo_sql(question: str, first: int, last: int, columns: Mapping[str, Sequence[str]]) -> str:
    """A SELECT by simple rules: tools by name, sessions by who started them or by state, else rows by day."""
    about = next((word for word in ("tool", "session") if word in question), None)
    table = next((name for name in columns if about and about in name), list(columns)[-1])
    wanted = {
        "tool": ("tool_name", "toolname"),
        "session": ("useridentity_arn",) if "who" in question else ("state",),
    }.get(about or "", ())
    by = next((name for name in wanted if name in columns[table]), "logcalendarday")
    return (
        f"SELECT {by}, count(*) AS row_count FROM {table} WHERE logcalendarday BETWEEN {first} AND {last} "
        f"GROUP BY {by} ORDER BY row_count DESC LIMIT 20"
    )


def _demo_answer(result: Mapping[str, Any]) -> str:
    content = result["content"][0]
    if "json" not in content:
        said = content["text"]
        return f"The query gave no rows: {said}\nNext step: [scripted] write the query yourself, with `loglake query`."
    count = content["json"]["row_count"]
    return (
        f"No model is at work here. The query gave {count} rows; its SQL and the coverage of its days stand below.\n"
        "Next step: [scripted] run the same SQL with `loglake query`, or set a model and ask again."
    )
