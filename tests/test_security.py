"""A local lake belongs to whoever started it: no web page, no other host name and no other key gets at it."""

import hashlib
import http.client
import json
import os
import stat
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from ministack.core import sigv4

from infra.cli.dagster_home import write_dagster_home
from infra.cli.dagster_ui import UiError, guard_command
from infra.cli.home import REPOSITORY
from infra.cli.local_lake import LocalLake, environment
from infra.emulator.processes import HEALTH_PATH, StackInfo, free_port, running_stack, start_stack, stop_stack
from infra.emulator.scripted_converse import Says, serve
from tests.browser import Browser, Page, start_browser
from tests.wait import until

pytestmark = pytest.mark.stack

REBOUND = "rebound.example"
"""A name that the browser resolves to 127.0.0.1, as a page's owner may have it resolved."""
LAUNCH = """mutation { launchRun(executionParams: {
  selector: {repositoryLocationName: "loglake", repositoryName: "__repository__", jobName: "collect_old_runs"},
  mode: "default", runConfigData: {ops: {collect_old_runs_of_every_table: {config: {apply: true}}}}
}) { __typename } }"""
RUNS = "{ runsOrError { ... on Runs { results { runId } } } }"
ASSETS = "{ assetNodes { assetKey { path } } }"


# --- what the tests try things on -------------------------------------------------------------------------------------


def client(info: StackInfo, service: str, **changes: Any) -> Any:
    """A client of a stack, which asks once."""
    named = {"endpoint_url": info.endpoint_url, "region_name": "us-east-1", **info.credentials, **changes}
    config = Config(retries={"total_max_attempts": 1}, signature_version="s3v4" if service == "s3" else None)
    session: Any = boto3.session.Session()
    return session.client(service, config=config, **named)


def state(lake: LocalLake) -> dict[str, Any]:
    """What a page might change: buckets, objects of readready, functions."""
    objects = lake.client("s3").list_objects_v2(Bucket=lake.settings.readready_bucket)
    return {
        "buckets": sorted(b["Name"] for b in lake.client("s3").list_buckets()["Buckets"]),
        "objects": sorted(o["Key"] for o in objects.get("Contents", [])),
        "functions": sorted(f["FunctionName"] for f in lake.client("lambda").list_functions()["Functions"]),
    }


def answer(port: int, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], str]:
    """Status, headers and text of an answer of a server of this machine."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    got = connection.getresponse()
    found = got.status, {name.lower(): value for name, value in got.getheaders()}, got.read().decode()
    connection.close()
    return found


@dataclass(frozen=True)
class Ui:
    """The guarded webserver on the lake, without a daemon: what is launched stays in its queue."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, query: str) -> Any:
        body, kind = json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/graphql", body, kind), timeout=30) as got:
            return json.load(got)["data"]

    def is_up(self) -> bool:
        try:
            return bool(self.ask(ASSETS)["assetNodes"])
        except OSError:
            return False


@pytest.fixture(scope="module")
def ui(lake: LocalLake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    found = Ui(free_port())
    home = tmp_path_factory.mktemp("dagster")
    options = ["-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(found.port)]
    named = {**os.environ, **environment(lake), "DAGSTER_HOME": str(home), "PYTHONWARNINGS": "ignore"}
    write_dagster_home(home)
    with (home / "log").open("wb") as log:
        command = [sys.executable, "-m", "infra.cli.dagster_ui", "webserver", *options]
        process = subprocess.Popen(command, cwd=REPOSITORY, env=named, stdout=log, stderr=log)
    try:
        until(found.is_up, 120, 0.5)
        yield found
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def empty_page(host: str) -> Iterator[str]:
    """The address of an empty page of another origin."""

    class Empty(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!DOCTYPE html><title>other_page</title><body></body>")

        def log_message(self, format: str, *arguments: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Empty)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with start_browser(tmp_path_factory.mktemp("profile"), f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1") as found:
        yield found


@pytest.fixture(scope="module", params=["127.0.0.1", "localhost"])
def other_page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A page of another origin: of the same site (another port), and of another site."""
    with empty_page(request.param) as url, browser.page(url) as page:
        yield page


# --- a web page of another origin -------------------------------------------------------------------------------------


def fetch(page: Page, url: str, **options: Any) -> str:
    """What a page's fetch comes to: its type, status and text, or "failed"."""
    said = f"fetch({json.dumps(url)}, {json.dumps(options)})"
    shown = "async answer => `${answer.type} ${answer.status} ${await answer.text()}`"
    return str(page.evaluate(f"{said}.then({shown}).catch(error => 'failed')"))


@pytest.mark.fault(
    92, "pages of two other origins read and write the emulator by fetch and by form", "refused; nothing changed"
)
def test_a_page_of_another_origin_reads_and_changes_nothing_in_the_emulator(lake: LocalLake, other_page: Page) -> None:
    url, before = lake.info.endpoint_url, state(lake)
    bucket, function = f"{url}/{lake.settings.readready_bucket}", f"{url}/2015-03-31/functions"
    assert fetch(other_page, f"{url}/") == "failed", "its buckets are listed"
    assert fetch(other_page, f"{bucket}/page/put", method="PUT", body="x") == "failed"
    scope = f"{lake.info.access_key_id}/20261101/us-east-1/s3/aws4_request"
    assert fetch(other_page, f"{url}/", headers={"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}"}) == "failed"
    code = {"Runtime": "python3.11", "Role": "arn:aws:iam::000000000000:role/any", "Handler": "index.handler"}
    body = json.dumps({"FunctionName": "of-a-page", **code, "Code": {"ZipFile": "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="}})
    for target in (f"{bucket}/page/post", function, f"{url}/?Action=CreateQueue&QueueName=of-a-page"):
        fetch(other_page, target, method="POST", mode="no-cors", body=body)
    other_page.evaluate(form_script(bucket, {"key": "page/form", "file": "x"}))
    assert state(lake) == before
    assert "of-a-page" not in str(lake.client("sqs").list_queues())


def form_script(url: str, fields: dict[str, str]) -> str:
    """JavaScript that sends a form into a frame, and waits for the answer."""
    return f"""new Promise(ended => {{
      const target = `answer-${{document.forms.length}}`;
      const frame = document.body.appendChild(Object.assign(document.createElement("iframe"), {{name: target}}));
      const made = {{action: {json.dumps(url)}, method: "post", enctype: "multipart/form-data", target}};
      const form = document.body.appendChild(Object.assign(document.createElement("form"), made));
      for (const [name, value] of Object.entries({json.dumps(fields)}))
        form.append(Object.assign(document.createElement("textarea"), {{name, value}}));
      frame.onload = ended;
      form.submit();
    }}).then(() => true)"""


@pytest.mark.fault(92, "an image's address, a form and a WebSocket of another origin's page launch a run", "no run")
def test_a_page_of_another_origin_launches_no_run(ui: Ui, other_page: Page) -> None:
    before = ui.ask(RUNS)
    shown = f"""new Promise(ended => {{
      const image = new Image();
      image.onload = image.onerror = ended;
      image.src = "{ui.url}/graphql?query=" + encodeURIComponent({json.dumps(LAUNCH)});
    }}).then(() => true)"""
    other_page.evaluate(shown)
    query = f"{ui.url}/graphql?query={urllib.parse.quote(LAUNCH)}"
    fetch(other_page, query, method="POST", mode="no-cors")
    fetch(other_page, query, mode="no-cors")
    other_page.evaluate(form_script(query, {"any": "x"}))
    assert ui.ask(RUNS) == before
    assert other_page.evaluate(socket_script(ui.port, LAUNCH)) == "closed"
    assert ui.ask(LAUNCH)["launchRun"]["__typename"] == "LaunchRunSuccess", "who may launch it launches it so"


def socket_script(port: int, query: str) -> str:
    """JavaScript that sends a query through a WebSocket; gives the type of the last message, or "closed"."""
    return f"""new Promise(ended => {{
      const socket = new WebSocket("ws://127.0.0.1:{port}/graphql", "graphql-ws");
      const say = message => socket.send(JSON.stringify(message));
      socket.onclose = () => ended("closed");
      socket.onopen = () => say({{type: "connection_init"}});
      socket.onmessage = event => {{
        const type = JSON.parse(event.data).type;
        if (type === "connection_ack") say({{id: "1", type: "start", payload: {{query: {json.dumps(query)}}}}});
        else if (type !== "ka") ended(type);
      }};
    }})"""


@pytest.mark.fault(
    92, "a page whose own host name was pointed at this machine (DNS rebinding)", "refused by both servers"
)
def test_a_host_name_that_was_pointed_here_is_refused(lake: LocalLake, ui: Ui, browser: Browser) -> None:
    for port in (lake.info.port, ui.port):
        with browser.page(f"http://{REBOUND}:{port}/") as page:
            assert "names another host" in page.evaluate("document.body.innerText")
            query = {"headers": {"Content-Type": "application/json"}, "body": json.dumps({"query": RUNS})}
            assert fetch(page, "/graphql", method="POST", **query).startswith("basic 403")
            assert fetch(page, HEALTH_PATH).startswith("basic 403")


@pytest.mark.fault(
    92, "the UI's own page, in a browser, through the guard", "it lists the assets, over POST and WebSocket"
)
def test_the_ui_works_in_a_browser_and_in_no_frame(ui: Ui, browser: Browser, other_page: Page) -> None:
    with browser.page(f"{ui.url}/assets") as page:
        until(lambda: "cloudtrail" in page.evaluate("document.body.innerText"), 60, 0.3)
        subscription = 'subscription { pipelineRunLogs(runId: "none") { __typename } }'
        assert page.evaluate(socket_script(ui.port, subscription)) == "data"
    framed = f"""new Promise(ended => {{
      const frame = document.body.appendChild(document.createElement("iframe"));
      frame.onload = () => ended(frame.contentDocument === null);
      frame.src = "{ui.url}/";
    }})"""
    assert other_page.evaluate(framed) is True, "the browser shows its own error there"
    _, headers, _ = answer(ui.port, "/", Sec_Fetch_Site="cross-site", Sec_Fetch_Dest="document")
    assert headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


# --- headers, without a browser ---------------------------------------------------------------------------------------


@pytest.mark.fault(
    92, "requests with each header that only a web page sends, preflights too", "403, without a CORS header"
)
def test_a_request_with_a_page_s_headers_is_refused(lake: LocalLake, ui: Ui) -> None:
    of_pages = [{"Origin": "https://example.com"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"}]
    of_pages += [{"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}, {"Host": f"example.com:{ui.port}"}]
    for port in (lake.info.port, ui.port):
        for headers in of_pages:
            for method, path in (("GET", "/"), ("OPTIONS", "/"), ("POST", "/graphql"), ("GET", HEALTH_PATH)):
                status, got, text = answer(port, path, method, **headers)
                assert status == 403, (headers, method, path)
                assert "rying it again does not help" in text
                assert not [name for name in got if name.startswith("access-control")]
    for origin in (f"http://127.0.0.1:{lake.info.port}", f"http://localhost:{lake.info.port}"):
        assert answer(lake.info.port, "/", Origin=origin)[0] == 403, "the emulator has no pages of its own"


@pytest.mark.fault(92, "GraphQL by GET, in every spelling of its path", "405, whoever asks")
@pytest.mark.parametrize("path", ["/graphql", "/graphql/", "//graphql", "/%67raphql"])
def test_graphql_is_answered_by_post_only(ui: Ui, path: str) -> None:
    asked = f"{path}?query=%7Bversion%7D"
    status, _, text = answer(ui.port, asked, Accept="text/html")
    assert (status, "POST only" in text) == (405, True)
    assert answer(ui.port, asked, Sec_Fetch_Site="cross-site", Sec_Fetch_Dest="document")[0] == 403


def test_a_webserver_that_dagster_starts_in_another_way_is_not_started_unguarded() -> None:
    assert guard_command(["python", "-m", "dagster_webserver", "-p", "1"])[1:3] == ["-m", "infra.cli.dagster_ui"]
    assert guard_command(["python", "-m", "dagster._daemon", "run"]) == ["python", "-m", "dagster._daemon", "run"]
    with pytest.raises(UiError, match="stand open"):
        guard_command(["dagster-webserver", "-p", "1"])


@pytest.mark.fault(
    92, "a page's request to the stand-in for Bedrock, behind which may be a real model", "it is not asked"
)
@pytest.mark.parametrize(
    "headers", [{"Origin": "https://example.com"}, {"Host": REBOUND}, {"Sec_Fetch_Site": "same-site"}]
)
def test_a_page_asks_no_model(headers: dict[str, str]) -> None:
    with serve([Says("never")]) as model:
        assert answer(model.port, "/model/any/converse", "POST", **headers)[0] == 403
        assert model.requests == []


# --- credentials ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def other_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, StackInfo]]:
    """A second stack, in a home that it has to make."""
    home = tmp_path_factory.mktemp("other") / "home"
    info = start_stack(home)
    yield home, info
    stop_stack(info)


CALLS = (("s3", "list_buckets"), ("glue", "get_databases"), ("sqs", "list_queues"), ("sts", "get_caller_identity"))
CODES = {
    "key": {"s3": "InvalidAccessKeyId", "sts": "InvalidClientTokenId", None: "UnrecognizedClientException"},
    "secret": {"s3": "SignatureDoesNotMatch", "sts": "SignatureDoesNotMatch", None: "InvalidSignatureException"},
}


@pytest.mark.fault(92, "requests with a wrong secret, an unknown key and another stack's key", "refused, with why")
@pytest.mark.parametrize(("service", "operation"), CALLS)
def test_only_this_stack_s_credentials_are_taken(
    lake: LocalLake, other_stack: tuple[Path, StackInfo], service: str, operation: str
) -> None:
    info, other = lake.info, other_stack[1]
    assert other.secret_access_key != info.secret_access_key
    getattr(client(info, service), operation)()
    secret = {"aws_secret_access_key": info.secret_access_key}
    wrong = [("secret", {"aws_secret_access_key": other.secret_access_key}), ("key", dict(other.credentials))]
    keys = ("test", "000000000000", "111122223333", "AKIANONE")
    wrong += [("key", {"aws_access_key_id": key} | secret) for key in keys]
    for what, changes in wrong:
        with pytest.raises(ClientError) as refused:
            getattr(client(info, service, **changes), operation)()
        error = refused.value.response
        codes = CODES[what]
        assert error["Error"]["Code"] == codes.get(service, codes[None])
        assert "stack.json" in error["Error"]["Message"]
        assert error["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.mark.fault(
    92, "requests without a signature, and with one that is old, of the future or of another body", "403"
)
def test_a_request_that_is_not_signed_now_as_it_is_is_refused(lake: LocalLake) -> None:
    port, now = lake.info.port, datetime.now(UTC)
    assert answer(port, "/")[0] == 403
    for when, status in ((0, 200), (-14, 200), (14, 200), (-16, 403), (16, 403)):
        moment = now + timedelta(minutes=when)
        assert answer(port, "/", **list_buckets_headers(lake.info, moment))[0] == status, when
    good = list_buckets_headers(lake.info, now)
    assert answer(port, "/?location", **good)[0] == 403
    assert answer(port, "/another", **good)[0] == 403
    assert answer(port, "/", "DELETE", **good)[0] == 403
    assert answer(port, "/", **{**good, "x-amz-content-sha256": hashlib.sha256(b"x").hexdigest()})[0] == 403
    assert (
        answer(port, "/?X-Amz-Signature=0&X-Amz-Credential=test/20261101/us-east-1/s3/aws4_request", **good)[0] == 403
    )
    for path in ("/_ministack/reset", "/_ministack/config", "/health", "/_localstack/health", "/_ministack/ready"):
        assert answer(port, path, "POST")[0] == 403, path


def list_buckets_headers(info: StackInfo, moment: datetime) -> dict[str, str]:
    """Headers of a signed ListBuckets."""
    when, hashed = f"{moment:%Y%m%dT%H%M%SZ}", hashlib.sha256(b"").hexdigest()
    headers = {"host": f"127.0.0.1:{info.port}", "x-amz-content-sha256": hashed, "x-amz-date": when}
    names = ";".join(headers)
    request = sigv4.build_canonical_request("GET", "/", headers, {}, names, payload_hash=hashed)
    text = sigv4.build_string_to_sign(when, when[:8], "us-east-1", "s3", request)
    signature = sigv4.calculate_signature(info.secret_access_key, when[:8], "us-east-1", "s3", text)
    scope = f"Credential={info.access_key_id}/{when[:8]}/us-east-1/s3/aws4_request"
    return {**headers, "Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders={names}, Signature={signature}"}


@pytest.mark.fault(92, "a presigned URL, whole and with a changed key", "the whole one answers, the other does not")
def test_a_presigned_url_holds_for_what_it_was_signed_for(lake: LocalLake) -> None:
    s3, bucket, key = client(lake.info, "s3"), lake.settings.artifacts_bucket, "presigned/a=b/c d+é%25.txt"
    s3.put_object(Bucket=bucket, Key=key, Body=b"held")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key})
    with urllib.request.urlopen(url) as got:
        assert got.read() == b"held"
    for changed in (url.replace(".txt", ".tx"), url.replace("X-Amz-Expires=3600", "X-Amz-Expires=36000")):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(changed)
    s3.delete_object(Bucket=bucket, Key=key)


@pytest.mark.fault(92, "a session of a role, with its own token, another's and none", "only its own is taken")
def test_a_session_of_a_role_needs_its_token(lake: LocalLake) -> None:
    arn = "arn:aws:iam::000000000000:role/any"
    given = client(lake.info, "sts").assume_role(RoleArn=arn, RoleSessionName="session")["Credentials"]
    keys = {"aws_access_key_id": given["AccessKeyId"], "aws_secret_access_key": given["SecretAccessKey"]}
    own = client(lake.info, "s3", **keys, aws_session_token=given["SessionToken"])
    assert own.list_buckets()["Buckets"]
    for token in (None, "another"):
        with pytest.raises(ClientError, match="InvalidToken"):
            client(lake.info, "s3", **keys, aws_session_token=token).list_buckets()


@pytest.mark.fault(92, "the files and processes of a running stack, read", "private, and no secret in any command line")
def test_the_credentials_are_in_one_private_file_and_in_no_command_line(
    lake: LocalLake, other_stack: tuple[Path, StackInfo]
) -> None:
    home, info = other_stack
    assert stat.S_IMODE((home / "stack.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert running_stack(home) == info
    assert info.secret_access_key not in repr(info)
    holding = [p for p in home.rglob("*") if p.is_file() and info.secret_access_key.encode() in p.read_bytes()]
    assert holding == [home / "stack.json"]
    lines = subprocess.run(["ps", "-Aww", "-o", "args="], capture_output=True, text=True, check=True).stdout
    assert info.secret_access_key not in lines
    assert lake.info.secret_access_key not in lines


@pytest.mark.fault(92, "the health path, without credentials, and a signed answer's headers", "they reveal nothing")
def test_the_health_path_says_nothing_and_no_answer_has_a_cors_header(lake: LocalLake) -> None:
    assert answer(lake.info.port, HEALTH_PATH)[::2] == (200, "ok")
    status, headers, _ = answer(lake.info.port, "/", **list_buckets_headers(lake.info, datetime.now(UTC)))
    assert status == 200
    assert not [name for name in headers if name.startswith("access-control")]
